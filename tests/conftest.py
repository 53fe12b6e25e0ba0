"""Fixtures for all tests: folders of their own, and real servers for those who ask.

A server that this machine lacks skips the tests that need it, with the reason in the summary;
with ``REQUIRE_ALL=1`` it fails them. Every process of pytest-xdist has servers of its own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from django.conf import settings
from django.core.management.commands import flush as flush_command
from django.db import connection
from django.utils import translation

from config.bootstrap import ROOT
from config.env import env
from config.installing import SetupError
from config.secret_file import ensure_secrets
from config.services import find_redis
from tests import database, template
from tests.servers import (
    BROWSER_FLAGS,
    LabelStudioServer,
    LiveService,
    find_browser,
    find_nginx,
    find_postgres,
    running_label_studio,
    running_postgres,
    running_redis,
    running_service,
)
from tests.side_by_side import Companies, rank

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Tests run side by side, and so do the processes they start: a thread each is enough.
os.environ.setdefault("OMP_NUM_THREADS", "1")
if sys.dont_write_bytecode:
    # A hundred processes would each compile Django or torch anew, for longer than they then work;
    # what they compile is kept where it clutters no folder of sources.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(ROOT / ".cache/bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix


if database.wants_postgres():
    # Before a module of tests asks what kind of database this is.
    _cluster = ExitStack() if database.CLUSTER in os.environ else database.start_cluster()
    database.use_postgres()


def pytest_unconfigure() -> None:
    """Throw the cluster of this run away."""
    if database.wants_postgres():
        connection.close()
        _cluster.close()


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
def django_db_keepdb(django_db_use_migrations: bool, django_db_keepdb: bool) -> bool:
    """A database that is there already is taken as it is: a copy of the template is."""
    return django_db_keepdb or django_db_use_migrations


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_use_migrations: bool, var_dir: Path) -> None:
    """A SQLite file, not memory: workers that join a test are processes of their own."""
    if connection.vendor != "sqlite":
        name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
        os.environ["VERNACULAR_DATABASE_URL"] = database.copy_template(name)
        connection.settings_dict["TEST"]["NAME"] = name
        return
    file = var_dir / "vernacular.sqlite3"
    connection.settings_dict["TEST"]["NAME"] = str(file)
    if django_db_use_migrations:
        template.place(file)


@pytest.fixture(autouse=True)
def _speak_english() -> None:
    """What a request spoke last, its thread goes on speaking; no test hears of another's."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _nobody_has_knocked() -> None:
    """Whom a process turns away for a while, it turns away in no other test."""
    if limits := sys.modules.get("annotation.actions.reports.limits"):
        limits.forget()


@pytest.fixture(scope="session", autouse=True)
def _let_tests_empty_tables() -> Iterator[None]:
    """What is append-only may be emptied between tests, which no trigger would let pass."""
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def on_postgres(self: Any, statements: list[str]) -> None:
        with self.connection.cursor() as cursor:
            database.empty_postgres(cursor, self.connection.introspection.table_names(cursor))

    def without_triggers(self: Any, statements: list[str]) -> None:
        """Empty what holds anything; what every installation holds stays, and nobody fills it anew."""
        with self.connection.cursor() as cursor:
            tables = self.connection.introspection.table_names(cursor)
            filled = [
                one for one in tables if one not in database.KEPT and _holds_rows(cursor, one)
            ]
            cursor.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = [one for one in cursor.fetchall() if one[1] in filled]
            for name, _, _ in triggers:
                cursor.execute(f"DROP TRIGGER {name}")
            flush(self, [one for one in statements if any(f'"{name}"' in one for name in filled)])
            for _, _, statement in triggers:
                cursor.execute(statement)
            # The next test counts from one, as after a rollback.
            cursor.execute(
                "DELETE FROM sqlite_sequence WHERE name NOT IN (%s, %s, %s)", database.KEPT
            )

    with pytest.MonkeyPatch.context() as patch:
        sqlite = connection.vendor == "sqlite"
        patch.setattr(operations, "execute_sql_flush", without_triggers if sqlite else on_postgres)
        patch.setattr(flush_command, "emit_post_migrate_signal", lambda *_, **__: None)
        yield


def _holds_rows(cursor: Any, table: str) -> bool:
    return cursor.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() is not None  # noqa: S608


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
def nginx() -> str:
    """The proxy's program; openssl makes it a certificate."""
    program = find_nginx()
    if program is None or shutil.which("openssl") is None:
        _lacking("nginx or openssl is not installed here (Debian, Ubuntu: apt install nginx-light)")
    return program


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
        patch.setattr(chromium, "new_context", _patient(chromium.new_context))
        yield chromium
        chromium.close()


def _patient(make: Callable[..., Any]) -> Callable[..., Any]:
    """A page of theirs gives up late: a machine that is busy with other tests is slow."""

    def new_context(**wanted: Any) -> Any:
        context = make(**wanted)
        context.set_default_timeout(60_000)
        return context

    return new_context


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


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let the database be migrated while the processes of pytest-xdist still gather their tests."""
    if session.config.getoption("numprocesses", None) and connection.vendor == "sqlite":
        subprocess.Popen([sys.executable, "-m", "tests.template"], cwd=ROOT)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Companies:
    """How tests are shared out: see :mod:`tests.side_by_side`."""
    return Companies(config, log)


SERVICES = {"live_service", "start_service", "label_studio", "label_studio_installed"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Plain tests first, then what starts many processes, then browsers: mistakes are seen at once.

    Side by side whole companies come first, the longest tests before all, so that nobody waits for
    them at the end; other processes begin with plain ones all the same.
    """
    beside = hasattr(config, "workerinput")

    def place(item: Any) -> tuple[int, int]:
        wanted = set(getattr(item, "fixturenames", ()))
        if beside:
            return rank(item.nodeid.partition("::")[0]), not item.get_closest_marker("timeout")
        return (2 if "browser" in wanted else int(bool(wanted & SERVICES))), 0

    items.sort(key=place)
