"""Aggregation: from what people answered to how probable each label is, and whom to rely on.

Dawid and Skene (1979) with a prior that expects three kinds of people, each person in one
language: *competent* (mostly right), *lazy* (the same answers whatever the text) and *anything*
(which has room for those who turn every answer round). Each person's confusion matrix is the
mixture of the three Dirichlet posteriors, so a handful of answers already says little instead
of nonsense, and somebody consistently wrong is turned back rather than averaged in. Languages
share two things only: how common labels are, and how somebody answers who knows two of them.

Shapes: N items, M people, K labels, A answers, L languages, C kinds of people.
"""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when first asked for: the web process stays light

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VERSION = "mixture-dawid-skene-1"
KINDS = ("competent", "lazy", "anything")
SHARES = (0.8, 0.1, 0.1)
DIAGONAL = 0.8
STRENGTH = 6.0
CLASS_STRENGTH = 20.0
AS_ELSEWHERE = (
    0.9  # at .7 a second language of few answers forgets the first; at 1 nobody may differ
)
ROUNDS = 100
POOL_STEP = 0.02
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
    ``class_prior`` K, or L x K where several languages were fitted together.
    """

    posterior: Floats
    confusion: Floats
    competent: Floats
    skill: Floats
    class_prior: Floats


@dataclass(frozen=True)
class Elsewhere:
    """How the same people answer in a language where they are known already.

    ``confusion`` M x K x K, NaN for who is known nowhere else; ``competent`` M.
    """

    confusion: Floats
    competent: Floats

    @classmethod
    def of(cls, first: Fit, *, person: Ints) -> "Elsewhere":
        """Take row ``person[m]`` of the first language's fit for person m of the second; -1: none.

        >>> alone = Answers(
        ...     item=np.array([0]), person=np.array([0]), label=np.array([1]),
        ...     known=np.array([0]), people=1, labels=2,
        ... )
        >>> Elsewhere.of(fit(alone), person=np.array([-1, 0])).competent.round(2).tolist()
        [nan, 0.58]
        """
        there = person != UNKNOWN
        confusion = np.full((len(person), *first.confusion.shape[1:]), np.nan)
        competent = np.full(len(person), np.nan)
        confusion[there] = first.confusion[person[there]]
        competent[there] = first.competent[person[there]]
        return cls(confusion, competent)


def fit(  # noqa: PLR0913 - each is one more thing that may be known beforehand
    answers: Answers,
    *,
    item_prior: Floats | None = None,
    class_pool: Floats | None = None,
    sorts: Ints | None = None,
    elsewhere: Elsewhere | None = None,
    rounds: int = ROUNDS,
    tolerance: float = 1e-8,
) -> Fit:
    """Estimate one language's labels and people together by expectation and maximisation.

    ``item_prior`` (N x K) is what a model thinks of each item, calibrated; rows of NaN fall
    back on the class prior. That is learned from the answers, drawn towards ``class_pool`` (K):
    how common labels are among what was asked in other languages; uniform where nothing is known.
    Items of several ``sorts`` (N, from 0) have labels as common as their sort has them, and a pool
    for each (L x K); people answer alike in all of them.

    >>> three = Answers(
    ...     item=np.array([0, 0, 1, 1]), person=np.array([0, 1, 0, 1]),
    ...     label=np.array([0, 0, 1, 0]), known=np.array([-1, -1]), people=2, labels=2,
    ... )
    >>> fit(three).posterior.round(2).tolist()
    [[0.86, 0.14], [0.4, 0.6]]
    """
    uniform: Floats = np.full(answers.labels, 1.0 / answers.labels)
    one = np.zeros(len(answers.known), dtype=np.int64)
    classes = _Classes(
        one if sorts is None else sorts, uniform if class_pool is None else class_pool
    )
    found = _fit(
        answers,
        classes=classes,
        item_prior=item_prior,
        elsewhere=elsewhere,
        rounds=rounds,
        tolerance=tolerance,
    )
    return found if sorts is not None else replace(found, class_prior=found.class_prior[0])


def fit_languages(
    answers: Answers,
    *,
    language: Ints,
    pooled: bool = True,
    item_prior: Floats | None = None,
    elsewhere: Elsewhere | None = None,
    tolerance: float = 1e-8,
) -> Fit:
    """Estimate several languages at once; ``language`` (N) numbers each item's from 0.

    A person who answers in two languages is two people here, one a language (``elsewhere`` ties
    them). With ``pooled`` the class prior of each is drawn towards that of all together;
    without, towards uniform, and no language's answers touch another's result.

    >>> two = Answers(
    ...     item=np.arange(4), person=np.array([0, 0, 0, 1]), label=np.array([0, 0, 0, 1]),
    ...     known=np.full(4, -1), people=2, labels=2,
    ... )
    >>> fit_languages(two, language=np.array([0, 0, 0, 1])).class_prior.round(2).tolist()
    [[0.53, 0.47], [0.5, 0.5]]
    """
    uniform: Floats = np.full(answers.labels, 1.0 / answers.labels)
    classes = _Classes(language, None if pooled else uniform)
    return _fit(
        answers,
        classes=classes,
        item_prior=item_prior,
        elsewhere=elsewhere,
        rounds=ROUNDS,
        tolerance=tolerance,
    )


def _fit(
    answers: Answers,
    *,
    classes: "_Classes",
    item_prior: Floats | None,
    elsewhere: Elsewhere | None,
    rounds: int,
    tolerance: float,
) -> Fit:
    said = _Said.of(answers)
    prior = KindsOfPeople.of(answers, elsewhere)
    known = np.where((answers.known != UNKNOWN)[:, None], said.truth, 0.0)
    counts = said.counts(known)
    confusion, kinds = prior.update(counts)
    posterior: Floats = np.full(known.shape, 1.0 / answers.labels)
    class_prior = classes.start(answers.labels)
    for _ in range(rounds):
        before = posterior
        log_prior = _log_prior(class_prior[classes.language], item_prior)
        posterior = said.posterior(confusion, log_prior)
        counts = said.counts(posterior)
        confusion, kinds = prior.update(counts)
        class_prior = classes.update(posterior)
        if np.abs(posterior - before).max(initial=0.0) < tolerance:
            break
    return Fit(
        posterior, confusion, prior.competent(kinds), prior.skill(counts, kinds), class_prior
    )


def weights(posterior: Floats) -> Floats:
    """Return 1 - H(q) / log K per row: 1 where the answer is certain, 0 where all is open.

    >>> weights(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3).tolist()
    [1.0, 0.0]
    """
    safe = np.clip(posterior, 1e-12, 1.0)
    entropy = -(posterior * np.log(safe)).sum(axis=1)
    return np.asarray(np.clip(1.0 - entropy / np.log(posterior.shape[1]), 0.0, 1.0))


def class_pool(votes: Floats) -> Floats:
    """Return how common labels are (K) by the votes of other languages, for ``fit``.

    In coarse steps, so that one more answer there seldom moves what is estimated here.

    >>> class_pool(np.array([0.0, 20.0])).round(2).tolist()
    [0.24, 0.76]
    """
    share = _Classes._drawn(votes, np.full(len(votes), 1.0 / len(votes)))
    steps = np.maximum(np.rint(share / POOL_STEP), 1.0)
    return np.asarray(steps / steps.sum())


@dataclass(frozen=True)
class _Said:
    """The answers as a matrix, N x MK: who said what of which item; and the known labels, N x K."""

    matrix: "scipy.sparse.csr_array"
    truth: Floats
    known: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, answers: Answers) -> "_Said":
        column = answers.person * answers.labels + answers.label
        shape = (len(answers.known), answers.people * answers.labels)
        matrix = scipy.sparse.csr_array((np.ones(len(column)), (answers.item, column)), shape=shape)
        truth = np.asarray(np.eye(answers.labels)[answers.known])
        return cls(matrix, truth, answers.known != UNKNOWN)

    def posterior(self, confusion: Floats, log_prior: Floats) -> Floats:
        """Return N x K: how probable each label is; known ones stay."""
        said = np.log(confusion).transpose(0, 2, 1).reshape(-1, confusion.shape[1])
        posterior = _softmax(log_prior + self.matrix @ said)
        posterior[self.known] = self.truth[self.known]
        return posterior

    def counts(self, posterior: Floats) -> Floats:
        """Return M x K x K: how often each person said the last where the first is true."""
        labels = posterior.shape[1]
        return np.asarray(
            (self.matrix.T @ posterior).reshape(-1, labels, labels).transpose(0, 2, 1)
        )


@dataclass(frozen=True)
class _Classes:
    """How common labels are: a language each, drawn towards ``pool`` (K, or L x K) or all together.

    All together are drawn towards uniform, or a handful of answers would make one label certain.
    """

    language: Ints
    pool: Floats | None

    def start(self, labels: int) -> Floats:
        """Return L x K before any answer is read."""
        languages = int(self.language.max(initial=0)) + 1
        start = np.full(labels, 1.0 / labels) if self.pool is None else self.pool
        return np.array(np.broadcast_to(start, (languages, labels)))

    def update(self, posterior: Floats) -> Floats:
        """Return L x K after answers."""
        languages = int(self.language.max(initial=0)) + 1
        counts = np.stack(
            [np.bincount(self.language, one, minlength=languages) for one in posterior.T],
            axis=1,
            dtype=np.float64,
        )
        pool = self.pool
        if pool is None:
            pool = self._drawn(counts.sum(axis=0), np.full(counts.shape[1], 1 / counts.shape[1]))
        return self._drawn(counts, pool)

    @staticmethod
    def _drawn(counts: Floats, towards: Floats) -> Floats:
        total = counts + CLASS_STRENGTH * towards
        return np.asarray(total / total.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class KindsOfPeople:
    """The kinds of people as Dirichlet parameters, M x C x K x K, and their shares, M x C.

    Who is known elsewhere may be of a fourth kind: as there.
    """

    alpha: Floats
    shares: Floats
    elsewhere: Floats | None

    @classmethod
    def of(cls, answers: Answers, elsewhere: Elsewhere | None) -> "KindsOfPeople":
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
        shares = np.tile(SHARES, (people, 1))
        if elsewhere is None:
            return cls(alpha, shares, None)
        there = ~np.isnan(elsewhere.competent)
        again = np.where(there[:, None, None], STRENGTH * elsewhere.confusion, alpha[:, 0])
        same = np.where(there, AS_ELSEWHERE, 0.0)[:, None]
        return cls(
            np.concatenate([alpha, again[:, None]], axis=1),
            np.concatenate([(1 - same) * shares, same], axis=1),
            np.nan_to_num(elsewhere.competent),
        )

    def competent(self, kinds: Floats) -> Floats:
        """Return M: how probably each person is competent, here or as elsewhere."""
        if self.elsewhere is None:
            return kinds[:, 0]
        return np.asarray(kinds[:, 0] + kinds[:, 3] * self.elsewhere)

    def update(self, counts: Floats) -> tuple[Floats, Floats]:
        """Return confusion M x K x K and the probability of each kind M x C."""
        after = self.alpha + counts[:, None]
        evidence = (
            scipy.special.gammaln(self.alpha.sum(axis=3))
            - scipy.special.gammaln(after.sum(axis=3))
            + (scipy.special.gammaln(after) - scipy.special.gammaln(self.alpha)).sum(axis=3)
        ).sum(axis=2)
        with np.errstate(divide="ignore"):  # a kind that nobody can be has no share
            kinds = _softmax(evidence + np.log(self.shares))
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
        below = (kinds * scipy.special.betainc(a, b, middle[:, None])).sum(axis=1) < p
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def _log_prior(class_prior: Floats, item_prior: Floats | None) -> Floats:
    prior = class_prior
    if item_prior is not None:
        prior = np.where(np.isnan(item_prior), prior, item_prior)
    return np.asarray(np.log(np.clip(prior, 1e-6, 1.0)))


def _softmax(logits: Floats) -> Floats:
    # Columns are few: one at a time is four times as fast as NumPy's reductions along rows.
    top = reduce(np.maximum, logits.T)
    shifted = np.exp(logits - top[:, None])
    return np.asarray(shifted / (shifted @ np.ones(logits.shape[1]))[:, None])
