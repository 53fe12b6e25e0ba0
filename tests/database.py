"""The database that tests run on: SQLite, or with ``TEST_DATABASE=postgres`` a real PostgreSQL.

One cluster serves a whole run and is thrown away after it. What migrations make is kept as a dump
beside the SQLite template, so that a run begins with a restore and every process of pytest-xdist
gets a copy of what that made.
"""

import os
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dj_database_url
import psycopg
from django.db import connections

from config.env import ROOT
from tests import template
from tests.servers import find_postgres, running_postgres

SETTING, CLUSTER = "TEST_DATABASE", "TEST_POSTGRES_CLUSTER"
TEMPLATE = "vernacular_template"
KEPT = ("django_migrations", "django_content_type", "auth_permission")


def wants_postgres() -> bool:
    """Whether this run was asked to be on PostgreSQL."""
    asked = os.environ.get(SETTING, "sqlite")
    if asked not in {"sqlite", "postgres"}:
        raise SystemExit(f"{SETTING}={asked}: say sqlite or postgres")
    return asked == "postgres"


def start_cluster() -> ExitStack:
    """Start the cluster of this run, with the template in it; processes that join it inherit where."""
    stack = ExitStack()
    if find_postgres() is None:
        raise SystemExit(f"{SETTING}=postgres, but PostgreSQL is not installed here")
    server = stack.enter_context(running_postgres())
    os.environ[CLUSTER] = server
    stack.callback(os.environ.pop, CLUSTER)
    _create(server, TEMPLATE)
    fill(_named(server, TEMPLATE))
    return stack


def use_postgres() -> None:
    """Have Django speak to the cluster, before anything has asked the database."""
    told = dj_database_url.parse(
        os.environ[CLUSTER], engine="config.postgresql", conn_max_age=60, conn_health_checks=True
    )
    connections["default"].close()
    del connections["default"]
    connections.settings["default"].clear()
    connections.settings["default"].update(told)
    connections.configure_settings(connections.settings)


def copy_template(name: str) -> str:
    """Make a database of that name, migrated; its URL."""
    server = os.environ[CLUSTER]
    _create(server, name, of=TEMPLATE)
    return _named(server, name)


def empty_postgres(cursor: Any, tables: Iterable[str]) -> None:
    """Empty what holds anything, past the triggers that refuse it; the next test counts from one."""
    asked = " UNION ALL ".join(
        f"SELECT '{one}' WHERE EXISTS (SELECT 1 FROM \"{one}\")"  # noqa: S608 - names of ours
        for one in tables
        if one not in KEPT
    )
    cursor.execute(asked)
    filled = [name for (name,) in cursor.fetchall()]
    cursor.execute("SET session_replication_role = replica")
    for name in filled:
        cursor.execute(f'DELETE FROM "{name}"')  # noqa: S608 - likewise
    cursor.execute("SET session_replication_role = DEFAULT")
    cursor.execute(
        "SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, 1, false)"
        " FROM pg_sequences WHERE last_value IS NOT NULL AND NOT sequencename = ANY(%s)",
        [[f"{one}_id_seq" for one in KEPT]],
    )


def _create(server: str, name: str, *, of: str = "template0") -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{of}"')


def _named(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")


def fill(url: str) -> None:
    """Migrate an empty database: by the dump that was kept of these migrations, if there is one."""
    with template.alone():
        _fill(url)


def _fill(url: str) -> None:
    dump = template.CACHE / f"tests-{template.digest()}.pgdump"
    if dump.exists():
        _call("pg_restore", "--dbname", url, "--no-owner", str(dump))
        return
    template.migrate(template.CACHE, database=url)
    for old in template.CACHE.glob("tests-*.pgdump"):
        old.unlink()
    _call("pg_dump", "--format=custom", "--compress=0", f"--file={dump}.new", url)
    Path(f"{dump}.new").rename(dump)


def _call(program: str, *arguments: str) -> None:
    programs = find_postgres()
    assert programs is not None
    done = subprocess.run(
        [str(programs / program), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{program}: {done.stderr}"
