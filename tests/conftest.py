"""Fixtures for all tests: folders of their own, and real servers for those who ask.

A server that this machine lacks skips the tests that need it, with the reason in the summary;
with ``REQUIRE_ALL=1`` it fails them. Every process of pytest-xdist has servers of its own.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from django.conf import settings
from django.db import connection
from django.utils import translation

from config.bootstrap import ROOT
from config.env import env
from config.installing import SetupError
from config.secret_file import ensure_secrets
from config.services import find_redis
from tests.servers import (
    BROWSER_FLAGS,
    LabelStudioServer,
    LiveService,
    find_browser,
    find_postgres,
    running_label_studio,
    running_postgres,
    running_redis,
    running_service,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def _lacking(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def var_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this test process writes, and where the real processes it starts find its database."""
    return tmp_path_factory.mktemp("var")


@pytest.fixture(scope="session", autouse=True)
def _own_folders(var_dir: Path) -> Iterator[None]:
    """Nothing that a test writes lands in the installation."""
    with pytest.MonkeyPatch.context() as patch:
        ensure_secrets(var_dir)
        patch.setenv("VERNACULAR_VAR_DIR", str(var_dir))
        env.cache_clear()
        patch.setattr(settings, "ENV", env())
        patch.setattr(settings, "VAR_DIR", var_dir)
        patch.setattr(settings, "WEIGHTS_DIR", var_dir / "weights")
        patch.setattr(settings, "EMBEDDINGS_DIR", var_dir / "embeddings")
        patch.setattr(settings, "MEDIA_ROOT", var_dir / "uploads")
        patch.setattr(settings, "STATIC_ROOT", var_dir / "static")
        settings.STATIC_ROOT.mkdir()
        # Real hashing is slow on purpose; a hundred tests would spend minutes on it.
        quick = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        patch.setattr(settings, "PASSWORD_HASHERS", quick)
        yield
    env.cache_clear()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest, var_dir: Path) -> None:
    """A SQLite file, not memory: workers that join a test are processes of their own."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(var_dir / "vernacular.sqlite3")
    else:
        request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")


@pytest.fixture(autouse=True)
def _speak_english() -> None:
    """What a request spoke last, its thread goes on speaking; no test hears of another's."""
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _let_tests_empty_tables() -> Iterator[None]:
    """What is append-only may be emptied between tests, which no trigger would let pass."""
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def switched_off(self: Any, statements: list[str]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
            )
            tables = [table for (table,) in cursor.fetchall()]
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            flush(self, statements)
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def without_triggers(self: Any, statements: list[str]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f"DROP TRIGGER {name}")
            flush(self, statements)
            for _, statement in triggers:
                cursor.execute(statement)

    with pytest.MonkeyPatch.context() as patch:
        sqlite = connection.vendor == "sqlite"
        patch.setattr(operations, "execute_sql_flush", without_triggers if sqlite else switched_off)
        yield


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Redis on a socket."""
    try:
        find_redis()
    except SetupError as error:
        _lacking(str(error))
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioServer]:
    """A real Label Studio with ``url``, ``token``, ``email`` and ``password`` of its admin."""
    _need_label_studio()
    with running_label_studio(tmp_path_factory.mktemp("desk")) as server:
        yield server


@pytest.fixture(scope="session")
def label_studio_installed() -> None:
    """For tests that start a Label Studio of their own."""
    _need_label_studio()


def _need_label_studio() -> None:
    if not (ROOT / ".venv-labelstudio/.stamp.json").exists():
        _lacking("Label Studio is not installed here (python3 manage.py setup)")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL on a socket."""
    if find_postgres() is None:
        _lacking("PostgreSQL is not installed here (Debian, Ubuntu: apt install postgresql)")
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A real Chromium, driven by Playwright."""
    program = find_browser()
    if program is None:
        _lacking("no Chromium is installed here (apt install chromium-headless-shell)")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, and Django would refuse its database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=program, args=[*BROWSER_FLAGS])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A fresh page without cookies."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def start_service(transactional_db: None, var_dir: Path) -> Iterator[Callable[..., LiveService]]:
    """Start what ``up`` runs on the test's database: ``start_service(without=("beat",))``."""
    with ExitStack() as stack:

        def start(*, without: tuple[str, ...] = (), **environment: str) -> LiveService:
            if "label-studio" not in without:
                _need_label_studio()
            service: AbstractContextManager[LiveService] = running_service(
                var_dir, without=without, environment=environment
            )
            return stack.enter_context(service)

        yield start


@pytest.fixture
def live_service(start_service: Callable[..., LiveService]) -> LiveService:
    """Everything that ``up`` runs: real Redis, Label Studio, web, workers and timetable."""
    return start_service()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start many processes come last: a plain mistake should be seen at once."""
    slow = {"live_service", "start_service", "browser", "label_studio"}

    def is_slow(item: Any) -> bool:
        return bool(slow & set(getattr(item, "fixturenames", ())))

    items.sort(key=is_slow)
