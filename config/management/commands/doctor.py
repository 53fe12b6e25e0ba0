"""``doctor``: look at every part and say what is wrong, and how to mend it."""

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import OperationalError

from config.desk_service import read_release, version
from config.env import ROOT, env
from config.inspecting import (
    Finding,
    look_at_backups,
    look_at_broker,
    look_at_clock,
    look_at_files,
    look_at_settings,
    look_at_telemetry,
    look_at_weights,
    look_at_work,
)
from config.installing import (
    SetupError,
    is_complete,
    label_studio_environment,
    project_environment,
)
from config.running import announced
from config.services import find_redis, free_port, without_password


def look_at_python() -> Iterator[Finding]:
    """The interpreter."""
    found = f"{sys.version.split()[0]} ({sys.executable})"
    fits = sys.version_info >= (3, 11)
    yield Finding("Python", found, "" if fits else "Start manage.py with Python 3.11 or newer.")


def look_at_environments() -> Iterator[Finding]:
    """The two virtual environments."""
    for one in (project_environment(ROOT, dev=False), label_studio_environment(ROOT)):
        complete = is_complete(one)
        yield Finding(
            one.folder.name,
            "as pinned" if complete else "missing, or not as pinned today",
            "" if complete else "Run: python3 manage.py setup",
        )


def look_at_disk() -> Iterator[Finding]:
    """The space that is left."""
    folder = env().var_dir if env().var_dir.exists() else ROOT
    free = shutil.disk_usage(folder).free // 2**20
    yield Finding("Disk", f"{free} MB free", "Free at least 1000 MB." if free < 1000 else "")


def look_at_redis() -> Iterator[Finding]:
    """The queue: a given one must answer, our own must be there to be started."""
    if url := env().redis_url:
        import redis

        try:
            redis.Redis.from_url(url, socket_timeout=2).ping()
        except redis.RedisError as error:
            yield Finding("Redis", str(error), "Start it, or correct VERNACULAR_REDIS_URL.")
        else:
            yield Finding("Redis", f"answers at {without_password(url)}")
        return
    try:
        yield Finding("Redis", f"our own: {find_redis()}")
    except SetupError as error:
        yield Finding("Redis", str(error.args[0]), error.remedy)


def look_at_label_studio() -> Iterator[Finding]:
    """A given desk must be there and be the version that was tried."""
    url = env().label_studio_url
    if not url:
        yield Finding("Label Studio", f"our own, {version()}; `up` starts it")
        return
    release = read_release(url)
    remedy = "" if release == version() else f"Only {version()} was tried; look at {url}."
    yield Finding("Label Studio", f"{release or 'no answer'} at {url}", remedy)


def look_at_ports() -> Iterator[Finding]:
    """Where it runs already, else whether the wanted ports are free; a busy one is no harm."""
    if running := announced(env().var_dir / "up.lock"):
        addresses = f"pages at {running['web']}, Label Studio at {running['label_studio']}"
        yield Finding("Service", f"runs here: {addresses}")
        return
    for name, wanted in (("pages", env().web_port), ("Label Studio", env().label_studio_port)):
        try:
            port = free_port(wanted)
        except SetupError as error:
            yield Finding(f"Port {wanted}", str(error.args[0]), error.remedy)
        else:
            found = "free" if port == wanted else f"taken; {name} will use {port}"
            yield Finding(f"Port {wanted}", found)


def look_at_database() -> Iterator[Finding]:
    """Reachable, migrated, and, if it is SQLite, set so that several processes lose nothing."""
    name = f"Database ({connection.vendor})"
    try:
        if (
            connection.vendor == "sqlite"
            and not Path(settings.DATABASES["default"]["NAME"]).exists()
        ):
            yield Finding(name, "not made yet; `up` makes it")
            return
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except OperationalError as error:
        yield Finding(name, str(error).strip(), "Start it, or correct VERNACULAR_DATABASE_URL.")
        return
    waiting = "Run: python3 manage.py migrate" if plan else ""
    yield Finding(name, f"{len(plan)} migrations wait" if plan else "migrated", waiting)
    if connection.vendor == "sqlite":
        yield _look_at_sqlite(name)


def _look_at_sqlite(name: str) -> Finding:
    with connection.cursor() as cursor:
        mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        wait = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
    found = f"SQLite {sqlite3.sqlite_version}, journal {mode}, waits {wait} ms"
    fits = mode == "wal" and wait >= 10_000
    return Finding(name, found, "" if fits else "Keep the OPTIONS that config/settings.py sets.")


def look_at_secrets() -> Iterator[Finding]:
    """Nobody else may read them."""
    var = env().var_dir
    if not (var / "secrets.json").exists():
        yield Finding("Secrets", "not made yet; `up` makes them")
        return
    for what, path, right in (("Secrets", var / "secrets.json", "600"), ("Folder", var, "700")):
        mode = path.stat().st_mode & 0o777
        yield Finding(what, f"mode {mode:o}", f"chmod {right} {path}" if mode & 0o077 else "")


PARTS: Sequence[Callable[[], Iterator[Finding]]] = (
    look_at_python,
    look_at_environments,
    look_at_disk,
    look_at_redis,
    look_at_broker,
    look_at_label_studio,
    look_at_ports,
    look_at_database,
    look_at_secrets,
    look_at_files,
    look_at_settings,
    look_at_clock,
    look_at_weights,
    look_at_backups,
    look_at_telemetry,
    look_at_work,
)


class Command(BaseCommand):
    """Findings, each with its remedy; exit 1 if there is anything to mend."""

    help = "Look at what is installed, set, stored and at work; say what is wrong and the remedy."
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        """Look at everything, even when the first part is ill."""
        ill = 0
        for part in PARTS:
            for finding in part():
                ill += bool(finding.remedy)
                mark = "!!" if finding.remedy else "ok"
                self.stdout.write(f"{mark}  {finding.what:<22} {finding.found}")
                if finding.remedy:
                    self.stdout.write(f"    {'':<22} -> {finding.remedy}")
        if ill:
            sys.exit(1)
