"""Digests of many rows at once, which do not know in which order the rows came.

They name a request so that the same one is recognised; they are no defence against somebody who
wants two requests to look alike.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.lots import Lots, hashes, mixed

ROWS = 16_384
LANES = 2


Columns = Sequence[tuple[str, npt.NDArray[Any] | None]]


class RowsDigest:
    """The digest of rows that pass by, some at a time; every time the same columns.

    >>> keys, numbers = hashes(["a", "b"]), np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> digest = RowsDigest()
    >>> for at in (1, 0):
    ...     digest.take(keys[at:][:1], [("numbers", numbers[at:][:1])])
    >>> digest.hexdigest() == rows_digest(keys, [("numbers", numbers)])
    True
    """

    def __init__(self) -> None:
        self._count = 0
        self._header: list[tuple[str, str, tuple[int, ...]]] = []
        self._sums = np.zeros(LANES, dtype=np.uint64)

    def take(self, keys: Lots, columns: Columns) -> None:
        """Take in some rows, each with a key and what the columns hold for it."""
        given = [(name, array) for name, array in columns if array is not None]
        header = [(name, array.dtype.str, array.shape[1:]) for name, array in given]
        if self._count and header != self._header:
            raise ValueError(f"the columns have changed on the way: {self._header}, {header}")
        self._count, self._header = self._count + len(keys), header
        for start in range(0, len(keys), ROWS):
            part = slice(start, start + ROWS)
            lanes = [mixed(keys[part] + np.uint64(lane)) for lane in range(LANES)]
            for name, array in given:
                words = _words(array[part])
                for lane in range(LANES):
                    told = words @ _multipliers(f"{name}{lane}", count=words.shape[1])
                    lanes[lane] = mixed(lanes[lane] ^ told)
            self._sums += np.array([lane.sum(dtype=np.uint64) for lane in lanes])

    def hexdigest(self) -> str:
        """Return the digest of all that was taken in."""
        found = hashlib.sha256(repr((self._count, self._header)).encode())
        found.update(self._sums.astype("<u8").tobytes())
        return found.hexdigest()


def rows_digest(keys: Lots, columns: Columns) -> str:
    """Return the digest of N rows, each with a key and what the named columns hold for it.

    Arrays of N rows may be memory-mapped; they are read once, in order, in blocks. None and an
    array of zeros are not the same.

    >>> keys, numbers = hashes(["a", "b"]), np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> one = rows_digest(keys, [("numbers", numbers)])
    >>> one == rows_digest(keys[::-1], [("numbers", numbers[::-1])])
    True
    >>> one == rows_digest(keys, [("numbers", numbers[::-1])])
    False
    """
    digest = RowsDigest()
    digest.take(keys, columns)
    return digest.hexdigest()


def _words(rows: npt.NDArray[Any]) -> Lots:
    """Return rows as 32-bit words in 64 bits: N x w, padded with zeros."""
    count = len(rows)
    raw = np.ascontiguousarray(rows).reshape(count, -1).view(np.uint8)
    if spare := -raw.shape[1] % 4:
        raw = np.pad(raw, ((0, 0), (0, spare)))
    return raw.view("<u4").astype(np.uint64)


def _multipliers(name: str, *, count: int) -> Lots:
    """Return odd 64-bit multipliers: multilinear hashing (Carter & Wegman 1979)."""
    start = hashes([name])[0]
    return mixed(start + np.arange(count, dtype=np.uint64)) | np.uint64(1)
