"""Lots: numbers drawn for names, which look uniform and do not know in which order names came.

A lot is a hash of purpose, seed and name. Whatever is decided by it is the same for the same
seed, independent for another one, and untouched by a permutation of the input.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Lots = npt.NDArray[np.uint64]
WIDEST = 64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def lots(names: Iterable[str], *, seed: int, purpose: str) -> Lots:
    """Draw a lot for every name, apart for every seed and every purpose.

    >>> a, b = lots(["x", "y"], seed=1, purpose="ties"), lots(["y", "x"], seed=1, purpose="ties")
    >>> bool(a[0] == b[1]), bool(a[0] == lots(["x"], seed=2, purpose="ties")[0])
    (True, False)
    """
    return draw(hashes(tuple(names)), seed=seed, purpose=purpose)


def draw(numbers: Lots, *, seed: int, purpose: str) -> Lots:
    """Draw a lot for every number, such as a :func:`hashes` of a name or a position.

    >>> draw(np.arange(3, dtype=np.uint64), seed=0, purpose="ties").argsort().tolist()
    [1, 0, 2]
    """
    key = hashlib.blake2b(f"{purpose}\0{seed}".encode(), digest_size=8).digest()
    return mixed(numbers ^ np.uint64(int.from_bytes(key, "big")))


def uniforms(drawn: Lots) -> npt.NDArray[np.float64]:
    """Return lots as numbers that are uniform in (0, 1), never 0 and never 1.

    >>> uniforms(np.array([0, 2**64 - 1], dtype=np.uint64)).round(3).tolist()
    [0.0, 1.0]
    """
    return np.asarray(((drawn >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52)


def hashes(names: Sequence[str]) -> Lots:
    """Return a 64-bit hash of every name, computed eight letters of all names at a time.

    Two of ten million names agree with a probability of 3 in a million.

    >>> one, two = hashes(["Wolof", "Quechua and more"]).tolist()
    >>> hashes(["Quechua and more"]).tolist() == [two] != [one]
    True
    """
    if not len(names):
        return np.zeros(0, dtype=np.uint64)
    rows, lengths = _bytes_of(names)
    words = rows.view("<u8").astype(np.uint64, copy=False)
    found = mixed(lengths)
    for column in range(words.shape[1]):
        # A word beyond the end of a name is 0 and must not count: other names may be longer.
        inside = lengths > np.uint64(8 * column)
        found = np.where(inside, mixed(found ^ words[:, column]), found)
    return found


def mixed(numbers: Lots) -> Lots:
    """Return numbers so mixed that every bit hangs on every bit (SplitMix64; Steele et al. 2014).

    >>> hex(mixed(np.array([0], dtype=np.uint64))[0])
    '0xe220a8397b1dcdaf'
    """
    z = numbers + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return np.asarray(z ^ (z >> np.uint64(31)))


def _bytes_of(names: Sequence[str]) -> tuple[npt.NDArray[np.uint8], Lots]:
    """Return N x 8k bytes, padded with zeros, and the length of every name in bytes."""
    try:
        packed = np.array(names, dtype=np.bytes_)
        lengths = np.fromiter(map(len, names), dtype=np.uint64, count=len(names))
    except UnicodeEncodeError:
        packed, lengths = np.array([], dtype="S0"), None
    if lengths is None or packed.itemsize > WIDEST:
        encoded = [name.encode() for name in names]
        lengths = np.fromiter(map(len, encoded), dtype=np.uint64, count=len(encoded))
        packed = np.array([_shortened(name) for name in encoded], dtype=np.bytes_)
        lengths = np.minimum(lengths, np.uint64(WIDEST + 1))
    width = max(8, -(-packed.itemsize // 8) * 8)
    padded = packed.astype(f"S{width}", copy=False)
    return padded.view(np.uint8).reshape(len(padded), width), lengths


def _shortened(name: bytes) -> bytes:
    """Return a long name as its digest, so that one of them does not make all rows long."""
    if len(name) <= WIDEST:
        return name
    return hashlib.blake2b(name, digest_size=WIDEST).digest()
