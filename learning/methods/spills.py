"""Spills: numbers of any number of rows, in files without a name, so that memory stays small."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from learning.methods.lots import draw

Rows = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

# Rows that one file holds, and that are looked at at once.
FILE = 50_000
MOST_FILES = 256


class Files:
    """Rows in files without a name; all copies of a text are in the same one."""

    def __init__(self, expected: int, folder: Path | None) -> None:
        count = min(MOST_FILES, 1 + expected // FILE)
        self._files: list[IO[bytes]] = [_file(folder) for _ in range(count)]
        self._type: np.dtype[Any] | None = None

    def add(self, rows: Rows) -> None:
        """Take in rows, which have a ``group``."""
        self._type = rows.dtype
        homes = self._homes(rows)
        order = np.argsort(homes, kind="stable")
        rows, bounds = rows[order], np.searchsorted(homes[order], np.arange(len(self._files) + 1))
        for file, first, last in zip(self._files, bounds[:-1], bounds[1:], strict=True):
            if last > first:
                file.write(rows[first:last].tobytes())

    def tables(self, collapse: Callable[[Rows], Rows]) -> Iterator[Rows]:
        """Yield each file with its copies collapsed; it is read a block at a time."""
        for file in self._files:
            table: Rows | None = None
            for block in self._blocks(file):
                both = block if table is None else np.concatenate([table, block])
                table = collapse(both)
            if table is not None:
                yield table

    def blocks_with(self, row: Any) -> Iterator[Rows]:
        """Read the file that one row is in."""
        yield from self._blocks(self._files[int(self._homes(np.array([row]))[0])])

    def _homes(self, rows: Rows) -> npt.NDArray[np.int64]:
        spread = draw(rows["group"], seed=0, purpose="files") >> np.uint64(32)
        return (spread % np.uint64(len(self._files))).astype(np.int64)

    def _blocks(self, file: IO[bytes]) -> Iterator[Rows]:
        file.seek(0)
        if self._type is not None:
            while data := file.read(FILE * self._type.itemsize):
                yield np.frombuffer(data, dtype=self._type)


class Told:
    """One number of every text, in a file without a name, to count how many are above others."""

    ROW = np.dtype([("language", "<i4"), ("value", "<f8")])

    def __init__(self, folder: Path | None) -> None:
        self._file = _file(folder)

    def add(self, languages: Rows, values: Rows) -> None:
        """Take in the number of each of some texts."""
        rows = np.zeros(len(values), dtype=self.ROW)
        rows["language"], rows["value"] = languages, values
        self._file.write(rows.tobytes())

    def counts(self, languages: Rows, values: Rows) -> tuple[Ints, Ints]:
        """Return how many texts of its language are above each value, and how many equal it."""
        known = {place: np.unique(values[languages == place]) for place in np.unique(languages)}
        # Of m different values: below the first, equal to the first, between, ... above the last.
        tally = {place: np.zeros(2 * len(own) + 1, np.int64) for place, own in known.items()}
        self._file.seek(0)
        while data := self._file.read(FILE * self.ROW.itemsize):
            rows = np.frombuffer(data, dtype=self.ROW)
            for place, own in known.items():
                theirs = rows["value"][rows["language"] == place]
                at = np.searchsorted(own, theirs, "left") + np.searchsorted(own, theirs, "right")
                tally[place] += np.bincount(at, minlength=len(tally[place]))
        above, equal = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
        for place, own in known.items():
            mine = languages == place
            at = 2 * np.searchsorted(own, values[mine]) + 1
            above[mine] = (tally[place][::-1].cumsum()[::-1] - tally[place])[at]
            equal[mine] = tally[place][at]
        return above, equal


def _file(folder: Path | None) -> IO[bytes]:
    """Open a file that nobody else sees, and that is gone when nobody needs it any more."""
    return tempfile.TemporaryFile(dir=folder)
