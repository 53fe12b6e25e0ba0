"""Several of many: sets of labels as bits, as one number, and as binary answers.

A set of K labels is a row of K bits, and as a number the sum of 2^k over the labels k in it: equal
sets have equal numbers, and "is it the same set?" stays one comparison.

Shapes: N sets, K labels.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]

# Numbers of sets also pass through floats, which are exact up to 2^53.
MOST_LABELS = 50


def bits_of(sets: Sequence[Collection[str]], *, keys: Sequence[str]) -> Bits:
    """Return N x K: which of the labels each set holds.

    >>> bits_of([["joy"], []], keys=["anger", "joy"]).tolist()
    [[False, True], [False, False]]
    """
    place = {key: at for at, key in enumerate(keys)}
    found: Bits = np.zeros((len(sets), len(keys)), np.bool_)
    for row, one in enumerate(sets):
        for key in one:
            found[row, place[key]] = True
    return found


def numbers(bits: npt.NDArray[np.generic]) -> Ints:
    """Return N numbers, each of a set.

    >>> numbers(np.array([[False, True], [True, True]])).tolist()
    [2, 3]
    """
    return np.asarray(bits.astype(np.int64) @ (1 << np.arange(bits.shape[1], dtype=np.int64)))


def bits(sets: npt.ArrayLike, *, labels: int) -> Bits:
    """Return N x K bits of sets by their numbers.

    >>> bits([2, 3], labels=2).tolist()
    [[False, True], [True, True]]
    """
    found = np.asarray(sets, dtype=np.int64)
    return np.asarray((found[:, None] >> np.arange(labels)) & 1, dtype=np.bool_)


def keys_of(row: Sequence[bool] | Bits, *, keys: Sequence[str]) -> list[str]:
    """Return the sorted keys of a set of bits.

    >>> keys_of([True, True], keys=["joy", "anger"])
    ['anger', 'joy']
    """
    return sorted(key for key, there in zip(keys, row, strict=True) if there)


def masi(sets: Bits) -> Floats:
    """Return how far C sets (C x K) are from each other, C x C, from 0 to 1.

    1 - J M, Jaccard's share of common labels times 1 for equal sets, 2/3 where one holds the other,
    1/3 where they overlap, 0 where nothing is common (Passonneau 2006, *Measuring agreement on
    set-valued items*, LREC). Two empty sets are equal.

    >>> masi(np.array([[1, 0], [1, 1], [0, 0]], bool)).round(3).tolist()
    [[0.0, 0.667, 1.0], [0.667, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    rows = sets.astype(np.float64)
    common, sizes = rows @ rows.T, rows.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - common
    jaccard = np.where(union > 0, common / np.maximum(union, 1), 1.0)
    held = (common == sizes[:, None]) | (common == sizes[None, :])
    same = (common == sizes[:, None]) & (common == sizes[None, :])
    measure = np.where(same, 1.0, np.where(held, 2 / 3, np.where(common > 0, 1 / 3, 0.0)))
    return np.asarray(1.0 - jaccard * measure)


def differing(said: Collection[str], *, right: Collection[str]) -> Mapping[str, list[str]]:
    """Return what an answer has too many and too few of.

    >>> differing(["joy", "fear"], right=["joy", "anger"])
    {'missed': ['anger'], 'too_many': ['fear']}
    """
    return {
        "missed": sorted(set(right) - set(said)),
        "too_many": sorted(set(said) - set(right)),
    }
