"""Duels: two writers side by side on the same texts, and how much the choices are worth together.

The share of choices that prefer the one, ties half, is (1 + d) / 2 with d = P(win) - P(loss).
Choices of one rater hang together, and those on one text: the variance of d is that of raters
plus that of texts less what both count twice (Cameron, Gelbach and Miller 2011, *Robust
inference with multiway clustering*, JBES 29), each by the delete-one jackknife. Over the
variance of independent choices it gives the design effect (Kish 1965): so many times fewer
choices are worth as much. Its degrees of freedom are Satterthwaite's (1946), between the number
of raters less one and the number of choices. The side on which a text stood is levelled: choices
on either side count half in all, as if it had been shown as often there.

Shapes: A choices.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

from annotation.methods.judgements import Floats, Ints, same_length, whole


@dataclass(frozen=True)
class Duel:
    """A choices between two writers: columns of A numbers.

    ``outcome`` is 1 where the candidate was preferred, 0 for a tie, -1 where the other was;
    ``first`` says where the candidate was shown first.
    """

    outcome: Ints
    rater: Ints
    item: Ints
    first: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        outcome: npt.ArrayLike,
        *,
        rater: npt.ArrayLike,
        item: npt.ArrayLike,
        first: npt.ArrayLike,
    ) -> "Duel":
        """Check what comes in; an error names row, field and remedy.

        >>> Duel.of([2], rater=[0], item=[0], first=[True])
        Traceback (most recent call last):
        annotation.methods.judgements.JudgementError: Row 0, outcome: 2 is not from -1 to 1. Give 1 (the candidate is preferred), 0 (a tie) or -1.
        """
        most = (1 << 31) - 1
        said = "Give 1 (the candidate is preferred), 0 (a tie) or -1."
        result = whole(outcome, field="outcome", low=-1, high=1, remedy=said)
        number = "Number them from 0."
        who = whole(rater, field="rater", low=0, high=most, remedy=number)
        what = whole(item, field="item", low=0, high=most, remedy=number)
        side = "Give true where the candidate was shown first."
        sides = whole(first, field="first", low=0, high=1, remedy=side)
        same_length(outcome=result, rater=who, item=what, first=sides)
        return cls(result, who, what, sides.astype(bool))

    def without(self, rater: int) -> "Duel":
        """Leave out one rater's choices, as if they had never been made."""
        kept = self.rater != rater
        return Duel(self.outcome[kept], self.rater[kept], self.item[kept], self.first[kept])


@dataclass(frozen=True)
class Worth:
    """What A choices amount to: as many ``wins``, ``ties`` and ``losses`` of independent ones.

    ``effect`` is the design effect, ``freedom`` its degrees of freedom; ``difference`` is d.
    ``between`` is the share of a choice's variance that lies between raters, 0 where chance explains
    how they differ.
    """

    choices: int
    raters: int
    items: int
    wins: float
    ties: float
    losses: float
    difference: float
    effect: float
    freedom: float
    between: float

    @property
    def size(self) -> float:
        """How many independent choices tell as much."""
        return self.wins + self.ties + self.losses


def worth(duel: Duel) -> Worth:
    """Say how much the choices tell, raters and texts honoured as clusters.

    >>> found = worth(Duel.of([1, 1, 0, -1], rater=[0, 1, 2, 3], item=[0, 1, 2, 3],
    ...                       first=[True, False, True, False]))
    >>> found.choices, found.raters, round(found.size, 2), round(found.difference, 2)
    (4, 4, 4.0, 0.25)
    """
    number = len(duel.outcome)
    if not number:
        return Worth(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0)
    weight = _levelled(duel.first)
    value = duel.outcome.astype(np.float64)
    alone, _ = _jackknife(value, weight, np.arange(number))
    by_rater, raters = _jackknife(value, weight, duel.rater)
    by_item, items = _jackknife(value, weight, duel.item)
    # That few raters seem to agree more than chance is no evidence: never worth more than alone.
    both = max(by_rater + by_item - alone, alone)
    effect = both / alone if alone > 0 else 1.0
    rest = max(both - by_rater, 0.0)
    freedom = (
        both**2 / (by_rater**2 / max(raters - 1, 1) + rest**2 / number)
        if by_rater > 0
        else float(max(raters - 1, 1))
    )
    shares = [float(weight[duel.outcome == one].sum() / number) for one in (1, 0, -1)]
    size = number / effect
    variance = alone * number
    shown = (raters - 1) * by_rater > alone * chdtri(max(raters - 1, 1), 0.05)
    apart = max(by_rater - alone, 0.0) * raters / variance if shown and variance > 0 else 0.0
    return Worth(
        number,
        raters,
        items,
        wins=shares[0] * size,
        ties=shares[1] * size,
        losses=shares[2] * size,
        difference=shares[0] - shares[2],
        effect=effect,
        freedom=max(freedom, 1.0),
        between=min(apart, 1.0),
    )


def _levelled(first: npt.NDArray[np.bool_]) -> Floats:
    """Weigh A choices so that both sides count half; their sum is A."""
    number, there = len(first), int(first.sum())
    if there in (0, number):
        return np.ones(number)
    return np.where(first, number / 2 / there, number / 2 / (number - there))


def _jackknife(value: Floats, weight: Floats, group: Ints) -> tuple[float, int]:
    """Return the variance of the weighted mean by leaving out each group, and how many there are."""
    own = np.unique(group, return_inverse=True)[1]
    top, under = np.bincount(own, weight * value), np.bincount(own, weight)
    groups = len(top)
    if groups < 2:
        return 0.0, groups
    without = (top.sum() - top) / (under.sum() - under)
    mean = top.sum() / under.sum()
    return float((groups - 1) / groups * ((without - mean) ** 2).sum()), groups
