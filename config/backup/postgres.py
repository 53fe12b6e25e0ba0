"""A PostgreSQL database as it was at one moment, through its own programs."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from annotation.errors import ConflictError, NotFoundError, VernacularError

Write = Callable[[Path, str], dict[str, Any]]
# The same bytes for the same rows, whatever the server's settings.
PLAIN = "SET TIME ZONE 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
# A dump of a schema leaves them out; indexes may need them.
EXTENSIONS = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname"
OTHERS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


class ProgramError(VernacularError):
    """One of PostgreSQL's programs did not do it."""

    code = "postgres_failed"
    status = 500


def program(name: str) -> str:
    """The newest of PostgreSQL's programs on this machine."""
    homes = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4])
    )
    found = str(homes[-1]) if homes else shutil.which(name)
    if found is None:
        raise NotFoundError(
            f"{name} is not installed here.",
            remedy="Install PostgreSQL's client programs, as new as the server (Debian, Ubuntu:"
            " apt install postgresql-client).",
        )
    return found


def _call(name: str, url: str, *arguments: str) -> None:
    """Run a program; a password stands in no list of processes."""
    known = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    secret = {"PGPASSWORD": known.pop("password")} if "password" in known else {}
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [program(name), f"--dbname={make_conninfo('', **known)}", *arguments],
        env={**os.environ, **secret},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-6:])
        older = re.search(r"server version mismatch", said)
        remedy = "Install programs as new as the server." if older else ""
        raise ProgramError(f"{name} ended with {done.returncode}: {said}", remedy=remedy)


@contextmanager
def pinned(url: str) -> Iterator[Write]:
    """Hold what the database says now; what is called writes that, whatever was written since."""
    program("pg_dump")  # before anything is held
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        snapshot = str(_one(connection, "SELECT pg_export_snapshot()"))

        def write(folder: Path, name: str) -> dict[str, Any]:
            target = folder / f"{name}.dump"
            options = ("--format=custom", "--no-owner", "--no-privileges", "--schema=public")
            _call("pg_dump", url, *options, f"--snapshot={snapshot}", f"--file={target}")
            server = str(_one(connection, "SHOW server_version"))
            told = {"kind": "postgresql", "file": target.name, "server": server}
            extensions = [name for (name,) in connection.execute(EXTENSIONS).fetchall()]
            return {**told, "extensions": extensions, "tables": _sums(connection)}

        yield write


def sums(url: str) -> dict[str, list[Any]]:
    """Rows and checksum of every table: equal only if every row is."""
    with psycopg.connect(url) as connection:
        return _sums(connection)


def _sums(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    connection.execute(PLAIN)
    names = [name for (name,) in connection.execute(TABLES).fetchall()]
    return {name: _sum(connection, name) for name in names}


def _sum(connection: psycopg.Connection[Any], table: str) -> list[Any]:
    asked = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended(row::text, 0)::numeric), 0)::text"
        " FROM {} row"
    ).format(sql.Identifier("public", table))
    return list(connection.execute(asked).fetchone() or ())


def _one(connection: psycopg.Connection[Any], asked: str) -> Any:
    row = connection.execute(asked.encode()).fetchone()
    return row[0] if row else None


def holds_anything(url: str) -> bool:
    """Whether there is a table that somebody might miss."""
    with psycopg.connect(url) as connection:
        return bool(connection.execute(TABLES).fetchall())


def refuse_if_in_use(url: str) -> None:
    """Nobody may work in a database that is about to be replaced."""
    with psycopg.connect(url) as connection:
        others = _one(connection, OTHERS)
    if others:
        raise ConflictError(
            f"{others} others are connected to the database.",
            remedy="Stop the pages, the workers, the timetable and Label Studio, then restore.",
        )


def put_back(dump: Path, url: str, *, extensions: Sequence[str] = ()) -> None:
    """Replace everything in the database by what a dump holds."""
    program("pg_restore")
    with psycopg.connect(url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        # Left to the dump it would be there twice; without one pg_restore would make none.
        connection.execute("CREATE SCHEMA public")
        for name in extensions:
            wanted = sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name))
            connection.execute(wanted)
    listing = dump.with_suffix(".list")
    with listing.open("w") as file:
        subprocess.run(  # noqa: S603 - PostgreSQL's own program
            [program("pg_restore"), "--list", str(dump)], stdout=file, check=True
        )
    lines = listing.read_text().splitlines()
    listing.write_text("\n".join(one for one in lines if " SCHEMA - public" not in one) + "\n")
    options = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    try:
        _call("pg_restore", url, *options, f"--use-list={listing}", str(dump))
    finally:
        listing.unlink()


def say(url: str, statement: str) -> int:
    """Change what a statement says, and return in how many rows."""
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).rowcount
