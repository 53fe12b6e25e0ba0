"""Qualification: may this person's answers stand alone, after as few questions as will tell?

Wald's sequential probability ratio test (1945, *Sequential tests of statistical hypotheses*,
Ann Math Stat 16) on gold that the person has not seen: p_0 = .60 against p_1 = .80 of
chance-adjusted accuracy, with at most 5 % of those at p_0 let through and 10 % of those at p_1
turned away; whoever is neither after 40 answers goes on supervised. What a person is told is
which answers they mix up and where the guideline speaks of it, never a bare percentage.

Where a guess is right in a half or a third of the questions an answer says less, and 40 leave
most good people undecided. What is not spent of the 5 % by then may be: `closing` works out how
many right answers at the end still let through without letting through more at p_0.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from annotation.methods.guidelines import paragraph_on, paragraphs


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
    ``enough`` right answers at the end let through as well; None: only the bounds do.
    """

    chance: float = 0.0
    low: float = 0.60
    high: float = 0.80
    alpha: float = 0.05
    beta: float = 0.10
    cap: int = 40
    enough: int | None = None

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
    if state.asked < rules.cap:
        return Decision.OPEN
    through = rules.enough is not None and state.right >= rules.enough
    return Decision.QUALIFIED if through else Decision.SUPERVISED


def closing(rules: Rules) -> Rules:
    """Return the rules with as few right answers at the end as alpha still allows.

    Somebody at ``low`` is let through in alpha of all sessions at most, those at the bounds
    included; worked out exactly. No number of answers will do where the bounds spend it all.

    >>> closing(Rules(chance=1 / 3, low=0.5)).enough, closing(Rules(chance=0.5, low=0.5)).enough
    (33, None)
    """
    plain = replace(rules, enough=None)
    chain = _chain(plain.low, rules=plain)
    spent, enough = chain.course.qualified, None
    for right in reversed(np.flatnonzero(chain.undecided)):
        spent += float(chain.undecided[right])
        if spent > rules.alpha:
            break
        enough = int(right)
    return replace(plain, enough=enough)


def needed(items: int) -> int:
    """Return how many right answers a short session of so many items wants: three in four.

    Of eight that is six: who is right in 85 % gets there in 89 % of sessions, who is right in
    65 % in 43 %. Eight answers tell little, so nothing but a talk may follow from them.

    >>> needed(8), needed(5), needed(1)
    (6, 4, 1)
    """
    return math.ceil(0.75 * items)


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


def balanced(labels: Sequence[int], *, size: int, rng: np.random.Generator) -> list[int]:
    """Return places of ``labels`` to ask, at most ``size``, as even as can be, in random order.

    Even, so that the best guess without reading is right as seldom as possible, and that every
    confusion has its chance to be seen. Those that stand further ahead are taken first.

    >>> sorted(balanced([0, 0, 0, 0, 1, 2], size=4, rng=np.random.default_rng(0)))
    [0, 1, 4, 5]
    """
    turn: dict[int, int] = defaultdict(int)
    keys = []
    for place, label in enumerate(labels):
        keys.append((turn[label], place))
        turn[label] += 1
    taken = [place for _, place in sorted(keys)[:size]]
    return [taken[k] for k in rng.permutation(len(taken))]


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
    return _chain(adjusted, rules=rules).course


@dataclass(frozen=True)
class _Chain:
    """Where sessions end, and the right answers of those that come to the cap undecided."""

    course: Course
    undecided: npt.NDArray[np.float64]


def _chain(adjusted: float, *, rules: Rules) -> _Chain:
    right = rules.accuracy(adjusted)
    alive: npt.NDArray[np.float64] = np.zeros(rules.cap + 1)
    alive[0] = 1.0
    undecided = np.zeros(rules.cap + 1)
    answers = 0.0
    ends = dict.fromkeys(Decision, 0.0)
    for asked in range(1, rules.cap + 1):
        answers += float(alive.sum())
        alive = alive * (1 - right) + np.concatenate(([0.0], alive[:-1] * right))
        for number in np.flatnonzero(alive):
            decision = decide(State(int(number), asked - int(number)), rules=rules)
            if decision != Decision.OPEN:
                ends[decision] += float(alive[number])
                if decision == Decision.SUPERVISED:
                    undecided[number] = alive[number]
                alive[number] = 0.0
    return _Chain(
        Course(
            answers, ends[Decision.QUALIFIED], ends[Decision.SUPERVISED], ends[Decision.NOT_YET]
        ),
        undecided,
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
            paragraph_on(places, true=names[truth], said=names[answer]),
        )
        for (truth, answer), which in mixed.items()
    ]
    return sorted(found, key=lambda one: (-one.times, -one.times / one.shown, one.true, one.said))
