"""Restore: how long a backup and its restore take, and whether what comes back is the same.

``python -m benchmarks.restore``: an installation of one gigabyte (tables with texts, weights,
embeddings), once on SQLite and once on a real PostgreSQL, backed up, checked, restored into a fresh
place, and compared: every row of every table and every byte of every file, by sums that the backup does
not make itself. Beside it stands ``cp -r`` with ``sync`` of the same files. ``--quick`` takes 50 MB and
writes nothing.
"""

import argparse
import hashlib
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from config.backup.places import Place

BAR_S = 300.0
WORDS = ["nanga", "def", "jamm", "rekk", "ci", "altine", "la", "jërëjëf", "waaw", "déedéet"]


@dataclass(frozen=True)
class Rehearsal:
    """One kind of database: seconds of each step for a gigabyte, and whether all was the same."""

    row: str
    gigabytes: float
    backup_s: float
    check_s: float
    restore_s: float
    copied_s: float
    cpu_s: float
    same: bool

    @property
    def met(self) -> bool:
        """The bar: equal, and restored within five minutes a gigabyte."""
        return self.same and self.restore_s / self.gigabytes <= BAR_S

    def record(self) -> dict[str, Any]:
        """Return the row as it is written down."""
        rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}
        bar = f"the same, and restored in {BAR_S:.0f} s a gigabyte"
        return {**rounded, "bar": bar, "met": self.met}

    def line(self) -> str:
        """For a terminal."""
        return (
            f"{self.row:<11} {self.gigabytes:.2f} GB  backup {self.backup_s:5.1f} s  check"
            f" {self.check_s:5.1f} s  restore {self.restore_s:5.1f} s  cp and sync {self.copied_s:5.1f} s"
            f"  CPU {self.cpu_s:5.1f} s  same: {'yes' if self.same else 'NO'}  met: {self.met}"
        )


def main() -> None:
    """Rehearse on both, say and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50 MB, and writes nothing")
    parser.add_argument("--place", help="folder on the disk that is to be measured")
    options = parser.parse_args()
    megabytes = 50 if options.quick else 1000
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        rows = list(rehearse(Path(folder), megabytes=megabytes))
    for row in rows:
        print(row.line())
    if not options.quick:
        from benchmarks.report import write

        write("restore", rows, notes=["a quarter tables, half weights, a quarter embeddings"])
    sys.exit(0 if all(row.met for row in rows) else 1)


def rehearse(folder: Path, *, megabytes: int) -> Any:
    """Make an installation on each kind of database, and take it through."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VERNACULAR_VAR_DIR": str(folder / "var"),
    }
    import django

    django.setup()
    from tests import template
    from tests.servers import find_postgres, running_postgres

    # Our tables, migrated once for all tests; what is in them is made here.
    (folder / "var").mkdir(exist_ok=True)
    template.place(folder / "var/vernacular.sqlite3")
    make_files(folder / "var", megabytes=megabytes * 3 // 4)
    fill_sqlite(folder / "var/vernacular.sqlite3", megabytes=megabytes // 4)
    yield rehearsed("SQLite", folder, database=str(folder / "var/vernacular.sqlite3"))
    if find_postgres() is None:
        return
    shutil.rmtree(folder / "other")
    with running_postgres() as url:
        import psycopg

        for name in ("held", "fresh"):
            with psycopg.connect(url, autocommit=True) as server:
                server.execute(f"CREATE DATABASE {name}".encode())
        held = url.replace("/postgres?", "/held?")
        fill_postgres(held, megabytes=megabytes // 4)
        fresh = url.replace("/postgres?", "/fresh?")
        yield rehearsed("PostgreSQL", folder, database=held, fresh=fresh)


def texts(megabytes: int) -> Any:
    """Rows of some hundred letters, the same in every run."""
    rng = random.Random(7)
    for number in range(megabytes * 2000):
        yield number, " ".join(rng.choices(WORDS, k=70)), rng.random()


def fill_sqlite(file: Path, *, megabytes: int) -> None:
    """A large table beside ours."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE bulk (id INTEGER PRIMARY KEY, text TEXT, number REAL)")
        database.executemany("INSERT INTO bulk VALUES (?, ?, ?)", texts(megabytes))


def fill_postgres(url: str, *, megabytes: int) -> None:
    """The same table on a server, beside ours."""
    import psycopg

    from tests.database import fill

    fill(url)
    with psycopg.connect(url) as database, database.cursor() as cursor:
        cursor.execute("CREATE TABLE bulk (id int PRIMARY KEY, text text, number float8)")
        with cursor.copy("COPY bulk FROM STDIN") as copy:
            for row in texts(megabytes):
                copy.write_row(row)


def make_files(var: Path, *, megabytes: int) -> None:
    """Weights in some large files, embeddings in many small ones."""
    rng = random.Random(7)
    for number in range(8):
        write(var / f"weights/{number:02}/{number}/model.safetensors", rng, megabytes * 2 // 3 / 8)
    for number in range(200):
        write(var / f"embeddings/1/{number}.safetensors", rng, megabytes / 3 / 200)


def write(path: Path, rng: random.Random, megabytes: float) -> None:
    """One file of noise, which nothing makes smaller."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(rng.randbytes(int(megabytes * 1e6)))


def rehearsed(row: str, folder: Path, *, database: str, fresh: str = "") -> Rehearsal:
    """Back up, check, restore, compare."""
    from django.utils import timezone

    from config.backup import manifest
    from config.backup.restoring import restore
    from config.backup.taking import take

    here = place(folder / "var", database)
    there = place(folder / "other", fresh or str(folder / "other/vernacular.sqlite3"))
    before = sums(here)
    cpu, began = used(), time.monotonic()
    point = take(folder / "kept", now=timezone.now(), place=here, keep=1)
    taken = time.monotonic()
    told = manifest.check(point)
    checked = time.monotonic()
    restore(point, place=there, now=timezone.now())
    subprocess.run(["sync", "-f", str(folder)], check=True)
    done, spent = time.monotonic(), used() - cpu
    same = sums(there) == before
    subprocess.run(["cp", "-r", str(point), str(folder / "copy")], check=True)
    subprocess.run(["sync", "-f", str(folder)], check=True)
    copied = time.monotonic() - done
    for left in (folder / "copy", folder / "kept"):
        shutil.rmtree(left)
    return Rehearsal(
        row=row,
        gigabytes=told.bytes / 1e9,
        backup_s=taken - began,
        check_s=checked - taken,
        restore_s=done - checked,
        copied_s=copied,
        cpu_s=spent,
        same=same,
    )


def place(var: Path, database: str) -> "Place":
    """Where it all lies, as a backup is told."""
    from config.backup.places import Place

    return Place(
        var=var,
        database=database,
        desk_database=str(var / "label-studio/label_studio.sqlite3"),
        weights=var / "weights",
        embeddings=var / "embeddings",
        uploads=var / "uploads",
    )


def used() -> float:
    """Processor seconds of this process and of the programs that it ran."""
    told = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in told)


def sums(at: "Place") -> dict[str, str]:
    """Every file, and every row of the large table in its order, by SHA-256."""
    found = {}
    for tree in (at.weights, at.embeddings):
        for path in sorted((tree or at.var).rglob("*.safetensors")):
            name = str(path.relative_to(at.var))
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    seen = hashlib.sha256()
    for row in rows_of(at.database):
        seen.update(repr(row).encode())
    return found | {"bulk": seen.hexdigest()}


def rows_of(database: str) -> Any:
    """The large table, in its order."""
    asked = "SELECT id, text, number FROM bulk ORDER BY id"
    if "://" not in database:
        with closing(sqlite3.connect(database)) as opened:
            yield from opened.execute(asked)
        return
    import psycopg

    with psycopg.connect(database) as there, there.cursor(name="all") as cursor:
        yield from cursor.execute(asked)


if __name__ == "__main__":
    main()
