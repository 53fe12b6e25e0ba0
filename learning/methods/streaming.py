"""Streaming: the most uncertain of any number of samples, in memory for a handful of them.

Chunks of probabilities pass by once. What is kept is the best so far and a threshold, so memory
does not grow with the stream; the answer is that of the same rows in memory, bit for bit, however
they were cut into chunks.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.acquisition import STRATEGIES, Floats, order_of
from learning.methods.lots import Lots, draw
from learning.methods.probabilities import softmax

Positions = npt.NDArray[np.int64]
ROWS = 65_536
# Rows are looked at in pieces of this size, which stay in the processor's cache.
PIECE = 16_384
# Bad rows that an error names one by one.
NAMED = 10


def top_k(
    chunks: Iterable[npt.NDArray[Any]],
    *,
    count: int,
    strategy: str = "margin",
    seed: int = 0,
    logits: bool = False,
    rejected: list[int] | None = None,
) -> tuple[Positions, Floats]:
    """Return the positions of the ``count`` most uncertain rows, and their uncertainties.

    ``chunks`` are N_i x K probabilities (or ``logits``); a position counts from the first row
    of the first chunk. Equals are ordered by lot of seed and position. A row with NaN or
    infinity is put on the list ``rejected`` and left out; without such a list it is an error
    that names it, since a row that is passed over in silence is never asked at all.

    >>> rows = np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4]])
    >>> positions, found = top_k([rows[:1], rows[1:]], count=2)
    >>> positions.tolist(), found.round(2).tolist()
    ([1, 2], [1.0, 0.8])
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"no strategy {strategy!r}; there are {', '.join(STRATEGIES)}")
    if count < 0:
        raise ValueError("count cannot be negative")
    best = _Best(count, seed=seed)
    bad: list[int] = [] if rejected is None else rejected
    for start, piece in _pieces(chunks):
        rows = softmax(piece, temperature=1.0) if logits else piece
        with np.errstate(invalid="ignore"):
            found = STRATEGIES[strategy](rows)
        # One sum shows whether any of the numbers is not finite: those survive every addition.
        if not np.isfinite(rows.sum()):
            found = _without_bad(found, rows=rows, start=start, bad=bad)
        best.offer(found, start=start)
    if bad and rejected is None:
        named = ", ".join(map(str, bad[:NAMED])) + (", …" if len(bad) > NAMED else "")
        raise ValueError(f"{len(bad)} rows hold numbers that are not finite: {named}")
    return best.positions, best.found


def blocks(rows: npt.NDArray[Any], *, size: int = ROWS) -> Iterator[npt.NDArray[Any]]:
    """Cut an array, in memory or memory-mapped, into chunks for :func:`top_k`.

    >>> [len(chunk) for chunk in blocks(np.zeros((5, 2)), size=2)]
    [2, 2, 1]
    """
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def file_blocks(
    path: Path, *, columns: int, dtype: npt.DTypeLike = np.float32, size: int = ROWS
) -> Iterator[npt.NDArray[Any]]:
    """Read a raw file of rows, one after the other, in chunks; each chunk is overwritten by the next.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (path := Path(folder) / "p.f32").write_bytes(np.ones((3, 2), np.float32).tobytes())
    ...     [chunk.tolist() for chunk in file_blocks(path, columns=2, size=2)]
    [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0]]]
    """
    room = np.empty((size, columns), dtype=dtype)
    width = room.itemsize * columns
    with path.open("rb") as file:
        while got := file.readinto(room.data.cast("B")):
            if got % width:
                raise ValueError(f"{path} ends in the middle of a row of {columns} numbers")
            yield room[: got // width]


class _Best:
    """The best so far, and from which uncertainty on a row has a chance."""

    def __init__(self, count: int, *, seed: int) -> None:
        self.count, self.seed = count, seed
        self.positions: Positions = np.zeros(0, dtype=np.int64)
        self.found: Floats = np.zeros(0)
        self.threshold = -np.inf

    def offer(self, found: Floats, *, start: int) -> None:
        """Take in what may belong to the best."""
        fresh = np.flatnonzero(found >= self.threshold)
        if not fresh.size or not self.count:
            return
        positions = np.r_[self.positions, fresh + start]
        values = np.r_[self.found, found[fresh]] if self.found.size else found[fresh]
        order = order_of(values, lots=_lots(positions, seed=self.seed))[: self.count]
        self.positions, self.found = positions[order], values[order]
        if len(order) == self.count:
            self.threshold = float(values[order[-1]])


def _lots(positions: Positions, *, seed: int) -> Lots:
    return draw(positions.astype(np.uint64), seed=seed, purpose="ties")


def _pieces(chunks: Iterable[npt.NDArray[Any]]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    start = 0
    for chunk in chunks:
        if np.ndim(chunk) != 2:
            raise ValueError(f"a chunk must be rows of K numbers; one has shape {np.shape(chunk)}")
        for at in range(0, len(chunk), PIECE):
            yield start + at, chunk[at : at + PIECE]
        start += len(chunk)


def _without_bad(found: Floats, *, rows: npt.NDArray[Any], start: int, bad: list[int]) -> Floats:
    """Note the rows that are not finite, and make sure that none of them is among the best."""
    spoilt = ~np.isfinite(rows).all(axis=1)
    bad.extend((np.flatnonzero(spoilt) + start).tolist())
    return np.asarray(np.where(spoilt, np.nan, found))
