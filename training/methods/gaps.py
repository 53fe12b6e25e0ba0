"""Gaps: how far a language is behind the best one, and whether it falls further behind.

An interval of a difference of two shares comes from theirs (MOVER: Zou and Donner 2008, Statistics in
Medicine 27; with Wilson's intervals it is Newcombe's 1998 hybrid score). The best language is
chosen by its own number, so gaps look a little larger than they are, for all languages alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# So many versions in a row must show it: one may be an accident.
VERSIONS = 2


@dataclass(frozen=True)
class Ends:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def difference(a: Ends, b: Ends) -> Ends:
    """Return a - b with the interval that follows from theirs, as if they were independent.

    >>> found = difference(Ends(0.9, 0.86, 0.93), Ends(0.8, 0.75, 0.84))
    >>> round(found.value, 2), round(found.low, 3), round(found.high, 3)
    (0.1, 0.043, 0.158)
    """
    value = a.value - b.value
    below = math.hypot(a.value - a.low, b.high - b.value)
    above = math.hypot(a.high - a.value, b.value - b.low)
    return Ends(value, value - below, value + above)


def falls_behind(gaps: Sequence[Ends | None]) -> bool:
    """Return whether a gap grew beyond its interval, twice in a row.

    ``gaps`` are those of the versions that served, oldest first. Each of the last two must be
    wider than the gap of the version before them by more than the interval of the difference. The
    versions answered mostly the same gold, so this interval is wider than it need be: an alarm
    that comes has a reason.

    >>> near, far = Ends(0.02, -0.02, 0.06), Ends(0.15, 0.10, 0.20)
    >>> falls_behind([near, far, far]), falls_behind([near, near, far]), falls_behind([far, far])
    (True, False, False)
    """
    if len(gaps) <= VERSIONS:
        return False
    before, last = gaps[-VERSIONS - 1], gaps[-VERSIONS:]
    if before is None:
        return False
    return all(gap is not None and difference(gap, before).low > 0 for gap in last)


def cost_per_point(seconds: float, gain: Ends | None) -> Ends | None:
    """Return the seconds of speakers' time that one point (0.01) has cost, if a gain is shown.

    The interval of the gain becomes that of the cost; where it holds nought there is no number to
    tell.

    >>> cost_per_point(3600, Ends(0.06, 0.03, 0.09))
    Ends(value=600.0, low=400.0, high=1200.0)
    >>> cost_per_point(3600, Ends(0.06, -0.01, 0.09)) is None
    True
    """
    if gain is None or gain.low <= 0 or seconds <= 0:
        return None
    return Ends(*(seconds / (100 * one) for one in (gain.value, gain.high, gain.low)))
