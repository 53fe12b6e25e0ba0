"""Sharing out draws in whole numbers, and weaving them so that every stretch holds its share."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def shared(budget: int, *, wishes: Mapping[int, float], caps: Mapping[int, int]) -> dict[int, int]:
    """Share a budget in proportion to wishes, nobody beyond the cap; what that frees goes on.

    The sum is the budget, or all caps together where that is less.

    >>> shared(300, wishes={0: 3, 1: 1, 2: 1}, caps={0: 900, 1: 900, 2: 40})
    {0: 195, 1: 65, 2: 40}
    >>> shared(10, wishes={0: 1, 1: 1, 2: 1}, caps={0: 9, 1: 9, 2: 9})
    {0: 4, 1: 3, 2: 3}
    """
    wishing = [key for key in wishes if wishes[key] > 0 and caps[key] > 0]
    order = sorted(wishing, key=lambda key: (caps[key] / wishes[key], key))
    weights = np.cumsum([wishes[key] for key in reversed(order)])[::-1]
    total = min(budget, sum(caps[key] for key in order))
    exact, left = {}, float(total)
    for key, weight in zip(order, weights, strict=True):
        exact[key] = min(float(caps[key]), left * wishes[key] / float(weight))
        left -= exact[key]
    shares = {key: int(exact.get(key, 0.0)) for key in wishes}
    rest = total - sum(shares.values())
    for key in sorted(order, key=lambda key: (shares[key] - exact[key], key)):
        if rest and shares[key] < caps[key]:
            shares[key] += 1
            rest -= 1
    return shares


def unimax(budget: int, *, sizes: Mapping[int, int], repeats: int) -> dict[int, int]:
    """Share a budget evenly, giving nobody more than ``repeats`` times what it has.

    >>> unimax(300, sizes={0: 10_000, 1: 50, 2: 10}, repeats=4)
    {0: 130, 1: 130, 2: 40}
    """
    caps = {key: repeats * size for key, size in sizes.items()}
    return shared(budget, wishes=dict.fromkeys(sizes, 1.0), caps=caps)


def least_drawn(
    rows: IntArray, *, quota: int, drawn: IntArray, rng: np.random.Generator
) -> IntArray:
    """Draw from M rows in random order, first those that were drawn least often (M counts).

    >>> least_drawn(np.array([5, 6]), quota=2, drawn=np.array([0, 2]), rng=np.random.default_rng(0))
    array([5, 5])
    """
    if not quota:
        return np.empty(0, np.int64)
    turns = -(-quota // len(rows)) + int(drawn.max() - drawn.min())
    keys = drawn[:, None] + np.arange(turns) + rng.random((len(rows), turns))
    # Within a turn the order is random, and no turn begins before the one below it is over.
    taken: IntArray = rows[np.argsort(keys, axis=None)[:quota] // turns].astype(np.int64)
    return taken


def woven(
    parts: Sequence[IntArray], *, rng: np.random.Generator, starts: Sequence[float] = ()
) -> IntArray:
    """Lay parts into one another at equal distances, each from its start (0 to 1) to the end.

    Of any m draws of P parts that all start at 0, a part with the share s has m s, give or take
    1 + s P.

    >>> woven([np.zeros(4, int), np.ones(2, int)], rng=np.random.default_rng(1)).tolist()
    [0, 0, 1, 0, 0, 1]
    """
    begins = starts or [0.0] * len(parts)
    places = [
        start + (1 - start) * (np.arange(len(part)) + rng.random()) / max(len(part), 1)
        for part, start in zip(parts, begins, strict=True)
    ]
    if not parts:
        return np.empty(0, np.int64)
    order = np.argsort(np.concatenate(places), kind="stable")
    together: IntArray = np.concatenate(parts)[order].astype(np.int64)
    return together
