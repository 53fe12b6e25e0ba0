"""Speeds and means: one number out of several, with the interval that it deserves."""

from collections.abc import Sequence
from math import exp, log, sqrt

from annotation.methods.charts import Estimate

LEVEL = 0.95


def typical(values: Sequence[float]) -> Estimate:
    """Return the geometric mean of positive numbers with its 95 % interval (Student's t of the logs).

    Speeds go wrong by a factor and not by a sum. One number alone has no interval.

    >>> told = typical([10.0, 10.0, 40.0])
    >>> round(told.value, 2), round(told.low, 2), round(told.high, 1)
    (15.87, 2.17, 115.9)
    >>> typical([3.0])
    Estimate(value=3.0, low=None, high=None)
    """
    if not values:
        return Estimate()
    logs = [log(value) for value in values]
    middle = sum(logs) / len(logs)
    if len(logs) == 1:
        return Estimate(float(values[0]))
    from scipy.special import stdtrit  # heavy, and the web wants it only here

    spread = sqrt(sum((each - middle) ** 2 for each in logs) / (len(logs) - 1))
    half = float(stdtrit(len(logs) - 1, (1 + LEVEL) / 2)) * spread / sqrt(len(logs))
    return Estimate(exp(middle), exp(middle - half), exp(middle + half))


def times_as_quick(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """Return how many times as quick the second is, both timed in turn: N and N texts a second.

    The two of a turn are compared with each other, since a busy machine is as unfair to both.

    >>> times_as_quick([10.0, 5.0], [20.0, 10.0])
    Estimate(value=2.0, low=2.0, high=2.0)
    """
    told = typical([new / old for old, new in zip(before, after, strict=True)])
    return Estimate(
        *(None if v is None else round(v, 6) for v in (told.value, told.low, told.high))
    )


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of independent estimates, its interval made of theirs.

    Zou & Donner 2008, "Construction of confidence limits about effect measures": the distances to
    the limits add up as squares. A language without errors keeps the interval that it has.

    >>> told = mean_of([Estimate(0.5, 0.4, 0.6), Estimate(0.7, 0.6, 0.8)])
    >>> round(told.value, 2), round(told.low, 3), round(told.high, 3)
    (0.6, 0.529, 0.671)
    """
    known = [one for one in estimates if one.value is not None]
    if not known:
        return Estimate()
    middle = sum(one.value or 0.0 for one in known) / len(known)
    bounds = [(one.value, one.low, one.high) for one in known]
    if any(low is None or high is None for _, low, high in bounds):
        return Estimate(middle)
    down = sqrt(sum(((v or 0.0) - (low or 0.0)) ** 2 for v, low, _ in bounds)) / len(known)
    up = sqrt(sum(((high or 0.0) - (v or 0.0)) ** 2 for v, _, high in bounds)) / len(known)
    return Estimate(middle, middle - down, middle + up)
