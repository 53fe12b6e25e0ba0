"""People made up for the benchmark of aggregation: who answers how, and one to three answers an item.

Every person knows one language. *Good* people are right in .78 to .92 and err in their own way,
*adversarial* ones call label t the next one in four of five, *lazy* ones say the first label in
four of five whatever the text. A model that is right in about two of three has an opinion too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.methods.aggregation import UNKNOWN, Answers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GOOD, ADVERSARIAL, LAZY = "good", "adversarial", "lazy"
TEAM = (GOOD, GOOD, GOOD, ADVERSARIAL, LAZY)
COMMON = (0.55, 0.30, 0.15)
ANSWERS = (0.3, 0.4, 0.3)
CLEAR = 1.05


@dataclass(frozen=True)
class Crowd:
    """Answers on N items of several languages, N truths and model opinions, and who is bad, M."""

    answers: Answers
    language: Ints
    truth: Ints
    model: Floats
    bad: npt.NDArray[np.bool_]


def manner(kind: str, rng: np.random.Generator, *, labels: int) -> Floats:
    """Return how one person answers: true label by answer, K x K."""
    own = np.eye(labels)
    if kind == GOOD:
        right = rng.uniform(0.78, 0.92)
        wrong = np.zeros((labels, labels))
        for true in range(labels):
            wrong[true, np.arange(labels) != true] = rng.dirichlet(np.ones(labels - 1))
        return np.asarray(right * own + (1 - right) * wrong)
    if kind == ADVERSARIAL:
        mostly = np.roll(own, 1, axis=1)
        return np.asarray(0.8 * mostly + 0.2 / (labels - 1) * (1 - mostly))
    habit = np.zeros((labels, labels))
    habit[:, 0] = 1.0
    return np.asarray(0.8 * habit + 0.2 / labels)


def crowd(
    seed: int,
    *,
    languages: int = 6,
    items: int = 40,
    team: Sequence[str] = TEAM,
    gold: float = 0.0,
    answers: Sequence[float] = ANSWERS,
) -> Crowd:
    """Make one world; ``answers`` is how probable one, two, three ... answers an item are."""
    rng = np.random.default_rng(seed)
    labels, size = len(COMMON), len(team)
    manners = np.stack(
        [manner(kind, rng, labels=labels) for _ in range(languages) for kind in team]
    )
    total = languages * items
    language = np.repeat(np.arange(languages), items)
    truth = rng.choice(labels, total, p=COMMON)
    logits = rng.standard_normal((total, labels))
    logits[np.arange(total), truth] += CLEAR
    model = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    number = rng.choice(np.arange(1, len(answers) + 1), total, p=answers)
    turn = rng.random((total, size)).argsort(axis=1)
    item, place = np.nonzero(np.arange(size) < number[:, None])
    person = turn[item, place] + size * language[item]
    below = manners[person, truth[item]].cumsum(axis=1)
    label = np.minimum((rng.random((len(item), 1)) > below).sum(axis=1), labels - 1)
    known = np.where(rng.random(total) < gold, truth, UNKNOWN)
    told = Answers(item, person, label, known, size * languages, labels)
    return Crowd(told, language, truth, model, np.tile([kind != GOOD for kind in team], languages))
