"""Geometry: squared distances between points, in blocks, over pools that may lie in a file.

A pool is N x d numbers of 16, 32 or 64 bits, in memory or memory-mapped. It is read block by
block; what is kept is one float per row. Distances are those of float32 with a stated bound of
their error (``slack``), and of float64 where asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.lots import Lots

Rows = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Positions = npt.NDArray[np.intp]
Part = slice | Positions
Distances = npt.NDArray[np.floating[Any]]
BLOCK = 8192
SINGLE, DOUBLE = 2.0**-24, 2.0**-53
SAMPLE = 1024
NAMED = 10
FAR = 16.0
FEW = 256


def matrix(rows: npt.ArrayLike, *, name: str) -> Rows:
    """Return rows as a two-dimensional array of floats, uncopied where they are one.

    >>> matrix([[1, 2]], name="embeddings").dtype.name
    'float64'
    """
    found = np.asanyarray(rows)
    if found.dtype not in (np.float16, np.float32, np.float64):
        found = found.astype(np.float64)
    if found.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, not {found.ndim}")
    return np.asarray(found)


def complain(wrong: npt.NDArray[np.bool_], *, name: str, want: str) -> None:
    """Raise a ValueError that names the first rows that are wrong, if any is.

    >>> complain(np.array([False, True]), name="embeddings", want="be finite")
    Traceback (most recent call last):
    ValueError: embeddings must be finite, but not so at position 1
    """
    at = np.flatnonzero(wrong)
    if len(at):
        places = ", ".join(map(str, at[:NAMED].tolist()))
        more = f" and {len(at) - NAMED} more" if len(at) > NAMED else ""
        plural = "s" if len(at) > 1 else ""
        raise ValueError(f"{name} must {want}, but not so at position{plural} {places}{more}")


def blocks(count: int, *, block: int = BLOCK) -> Iterator[slice]:
    """Cut positions 0 to ``count`` into slices of at most ``block``.

    >>> list(blocks(5, block=2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    if block < 1:
        raise ValueError("a block must hold at least one row")
    return (slice(start, min(start + block, count)) for start in range(0, count, block))


def likelihoods(probabilities: npt.ArrayLike, *, count: int, name: str = "probabilities") -> Rows:
    """Return N x K probabilities that fit N rows; what is no distribution is named.

    >>> likelihoods([[0.5, 0.6]], count=1)
    Traceback (most recent call last):
    ValueError: probabilities must be from 0 up and sum to 1, but not so at position 0
    """
    found = matrix(probabilities, name=name)
    if len(found) != count or not found.shape[1]:
        raise ValueError(f"{name} must have {count} rows of one class or more, not {found.shape}")
    wrong = np.zeros(count, dtype=np.bool_)
    for part in blocks(count):
        rows = found[part].astype(np.float64)
        wrong[part] = ~((np.abs(rows.sum(axis=1) - 1.0) <= 2e-3) & (rows >= 0).all(axis=1))
    complain(wrong, name=name, want="be from 0 up and sum to 1")
    return found


def first(tied: Positions, lots: Lots | None) -> int:
    """Return the one of the tied positions whose lot is smallest; without lots, the first.

    >>> first(np.array([0, 2]), np.array([7, 1, 3], dtype=np.uint64))
    2
    """
    return int(tied[0] if lots is None else tied[np.argmin(lots[tied])])


def same_length(lots: Lots | None, count: int) -> Lots | None:
    """Return lots that fit ``count`` rows."""
    if lots is not None and len(lots) != count:
        raise ValueError(f"there are {len(lots)} lots for {count} rows")
    return lots


def least(count: int, *, pool: int) -> int:
    """Return how many can be picked: what is asked, or all there is.

    >>> least(5, pool=3)
    3
    """
    if count < 0:
        raise ValueError("a count cannot be negative")
    return min(count, pool)


@dataclass(frozen=True, eq=False)
class Points:
    """A pool with the Euclidean distance; ``square`` are squared distances to the ``origin``.

    The origin is zero, or the middle of a pool that lies far from zero, against rounding.
    """

    rows: Rows
    origin: Singles
    square: Singles
    block: int = BLOCK

    @classmethod
    def of(
        cls,
        rows: npt.ArrayLike,
        *,
        origin: Singles | None = None,
        name: str = "embeddings",
        block: int = BLOCK,
    ) -> "Points":
        """Read a pool once: check that all is finite, and measure it."""
        found = matrix(rows, name=name)
        origin = _origin(found) if origin is None else origin
        if found.shape[1] != len(origin):
            raise ValueError(f"{name} have {found.shape[1]} dimensions, not {len(origin)}")
        square = np.empty(len(found), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for part in blocks(len(found), block=min(block, SAMPLE)):
                away = _about(found[part], origin)
                square[part] = np.einsum("ij,ij->i", away, away)
        complain(~np.isfinite(square), name=name, want="be finite, their squares too")
        return cls(found, origin, square, block)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dimensions(self) -> int:
        """How many products are summed."""
        return int(self.rows.shape[1])

    def parts(self) -> Iterator[slice]:
        """Cut the pool into blocks."""
        return blocks(len(self), block=self.block)

    def at(self, part: Part, *, dtype: npt.DTypeLike = None, block: int | None = None) -> "Points":
        """Return some of the rows, in memory, as they are or in another width."""
        rows = np.asarray(self.rows[part], dtype=dtype)
        return Points(rows, self.origin, self.square[part], block or self.block)

    def seen(self, part: Part) -> Singles:
        """Return some of the rows as float32, seen from the origin."""
        return _about(self.rows[part], self.origin)

    def squared(self, part: Part, centres: "Points") -> Singles:
        """Return the k x n squared distances from k centres to some rows; wrong by the slack.

        >>> pool = Points.of([[0.0, 0.0], [3.0, 4.0]])
        >>> pool.squared(slice(0, 2), pool.at(slice(0, 1))).tolist()
        [[0.0, 25.0]]
        """
        found = _about(centres.rows, self.origin) @ self.seen(part).T
        found *= -2.0
        found += centres.square[:, None]
        found += self.square[part]
        return np.asarray(np.maximum(found, 0.0, out=found))

    def nearest(self, part: Part, centres: "Points") -> Singles:
        """Return the n squared distances from some rows to the nearest of k centres.

        >>> pool = Points.of([[0.0, 0.0], [3.0, 4.0]])
        >>> pool.nearest(slice(0, 2), pool.at(slice(0, 1))).tolist()
        [0.0, 25.0]
        """
        found = (-2.0 * _about(centres.rows, self.origin)) @ self.seen(part).T
        found += centres.square[:, None]
        least_found = found.min(axis=0)
        least_found += self.square[part]
        return np.asarray(np.maximum(least_found, 0.0, out=least_found))

    def squared_exactly(self, part: Part, centres: "Points") -> Floats:
        """Return the same in float64."""
        origin = self.origin.astype(np.float64)
        away, rows = centres.rows - origin, self.rows[part] - origin
        found = away @ rows.T
        found *= -2.0
        found += np.einsum("ij,ij->i", away, away)[:, None]
        found += np.einsum("ij,ij->i", rows, rows)
        return np.asarray(np.maximum(found, 0.0, out=found))

    def slack(self, unit: float = SINGLE) -> float:
        """Bound the error of a squared distance inside the pool (Higham 2002, §3.1)."""
        return 4.0 * rounding(self.dimensions, unit) * float(self.square.max(initial=0.0))


def given(known: npt.ArrayLike | None, *, pool: Points, block: int = BLOCK) -> Points:
    """Return what is known beside a pool as points of the same space; nothing is no points.

    >>> len(given(None, pool=Points.of([[1.0]])))
    0
    """
    if known is None or not len(found := np.asanyarray(known)):
        return pool.at(slice(0))
    return Points.of(found, origin=pool.origin, name="known", block=block)


def rounding(dimensions: int, unit: float = SINGLE) -> float:
    """Bound the relative error of a sum of so many products.

    >>> rounding(384) < 1e-4
    True
    """
    return (dimensions + 8) * unit


def _origin(rows: Rows) -> Singles:
    """Return zero, or the mean of some rows when they lie much farther from zero than apart."""
    some = rows[:: max(1, len(rows) // FEW)][:FEW].astype(np.float64)
    some = some[np.isfinite(some).all(axis=1)]
    if not len(some):
        return np.zeros(rows.shape[1], dtype=np.float32)
    mean = some.mean(axis=0)
    apart = np.mean((some - mean) ** 2) * rows.shape[1]
    far = float(mean @ mean) > FAR * apart and apart > 0
    return np.asarray(mean if far else np.zeros_like(mean), dtype=np.float32)


def _about(rows: Rows, origin: Singles) -> Singles:
    """Return rows as float32, seen from the origin."""
    return np.asarray(rows - origin if origin.any() else rows, dtype=np.float32)
