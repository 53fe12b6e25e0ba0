"""Leaning: when a language starts to lose, the rest of the run is drawn more from it.

A language loses where its development metric lies below the champion's by more than one
standard error of a share of that many items, sqrt(p (1 - p) / n). All of it is a function of the
curve so far, so that a run that is taken up again leans as it did.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Metrics = Mapping[str, float]


def noise(share: float, *, items: int) -> float:
    """Return one standard error of a share of so many items; of none known, nought.

    >>> noise(0.8, items=100)
    0.04
    """
    return round(math.sqrt(max(share * (1 - share), 0.0) / items), 6) if items else 0.0


def losing(now: Metrics, *, before: Metrics, items: Mapping[str, int]) -> list[str]:
    """Return the languages that stand below the champion by more than noise.

    >>> losing({"wo": 0.75, "qu": 0.77}, before={"wo": 0.8, "qu": 0.8}, items={"wo": 100, "qu": 100})
    ['wo']
    """
    return sorted(
        tag
        for tag, value in now.items()
        if tag in before and value < before[tag] - noise(before[tag], items=items.get(tag, 0))
    )


def merit(dev: Metrics) -> float:
    """Return what a point is worth: the mean over languages plus the worst of them."""
    return sum(dev.values()) / len(dev) + min(dev.values()) if dev else 0.0


def best_point(curve: Sequence[Sequence[Any]]) -> int:
    """Return the place of the curve's best point; of equal ones the first; -1: nothing measured."""
    measured = [place for place, point in enumerate(curve) if point[2]]
    return max(measured, key=lambda place: (merit(curve[place][2]), -place), default=-1)


def worn_out(curve: Sequence[Sequence[Any]], *, patience: int) -> bool:
    """Tell whether so many points have come since the best one (0: never)."""
    best = best_point(curve)
    return bool(patience) and best >= 0 and len(curve) - 1 - best >= patience
