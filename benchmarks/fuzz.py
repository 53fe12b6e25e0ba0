"""Fuzzing: what readers of foreign files make of files that nobody would write.

``python -m benchmarks.fuzz [--inputs 1000000] [--seconds 420] [--quick]``. Inputs of every format are
made of what its files are made of, nasty pieces of text among it, and then damaged byte by byte
(`fuzz_made`), archives of folders among them; each has a number. Whatever a reader raises but that the file makes no sense, or hands
on that could not be stored, is a crash; five seconds of a processor are a hang. A run takes up
where the last one stopped, and adds to its figures; ``--anew`` begins again, as one must when a
reader has changed.
"""

import argparse
import io
import json
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import django

from annotation.errors import InvalidInputError
from annotation.methods.catalogues import UnreadableCatalogueError, read_catalogue
from annotation.methods.dataset_folders import DataFile, FolderError, data_files
from annotation.methods.readers import FORMATS, UnreadableFileError, Wanted, read_rows
from annotation.methods.readers.cleaning import CleanRow, Refusal, Rules, clean
from benchmarks.fuzz_made import made
from benchmarks.report import RESULTS, write

HANG_S = 5.0
CHUNK = 2_000
MOST_MEMORY = 6 * 2**30
WANTED = Wanted(defaults={"licence": "CC0-1.0", "language": "wo"})
RULES = Rules.of(
    languages=["wo", "qu"], labels=[("yes", "Yes"), ("no", "No")], defaults=WANTED.defaults
)
KINDS = (*FORMATS, "catalogue", "archive", "folder")


@dataclass
class Fuzzed:
    """What came of the inputs of one format so far."""

    row: str
    inputs: int = 0
    crashes: int = 0
    hangs: int = 0
    slowest_ms: float = 0.0
    rows_read: int = 0
    cpu_s: float = 0.0
    found: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {**asdict(self), "met": not self.crashes and not self.hangs}

    def line(self) -> str:
        """Return the row for a terminal."""
        return (
            f"{self.row:<12}{self.inputs:>10,} inputs {self.crashes:>4} crashes {self.hangs:>4} hangs"
            f"  slowest {self.slowest_ms:8.1f} ms  {self.rows_read:>10,} rows  {self.cpu_s:7.0f} s"
        )


class _HangError(BaseException):
    """It has taken longer than anything may."""


def try_one(kind: str, data: bytes) -> int:
    """Read one file to its end and clean every row of it; return how many it had."""
    if kind == "catalogue":
        with suppress(UnreadableCatalogueError):
            read_catalogue(data)
        return 1
    if kind == "folder":
        return _unpacked(data)
    count = 0
    with suppress(UnreadableFileError):
        form = "csv" if kind == "archive" else kind
        for row in read_rows(io.BytesIO(data), format=form, wanted=WANTED):
            count += 1
            if not row.skipped:
                _check(clean(row, RULES))
    return count


def _unpacked(data: bytes) -> int:
    """Unpack an archive of a folder, and find its files; nothing of it may lie beside its place."""
    from annotation.actions.folders import _home, _unpack

    with tempfile.TemporaryDirectory() as around:
        place = Path(around) / "place"
        place.mkdir()
        found: list[DataFile] = []
        with suppress(InvalidInputError, FolderError):
            _unpack(io.BytesIO(data), into=place)
            found = data_files(_home(place))
        inside = [*place.rglob("*")]
        if [one for one in Path(around).iterdir() if one != place]:
            raise ValueError("a file lies beside the folder")
        if [one for one in inside if one.is_symlink() or not (one.is_file() or one.is_dir())]:
            raise ValueError("something is neither a file nor a folder")
        if [one for one in found if not one.path.resolve().is_relative_to(place.resolve())]:
            raise ValueError("a file of the data set lies outside")
    return len(found)


def _check(found: CleanRow | Refusal) -> None:
    """Raise where what comes out could not be stored or shown."""
    if isinstance(found, Refusal):
        told = found.field + found.reason + found.excerpt
    else:
        told = json.dumps(asdict(found), ensure_ascii=False, allow_nan=False)
    told.encode()
    if "\0" in told:
        raise ValueError("a NUL came through")


def _work(kind: str, first: int, last: int, at: Any, told: Any) -> None:
    """Try some inputs in a process of its own, which may die of one."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    signal.signal(signal.SIGVTALRM, _give_up)
    seen = Fuzzed(kind)
    for number in range(first, last):
        at.value = number
        data, began = made(kind, number), time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
        try:
            seen.rows_read += try_one(kind, data)
        except _HangError:
            seen.hangs += 1
            seen.found.append(f"{number}: hang")
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            seen.crashes += 1
            seen.found.append(f"{number}: {type(error).__name__}: {str(error)[:100]!r}")
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        took = time.process_time() - began
        seen.cpu_s += took
        seen.slowest_ms = max(seen.slowest_ms, 1000 * took)
    seen.inputs = last - first
    told.put(seen)


def _give_up(*_: object) -> None:
    raise _HangError


def fuzz(kind: str, first: int, count: int) -> Fuzzed:
    """Try inputs ``first`` to ``first + count``; a process that dies is a crash of what it was at."""
    if kind == "folder":
        django.setup(set_prefix=False)  # before its time is taken
    context = multiprocessing.get_context("fork")
    total, last = Fuzzed(kind), first + count
    while first < last:
        at, told = context.Value("q", first), context.SimpleQueue()
        worker = context.Process(target=_work, args=(kind, first, last, at, told))
        worker.start()
        worker.join()
        if worker.exitcode == 0:
            return add(total, told.get())
        died = f"{at.value}: the process died ({worker.exitcode})"
        total = add(total, Fuzzed(kind, at.value + 1 - first, crashes=1, found=[died]))
        first = at.value + 1
    return total


def add(one: Fuzzed, other: Fuzzed) -> Fuzzed:
    """Both together."""
    return Fuzzed(
        one.row,
        one.inputs + other.inputs,
        one.crashes + other.crashes,
        one.hangs + other.hangs,
        max(one.slowest_ms, other.slowest_ms),
        one.rows_read + other.rows_read,
        one.cpu_s + other.cpu_s,
        (one.found + other.found)[:10],
    )


def _before() -> dict[str, Fuzzed]:
    with suppress(FileNotFoundError):
        rows = json.loads((RESULTS / "fuzz.json").read_text())["rows"]
        known = {one["row"]: one for one in rows if one.pop("met") is not None}
        return {kind: Fuzzed(**known[kind]) for kind in KINDS if kind in known}
    return {}


@contextmanager
def _kept(rows: dict[str, Fuzzed], *, quick: bool) -> Iterator[None]:
    """Write down what there is, however the run ends."""
    try:
        yield
    finally:
        for one in rows.values():
            print(one.line())
        total = sum(one.inputs for one in rows.values())
        bad = sum(one.crashes + one.hangs for one in rows.values())
        print(f"{total:,} inputs, {bad} crashes and hangs")
        if not quick:
            write("fuzz", list(rows.values()), inputs=total, crashes_and_hangs=bad, wanted=10**6)


def main(clock: Callable[[], float] = time.monotonic) -> None:
    """Go round the formats until there are enough inputs or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10**6)
    parser.add_argument("--seconds", type=float, default=420)
    parser.add_argument("--quick", action="store_true", help="200 of each, and writes nothing")
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--only", choices=KINDS, help="this format alone")
    options = parser.parse_args()
    told = {} if options.quick or options.anew else _before()
    rows = {kind: told.get(kind, Fuzzed(kind)) for kind in KINDS}
    wanted, chunk = (200 * len(KINDS), 200) if options.quick else (options.inputs, CHUNK)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    ends = clock() + options.seconds
    with _kept(rows, quick=options.quick):
        while sum(one.inputs for one in rows.values()) < wanted and clock() < ends:
            kind = options.only or min(rows, key=lambda name: rows[name].inputs)
            rows[kind] = add(rows[kind], fuzz(kind, rows[kind].inputs, chunk))


if __name__ == "__main__":
    main()
