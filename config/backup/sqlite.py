"""An SQLite database as it was at one moment, copied while others write."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

Write = Callable[[Path, str], dict[str, Any]]


@contextmanager
def pinned(file: str) -> Iterator[Write]:
    """Hold what the file says now; what is called writes that, whatever was written since."""
    with closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=30)) as source:
        source.isolation_level = None
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()

        def write(folder: Path, name: str) -> dict[str, Any]:
            target = folder / f"{name}.sqlite3"
            with closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
                # One file, whole by itself: nothing may be left in a journal beside it.
                copy.execute("PRAGMA journal_mode=DELETE")
                (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(f"{file}: {found}")
            return {"kind": "sqlite", "file": target.name, "server": sqlite3.sqlite_version}

        yield write


def holds_anything(file: str) -> bool:
    """Whether there is a database that somebody might miss."""
    return Path(file).exists() and Path(file).stat().st_size > 0


def put_back(copy: Path, file: str) -> None:
    """Place a copy that has been checked; the journal of what was there must not outlive it."""
    target = Path(file)
    for beside in ("-wal", "-shm", "-journal"):
        Path(f"{file}{beside}").unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    copy.replace(target)


def say(file: str, statement: str) -> int:
    """Change what a statement says, and return in how many rows."""
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        return database.execute(statement).rowcount
