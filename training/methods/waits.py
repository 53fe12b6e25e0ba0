"""Waits: the median time until something is done, where some still wait (Kaplan and Meier 1958).

The mean of what is done already flatters whoever leaves the hard ones lying; here those that wait
count as waiting for longer than they have so far. The interval is that of Brookmeyer and Crowley
(1982, Biometrics 38): the times at which the curve cannot be told from one half, by Greenwood's
variance on the scale of log(-log S).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054
# With fewer that were done a median is an anecdote.
LEAST_DONE = 5
# Shares are products: one half may come out a hair above it, and would be a whole wait late.
HALF = 0.5 + 1e-9
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Median:
    """The time by which half is done, its 95 % interval (no upper end: not known), and of how many."""

    value: float | None
    low: float | None
    high: float | None
    done: int
    all: int


def median_wait(waited: Sequence[float], *, done: Sequence[bool]) -> Median:
    """Return the median of N waits; ``done`` says which are over, the others go on.

    >>> median_wait([1, 2, 3, 4, 5, 6], done=[True] * 6).value
    3.0
    >>> median_wait([1, 2, 3, 4, 5, 9, 9, 9, 9, 9], done=[True] * 5 + [False] * 5).value
    5.0
    >>> median_wait([1, 1, 1, 1, 1, 9, 9, 9, 9, 9, 9], done=[True] * 5 + [False] * 6).value is None
    True
    >>> median_wait(range(24), done=[True] * 24).value
    11.0
    >>> median_wait([1, 2], done=[True, True])
    Median(value=None, low=None, high=None, done=2, all=2)
    """
    times, over = np.asarray(waited, np.float64), np.asarray(done, bool)
    if int(over.sum()) < LEAST_DONE:
        return Median(None, None, None, int(over.sum()), len(times))
    at, left, low, high = _curve(times, over)
    return Median(
        _first(at, left <= HALF),
        _first(at, low <= HALF),
        _first(at, high <= HALF),
        int(over.sum()),
        len(times),
    )


def _curve(times: Floats, over: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return times, the share that still waits after each, and that share's lower and upper ends."""
    at = np.unique(times[over])
    risk = np.array([(times >= t).sum() for t in at], np.float64)
    ends = np.array([((times == t) & over).sum() for t in at], np.float64)
    left: Floats = np.cumprod(1 - ends / risk).astype(np.float64)
    low, high = left.copy(), left.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(ends / (risk * (risk - ends)))) / np.abs(np.log(left))
        inside = (left > 0) & (left < 1) & np.isfinite(spread)
        low[inside] = left[inside] ** np.exp(Z95 * spread[inside])
        high[inside] = left[inside] ** np.exp(-Z95 * spread[inside])
    # Where nobody waits any more Greenwood's variance says nothing of how many might.
    high[left <= 0] = np.nan
    return at, left, low, high


def _first(at: Floats, reached: npt.NDArray[np.bool_]) -> float | None:
    return float(at[reached.argmax()]) if reached.any() else None


def is_slow(own: float | None, *, of_all: float | None, times: float = 2.0) -> bool:
    """Return whether a median is more than twice that of all languages.

    >>> is_slow(9.0, of_all=4.0), is_slow(8.0, of_all=4.0), is_slow(None, of_all=4.0)
    (True, False, False)
    """
    return own is not None and of_all is not None and own > times * max(of_all, math.ulp(0.0))
