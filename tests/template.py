"""An empty, migrated SQLite database: made once for each state of the migrations, then copied.

Migrating from nothing takes a process twenty seconds, and many a test starts an installation of its
own. The demo's first start is migrated from nothing, as a person's is, and so is the PostgreSQL of
those tests that bring one; :mod:`tests.database` does the like for a whole run on PostgreSQL.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import django

from config.env import ROOT

CACHE = ROOT / ".cache"
NAME = "vernacular.sqlite3"


def place(at: Path) -> Path:
    """Put a copy there; the caller's own ``migrate`` finds nothing left to do."""
    with alone():
        shutil.copyfile(_made(), at)
    return at


def make() -> None:
    """Make it, if nobody has."""
    with alone():
        _made()


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time makes or takes what is kept."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made() -> Path:
    path = CACHE / f"tests-{digest()}.sqlite3"
    if not path.exists():
        fresh = CACHE / "tests.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        migrate(fresh)
        with closing(sqlite3.connect(fresh / NAME)) as connection:
            # One file to copy: nothing may be left in the journal beside it.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for old in CACHE.glob("tests-*.sqlite3"):
            old.unlink()
        (fresh / NAME).rename(path)
        shutil.rmtree(fresh)
    return path


def digest() -> str:
    """Every migration of ours, and Django with its own."""
    told = hashlib.sha256(django.__version__.encode())
    for file in sorted(ROOT.glob("*/migrations/*.py")):
        told.update(file.name.encode() + file.read_bytes())
    return told.hexdigest()[:16]


def migrate(folder: Path, *, database: str = "") -> None:
    """Migrate from nothing, in a process of its own: a file in the folder, or what the URL names."""
    own = {
        "VERNACULAR_VAR_DIR": str(folder),
        "VERNACULAR_DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--skip-checks", "--verbosity=0"],
        cwd=ROOT,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    make()
