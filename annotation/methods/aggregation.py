"""Aggregation: from what people answered to how probable each label is, and whom to rely on.

Dawid and Skene (1979) with a prior that expects three kinds of people, each person in one
language: *competent* (mostly right), *lazy* (the same answers whatever the text) and *anything*
(which has room for those who turn every answer round). Each person's confusion matrix is the
mixture of the three Dirichlet posteriors, so a handful of answers already says little instead
of nonsense, and somebody consistently wrong is turned back rather than averaged in.

Shapes: N items, M people, K labels, A answers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, gammaln

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VERSION = "mixture-dawid-skene-1"
KINDS = ("competent", "lazy", "anything")
SHARES = (0.8, 0.1, 0.1)
DIAGONAL = 0.8
STRENGTH = 6.0
CLASS_STRENGTH = 20.0
UNKNOWN = -1


@dataclass(frozen=True)
class Answers:
    """A answers on N items by M people: three columns of A numbers, and the two sizes.

    ``known`` holds each item's known label, or -1: known answers are believed, not estimated.
    """

    item: Ints
    person: Ints
    label: Ints
    known: Ints
    people: int
    labels: int


@dataclass(frozen=True)
class Fit:
    """What the answers amount to.

    ``posterior`` N x K; ``confusion`` M x K x K (true label, answer); ``competent`` M;
    ``skill`` M x 3: chance-adjusted accuracy (1 perfect, 0 guessing) and its 95 % interval.
    """

    posterior: Floats
    confusion: Floats
    competent: Floats
    skill: Floats
    class_prior: Floats


def fit(
    answers: Answers,
    *,
    item_prior: Floats | None = None,
    rounds: int = 100,
    tolerance: float = 1e-8,
) -> Fit:
    """Estimate labels and people together by expectation and maximisation.

    ``item_prior`` (N x K) is what a model thinks of each item, calibrated; rows of NaN fall
    back on the class prior. That is learned from the answers, drawn towards uniform: what was
    asked is no random sample, so how common labels are elsewhere says little about it.

    >>> three = Answers(
    ...     item=np.array([0, 0, 1, 1]), person=np.array([0, 1, 0, 1]),
    ...     label=np.array([0, 0, 1, 0]), known=np.array([-1, -1]), people=2, labels=2,
    ... )
    >>> fit(three).posterior.round(2).tolist()
    [[0.86, 0.14], [0.4, 0.6]]
    """
    pool: Floats = np.full(answers.labels, 1.0 / answers.labels)
    prior = _Prior.of(answers)
    clamped = answers.known != UNKNOWN
    counts = _counts(answers, _one_hot(answers), only=clamped[answers.item])
    confusion, kinds = prior.update(counts)
    class_prior = pool
    posterior: Floats = np.full((len(answers.known), answers.labels), 1.0 / answers.labels)
    for _ in range(rounds):
        before = posterior
        posterior = _posterior(answers, confusion, _log_prior(class_prior, item_prior, posterior))
        counts = _counts(answers, posterior)
        confusion, kinds = prior.update(counts)
        total: Floats = posterior.sum(axis=0) + CLASS_STRENGTH * pool
        class_prior = np.asarray(total / total.sum())
        if np.abs(posterior - before).max(initial=0.0) < tolerance:
            break
    return Fit(posterior, confusion, kinds[:, 0], prior.skill(counts, kinds), class_prior)


def weights(posterior: Floats) -> Floats:
    """Return 1 - H(q) / log K per row: 1 where the answer is certain, 0 where all is open.

    >>> weights(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3).tolist()
    [1.0, 0.0]
    """
    safe = np.clip(posterior, 1e-12, 1.0)
    entropy = -(posterior * np.log(safe)).sum(axis=1)
    return np.asarray(np.clip(1.0 - entropy / np.log(posterior.shape[1]), 0.0, 1.0))


@dataclass(frozen=True)
class _Prior:
    """The three kinds of people as Dirichlet parameters, M x 3 x K x K."""

    alpha: Floats

    @classmethod
    def of(cls, answers: Answers) -> "_Prior":
        people, labels = answers.people, answers.labels
        competent = np.full((labels, labels), (1 - DIAGONAL) / max(labels - 1, 1))
        np.fill_diagonal(competent, DIAGONAL)
        habit = 1.0 + np.bincount(
            answers.person * labels + answers.label, minlength=people * labels
        ).reshape(people, labels)
        habit /= habit.sum(axis=1, keepdims=True)
        alpha = np.empty((people, len(KINDS), labels, labels))
        alpha[:, 0] = STRENGTH * competent
        alpha[:, 1] = 2 * STRENGTH * habit[:, None, :]
        alpha[:, 2] = 1.5 / labels
        return cls(alpha)

    def update(self, counts: Floats) -> tuple[Floats, Floats]:
        """Return confusion M x K x K and the probability of each kind M x 3."""
        after = self.alpha + counts[:, None]
        evidence = (
            gammaln(self.alpha.sum(axis=3))
            - gammaln(after.sum(axis=3))
            + (gammaln(after) - gammaln(self.alpha)).sum(axis=3)
        ).sum(axis=2)
        kinds = _softmax(evidence + np.log(SHARES))
        means = after / after.sum(axis=3, keepdims=True)
        return np.asarray((kinds[:, :, None, None] * means).sum(axis=1)), kinds

    def skill(self, counts: Floats, kinds: Floats) -> Floats:
        """Return M x 3: mean, low and high of the chance-adjusted mean diagonal.

        Within a kind the diagonal's mean is near enough a Beta distribution; the interval is
        that of the mixture, so being unsure which kind somebody is shows in its width.
        """
        labels = counts.shape[1]
        after = self.alpha + counts[:, None]
        total = after.sum(axis=3)
        share = np.diagonal(after, axis1=2, axis2=3) / total
        mean = share.mean(axis=2)
        variance = (share * (1 - share) / (total + 1)).sum(axis=2) / labels**2
        size = np.maximum(mean * (1 - mean) / variance - 1, 1e-3)
        low, high = (_quantile(p, mean * size, (1 - mean) * size, kinds) for p in (0.025, 0.975))
        diagonal = np.stack([(kinds * mean).sum(axis=1), low, high], axis=1)
        chance = 1.0 / labels
        return np.asarray((diagonal - chance) / (1 - chance))


def _quantile(p: float, a: Floats, b: Floats, kinds: Floats) -> Floats:
    low: Floats = np.zeros(len(kinds))
    high: Floats = np.ones(len(kinds))
    for _ in range(40):
        middle = (low + high) / 2
        below = (kinds * betainc(a, b, middle[:, None])).sum(axis=1) < p
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def _posterior(answers: Answers, confusion: Floats, log_prior: Floats) -> Floats:
    said = np.log(confusion)[answers.person, :, answers.label]
    total = log_prior + np.stack(
        [
            np.bincount(answers.item, said[:, label], minlength=len(answers.known))
            for label in range(answers.labels)
        ],
        axis=1,
    )
    posterior = _softmax(total)
    clamped = answers.known != UNKNOWN
    posterior[clamped] = _one_hot(answers)[clamped]
    return posterior


def _log_prior(class_prior: Floats, item_prior: Floats | None, like: Floats) -> Floats:
    prior = np.broadcast_to(class_prior, like.shape)
    if item_prior is not None:
        prior = np.where(np.isnan(item_prior), prior, item_prior)
    return np.log(np.clip(prior, 1e-6, 1.0))


def _counts(
    answers: Answers, posterior: Floats, *, only: npt.NDArray[np.bool_] | None = None
) -> Floats:
    item, person, label = answers.item, answers.person, answers.label
    if only is not None:
        item, person, label = item[only], person[only], label[only]
    size = answers.people * answers.labels
    return np.stack(
        [
            np.bincount(
                person * answers.labels + label, posterior[item, true], minlength=size
            ).reshape(answers.people, answers.labels)
            for true in range(answers.labels)
        ],
        axis=1,
    )


def _one_hot(answers: Answers) -> Floats:
    return np.asarray(np.eye(answers.labels)[answers.known])


def _softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
