"""Qualification: may this person's answers stand alone, after as few questions as will tell?

Wald's sequential probability ratio test (1945, *Sequential tests of statistical hypotheses*,
Ann Math Stat 16) on gold that the person has not seen: p_0 = .60 against p_1 = .80 of
chance-adjusted accuracy, with at most 5 % of those at p_0 let through and 10 % of those at p_1
turned away; whoever is neither after 40 answers goes on supervised. What a person is told is
which answers they mix up and where the guideline speaks of it, never a bare percentage.
"""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt


class Decision(StrEnum):
    """What a session has come to."""

    OPEN = "open"
    QUALIFIED = "qualified"
    SUPERVISED = "supervised"
    NOT_YET = "not-yet"


@dataclass(frozen=True)
class Rules:
    """Where the test lets through and where it turns away; plain numbers, to be stored as such.

    ``low`` and ``high`` are chance-adjusted accuracies: 1 perfect, 0 no better than the best
    guess without reading, which is right in ``chance`` of the questions (see `chance`).
    """

    chance: float = 0.0
    low: float = 0.60
    high: float = 0.80
    alpha: float = 0.05
    beta: float = 0.10
    cap: int = 40

    def __post_init__(self) -> None:
        """Refuse rules under which no answer could ever decide anything."""
        if not 0 <= self.chance < 1:
            raise ValueError("chance must be at least 0 and less than 1: show two classes or more")
        if not (0 <= self.low < self.high < 1 and self.cap > 0):
            raise ValueError("low must be less than high, high less than 1, and cap positive")
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise ValueError("alpha and beta must lie between 0 and 0.5")

    def accuracy(self, adjusted: float) -> float:
        """Return the share of right answers that a chance-adjusted accuracy means.

        >>> round(Rules(chance=0.5).accuracy(0.6), 3)
        0.8
        """
        return self.chance + (1.0 - self.chance) * adjusted

    @property
    def steps(self) -> tuple[float, float]:
        """What a right and a wrong answer add to the evidence: log p_1/p_0, log q_1/q_0."""
        low, high = self.accuracy(self.low), self.accuracy(self.high)
        return math.log(high / low), math.log((1.0 - high) / (1.0 - low))

    @property
    def bounds(self) -> tuple[float, float]:
        """Wald's bounds of the evidence: log beta/(1 - alpha), log (1 - beta)/alpha."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)


@dataclass(frozen=True)
class State:
    """How a session stands: two counts and a decision, which is all that need be stored.

    >>> state = State()
    >>> for _ in range(11):
    ...     state = state.after(True, rules=Rules())
    >>> state.right, str(state.decision)
    (11, 'qualified')
    """

    right: int = 0
    wrong: int = 0
    decision: Decision = Decision.OPEN

    @property
    def asked(self) -> int:
        """How many questions have been answered."""
        return self.right + self.wrong

    def evidence(self, rules: Rules) -> float:
        """Return the log likelihood ratio of p_1 to p_0."""
        up, down = rules.steps
        return self.right * up + self.wrong * down

    def after(self, right: bool, *, rules: Rules) -> "State":
        """Return the state after one more answer; a session that is decided stays as it is."""
        if self.decision != Decision.OPEN:
            return self
        counted = State(self.right + bool(right), self.wrong + (not right))
        return replace(counted, decision=decide(counted, rules=rules))


def decide(state: State, *, rules: Rules) -> Decision:
    """Return what the counts come to under the rules.

    >>> str(decide(State(right=3, wrong=5), rules=Rules()))
    'not-yet'
    """
    reject, accept = rules.bounds
    evidence = state.evidence(rules)
    if evidence >= accept:
        return Decision.QUALIFIED
    if evidence <= reject:
        return Decision.NOT_YET
    return Decision.SUPERVISED if state.asked >= rules.cap else Decision.OPEN


def chance(shown: Sequence[int]) -> float:
    """Return what the best guess without reading gets right: the commonest class's share.

    With 1/K, somebody who always gives the commonest answer would look like a reader where the
    gold is uneven.

    >>> chance([30, 10, 10])
    0.6
    """
    if not sum(shown):
        raise ValueError("there is no gold to show")
    return max(shown) / sum(shown)


@dataclass(frozen=True)
class Course:
    """What the rules do to people of one accuracy: answers needed, and shares of each end."""

    answers: float
    qualified: float
    supervised: float
    not_yet: float


def course(adjusted: float, *, rules: Rules) -> Course:
    """Return exactly what awaits somebody of this chance-adjusted accuracy.

    The number of right answers is a Markov chain that stops at the bounds; its distribution is
    carried from answer to answer, so nothing is simulated and nothing approximated.

    >>> found = course(0.6, rules=Rules())
    >>> round(found.answers, 1), round(found.qualified, 3), round(found.supervised, 3)
    (19.6, 0.035, 0.13)
    """
    right = rules.accuracy(adjusted)
    alive: npt.NDArray[np.float64] = np.zeros(rules.cap + 1)
    alive[0] = 1.0
    answers = 0.0
    ends = dict.fromkeys(Decision, 0.0)
    for asked in range(1, rules.cap + 1):
        answers += float(alive.sum())
        alive = alive * (1 - right) + np.concatenate(([0.0], alive[:-1] * right))
        for number in np.flatnonzero(alive):
            decision = decide(State(int(number), asked - int(number)), rules=rules)
            if decision != Decision.OPEN:
                ends[decision] += float(alive[number])
                alive[number] = 0.0
    return Course(
        answers, ends[Decision.QUALIFIED], ends[Decision.SUPERVISED], ends[Decision.NOT_YET]
    )


@dataclass(frozen=True)
class Confusion:
    """One answer given for another: how often, of how many, on what, and where to read on.

    ``paragraph`` counts the guideline's paragraphs from 0; None where none speaks of it.
    """

    true: int
    said: int
    times: int
    shown: int
    items: tuple[int, ...]
    paragraph: int | None


def confusions(
    true: Sequence[int],
    *,
    said: Sequence[int],
    items: Sequence[int],
    names: Sequence[str],
    guideline: str,
) -> list[Confusion]:
    """Return which classes a person took for which, the commonest first.

    >>> found = confusions([0, 0, 0, 1], said=[1, 1, 0, 1], items=[7, 8, 9, 10],
    ...                    names=["joy", "anger"], guideline="Joy is warm.\\n\\nAnger is not joy.")
    >>> [(c.true, c.said, c.times, c.shown, c.items, c.paragraph) for c in found]
    [(0, 1, 2, 3, (7, 8), 1)]
    """
    shown: dict[int, int] = defaultdict(int)
    mixed: dict[tuple[int, int], list[int]] = defaultdict(list)
    for truth, answer, item in zip(true, said, items, strict=True):
        shown[truth] += 1
        if truth != answer:
            mixed[truth, answer].append(item)
    places = paragraphs(guideline)
    found = [
        Confusion(
            truth,
            answer,
            len(which),
            shown[truth],
            tuple(which),
            _paragraph(places, true=names[truth], said=names[answer]),
        )
        for (truth, answer), which in mixed.items()
    ]
    return sorted(found, key=lambda one: (-one.times, -one.times / one.shown, one.true, one.said))


def paragraphs(guideline: str) -> list[str]:
    """Return a guideline's paragraphs: what blank lines set apart.

    >>> paragraphs("One.\\nStill one.\\n\\n\\nTwo.\\n")
    ['One.\\nStill one.', 'Two.']
    """
    return [part.strip() for part in re.split(r"\n\s*\n", guideline) if part.strip()]


def _paragraph(places: Sequence[str], *, true: str, said: str) -> int | None:
    """The first paragraph that tells the two apart, or else the first that names the true one."""
    named = [(_names(place, true), _names(place, said)) for place in places]
    both = next((number for number, both in enumerate(named) if all(both)), None)
    if both is not None:
        return both
    return next((number for number, (of_true, _) in enumerate(named) if of_true), None)


def _names(place: str, name: str) -> bool:
    # Where words have no spaces between them a border of words would never be found.
    word = re.escape(_plain(name))
    bordered = rf"(?<!\w){word}(?!\w)" if name.isascii() else word
    return bool(word) and re.search(bordered, _plain(place)) is not None


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().strip()
