"""Signals: what a person may want to look at in how answers came; never a weight, never a verdict.

Reading fast, answering alike for long and answering as a neighbour does all have good reasons,
too: short texts, a dull batch, two people at one table. Shapes: n answers of one person, oldest
first.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

FEWEST = 20
QUICK = 0.25
MINUTE = 60.0


@dataclass(frozen=True)
class Streak:
    """The longest run of one label, and how probable one as long is by chance."""

    label: int
    length: int
    chance: float


@dataclass(frozen=True)
class Pair:
    """Two people who gave the same answer to the same text within a minute, and how often."""

    first: int
    second: int
    together: int
    both: int


def pace(seconds: Sequence[float], *, lengths: Sequence[int], usual: float) -> float | None:
    """Return the share of answers that took under a quarter of the usual time a character.

    ``usual`` is the team's seconds a character; None with too few answers to say.

    >>> pace([1.0] * 10 + [9.0] * 10, lengths=[100] * 20, usual=0.08)
    0.5
    """
    timed = [s / n for s, n in zip(seconds, lengths, strict=True) if n > 0 and s >= 0]
    if len(timed) < FEWEST or usual <= 0:
        return None
    return sum(one < QUICK * usual for one in timed) / len(timed)


def streak(labels: Sequence[int]) -> Streak | None:
    """Return the longest run of one label, or None with too few answers.

    The chance is that of a run as long anywhere among n answers that have the label with the
    share that this person's have: about 1 - exp(-n q p^L), p its share, q = 1 - p (Feller 1968,
    *An introduction to probability theory*, XIII.7). Somebody who gives one label only always
    has the whole as one run: that is no chance, and the chance is 1.

    >>> found = streak([0, 1] * 15 + [1] * 30)
    >>> found.label, found.length, found.chance < 0.01
    (1, 31, True)
    """
    if len(labels) < FEWEST:
        return None
    label, length = max(
        ((label, sum(1 for _ in run)) for label, run in groupby(labels)), key=lambda one: one[1]
    )
    share = Counter(labels)[label] / len(labels)
    if share == 1:
        return Streak(label, length, 1.0)
    expected = len(labels) * (1 - share) * share**length
    return Streak(label, length, -math.expm1(-expected))


def pairs(said: Mapping[int, Mapping[int, tuple[datetime, int]]], *, fewest: int = 5) -> list[Pair]:
    """Return pairs of people who answered half of their common texts alike in the same minute.

    ``said`` maps people to texts to when and what.

    >>> from datetime import UTC
    >>> at = datetime(2026, 5, 1, tzinfo=UTC)
    >>> same = {text: (at, 0) for text in range(6)}
    >>> pairs({1: same, 2: same, 3: {}})
    [Pair(first=1, second=2, together=6, both=6)]
    """
    found = []
    people = sorted(said)
    for place, first in enumerate(people):
        for second in people[place + 1 :]:
            both = said[first].keys() & said[second].keys()
            together = sum(_alike(said[first][text], said[second][text]) for text in both)
            if together >= fewest and together >= len(both) / 2:
                found.append(Pair(first, second, together, len(both)))
    return sorted(found, key=lambda pair: -pair.together)


def _alike(one: tuple[datetime, int], other: tuple[datetime, int]) -> bool:
    return one[1] == other[1] and abs((one[0] - other[0]).total_seconds()) < MINUTE
