"""Propensities: how probable it was that a sample came into its batch.

Every strategy first puts the pool in an order, without knowing whom the audit arm will draw.
Given that order only the audit is chance, so the probability of each sample is known exactly,
for batch strategies as well; and what is estimated by weighting with it is unbiased given any
order, hence unbiased.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Floats = npt.NDArray[np.float64]
# More digits than any estimate needs, fewer than rounding spoils.
DIGITS = 12


def propensities(uncertainty: npt.NDArray[Any], *, audit: int, top: int) -> Floats:
    """Return, for ranks 1 to N, the probability that a sample is in the batch.

    ``uncertainty`` is sorted, highest first; of a batch strategy, give numbers that only fall.
    The audit arm draws ``audit`` of N uniformly; the ``top`` first of the remaining follow. So a
    sample in the first ``top`` ranks is in for certain, however it came in; one so far down that
    even a full audit above it would not reach it is in with audit / N; in between it also comes
    in if enough of those before it were audited (a hypergeometric tail). Ties share the mean of
    their ranks, since their order is drawn by lot; with all tied that is (audit + top) / N, plain
    random sampling. The sum is the size of the batch, no value is 0 when audit is 1 or more, and
    the sum over the picks of f / (N propensity) is an unbiased estimate of the pool's mean of f
    (Horvitz & Thompson 1952).

    >>> propensities(np.array([0.9, 0.5, 0.3, 0.2]), audit=1, top=1).round(4).tolist()
    [1.0, 0.5, 0.25, 0.25]
    >>> propensities(np.zeros(4), audit=1, top=1).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    count = len(uncertainty)
    if audit >= count:
        return np.ones(count)
    starts = np.flatnonzero(np.r_[True, np.diff(uncertainty) != 0])
    sizes = np.diff(np.r_[starts, count])
    found = propensities_of(starts, sizes, count=count, audit=audit, top=top)
    return np.repeat(found, sizes)


def propensities_of(
    above: npt.NDArray[Any], equal: npt.NDArray[Any], *, count: int, audit: int, top: int
) -> Floats:
    """Return the same for a few samples, told how many stand above each and how many are its equals.

    ``equal`` counts the sample itself. Nothing is as long as the pool, whose size is ``count``.

    >>> propensities_of(np.array([0, 2]), np.array([1, 2]), count=4, audit=1, top=1).tolist()
    [1.0, 0.25]
    """
    if audit >= count:
        return np.ones(len(above))
    head, rate = _head(count, audit=audit, top=min(top, count - audit)), audit / count
    found = []
    for first, size in zip(above.tolist(), equal.tolist(), strict=True):
        inside = head[first : first + size]
        found.append((math.fsum(inside) + (size - len(inside)) * rate) / size)
    return np.array(found, dtype=np.float64).round(DIGITS)


def _head(count: int, *, audit: int, top: int) -> list[float]:
    """Return the chances of the first ranks: those that are not only the audit's."""
    chance = [1.0] * top
    for before in range(top, min(top + audit, count)):
        reached = _tail(count - 1, before, audit, before - top + 1)
        chance.append(audit / count + (1.0 - audit / count) * reached)
    return chance


def _tail(population: int, marked: int, drawn: int, least: int) -> float:
    """P(at least ``least`` of the ``marked`` are among ``drawn`` of ``population``)."""
    first = max(least, drawn - (population - marked))
    k = np.arange(first, min(marked, drawn) + 1)
    terms = _log_choose(marked, k) + _log_choose(population - marked, drawn - k)
    ways = _log_choose(population, np.array([drawn]))
    return min(1.0, math.fsum(np.exp(terms - ways)))


def _log_choose(n: int, k: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
