"""Leaks: gold whose answer is known among people, or was never right.

Shapes: n answers to one item, oldest first.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

# Shown to so many, an answer has most probably been talked about.
WORN = 20
FEWEST = 8
RARE = 0.01
ALIKE = 0.75


@dataclass(frozen=True)
class Suspicion:
    """What is odd about an item; empty words where nothing is."""

    worn: bool = False
    easier: float | None = None
    other: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is odd at all."""
        return self.worn or self.easier is not None or self.other is not None


def suspect(said: Sequence[int], *, true: int, shown: int) -> Suspicion:
    """Return what is odd about how an item was answered.

    ``easier``: how probable it is by chance that the later half is right so much more often
    than the earlier (Fisher 1935, the exact test of a 2 x 2 table), where that is under 1 %.
    ``other``: the label that three in four gave instead of the known one: the known one may be
    wrong.

    >>> suspect([1, 1, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0], true=0, shown=12).easier is not None
    True
    >>> suspect([1, 1, 1, 1, 2, 1, 1, 1], true=0, shown=8).other
    1
    >>> bool(suspect([0, 0, 1, 0, 0, 2, 0, 0], true=0, shown=8))
    False
    """
    if len(said) < FEWEST:
        return Suspicion(worn=shown >= WORN)
    right = [one == true for one in said]
    half = len(right) // 2
    chance = later_is_better(sum(right[:half]), half, sum(right[half:]), len(right) - half)
    label, times = Counter(said).most_common(1)[0]
    return Suspicion(
        worn=shown >= WORN,
        easier=chance if chance < RARE else None,
        other=label if label != true and times >= ALIKE * len(said) else None,
    )


def later_is_better(early: int, of_early: int, late: int, of_late: int) -> float:
    """Return Fisher's one-sided probability that so many of the right answers are late.

    >>> round(later_is_better(0, 4, 4, 4), 4)
    0.0143
    """
    right, everything = early + late, of_early + of_late
    ways = sum(
        comb(of_late, k) * comb(of_early, right - k)
        for k in range(late, min(right, of_late) + 1)
        if right - k <= of_early
    )
    return ways / comb(everything, right)
