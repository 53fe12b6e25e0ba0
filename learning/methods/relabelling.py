"""Relabelling: which answers to ask again, and what the answers so far amount to, per language.

ActiveLab (Goh & Mueller 2023, *ActiveLab: Active Learning with Re-Labeling by Multiple
Annotators*) on top of CROWDLAB (Goh, Tkachenko & Mueller 2022): each person and the network get
a weight by how far they agree with the consensus beyond what always answering the commonest
class would, the weighted mean of their opinions is the posterior, and an item's score is the
posterior of its consensus, drawn towards chance where few have spoken. Low scores are asked
first.

One language at a time, always: a network that is good in a large language and bad in a small
one otherwise outvotes the speakers of the small one. Nothing of one language moves another's
weights.

Shapes: N items, M people, A answers, K labels, U items without an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST = 1e-6
TINY = 1e-30
# Temperatures beyond these say that the network knows nothing, or all.
HEATS = (float(np.log(0.1)), float(np.log(8.0)))


@dataclass(frozen=True, eq=False)
class LanguageAnswers:
    """A answers in one language as three columns, and what the network thinks of N items.

    ``probabilities`` is N x K, from a network that did not learn from these very answers;
    ``unanswered`` U x K is the same for items that nobody has answered yet.
    """

    item: npt.ArrayLike
    person: npt.ArrayLike
    label: npt.ArrayLike
    probabilities: npt.ArrayLike
    unanswered: npt.ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class Doubts:
    """What one language's answers amount to.

    ``consensus`` N labels; ``posterior`` N x K; ``quality`` N: how probable the consensus is;
    ``score`` N: ask the lowest again first; ``unanswered`` U: the same scale for items without
    an answer. ``model_weight`` and ``person_weight`` (M) say who was listened to.
    """

    consensus: Ints
    posterior: Floats
    quality: Floats
    score: Floats
    unanswered: Floats
    model_weight: float
    person_weight: Floats
    temperature: float


def doubts(languages: Mapping[str, LanguageAnswers]) -> dict[str, Doubts]:
    """Weigh every language by itself and return its doubts by tag.

    >>> said = LanguageAnswers(item=[0, 0, 1, 1], person=[0, 1, 0, 1], label=[0, 0, 1, 0],
    ...                        probabilities=[[0.9, 0.1], [0.2, 0.8]])
    >>> found = doubts({"wo": said})["wo"]
    >>> found.consensus.tolist(), bool(found.score[1] < found.score[0])
    ([0, 1], True)
    """
    return {tag: active_lab(languages[tag]) for tag in sorted(languages)}


def active_lab(said: LanguageAnswers, *, temperature: float | None = None) -> Doubts:
    """Score one language's items as ActiveLab does; an item without an answer is refused.

    Given the same temperature, scores equal those of cleanlab 2.9 to 1e-6. Its own temperature
    is another one: it counts an item's labels in order of appearance instead of by class.

    >>> said = LanguageAnswers(item=[0, 1], person=[0, 1], label=[0, 0],
    ...                        probabilities=[[0.9, 0.1], [0.2, 0.8]])
    >>> active_lab(said).score.round(2).tolist()
    [0.77, 0.3]
    """
    table, p = _table(said), _rows(said.probabilities)
    open_ = _rows(said.unanswered) if said.unanswered is not None else np.zeros((0, p.shape[1]))
    if (table.count == 0).any() or p.shape[0] != table.votes.shape[0]:
        raise ValueError("every item of a language needs one answer at least, and its row")
    if (table.count == 1).all():
        return _alone(table, p, open_)
    heat = _best_heat(table.votes, p) if temperature is None else temperature
    p, open_ = _reheated(p, heat), _reheated(open_, heat)
    first = _weighed(table, p, _majority(table, p))
    consensus = _best_of(first.posterior, _majority(table, p))
    final = _weighed(table, p, consensus)
    return _doubts(table, final, consensus, open_, heat)


@dataclass(frozen=True, eq=False)
class _Table:
    """The answers, counted: ``votes`` N x K, ``count`` N; and the columns themselves."""

    item: Ints
    person: Ints
    label: Ints
    votes: Floats
    count: Floats
    people: int


@dataclass(frozen=True, eq=False)
class _Weighed:
    """The posterior and the weights behind it."""

    posterior: Floats
    model: float
    person: Floats


def _table(said: LanguageAnswers) -> _Table:
    item, person, label = (
        np.asarray(column, dtype=np.int64) for column in (said.item, said.person, said.label)
    )
    if not len(item) == len(person) == len(label):
        raise ValueError("item, person and label need one entry an answer")
    n, k = _rows(said.probabilities).shape
    if len(item) and (item.max() >= n or label.max() >= k or min(item.min(), label.min()) < 0):
        raise ValueError("an answer names an item or a label that there is none of")
    votes = np.bincount(item * k + label, minlength=n * k).reshape(n, k).astype(np.float64)
    people = int(person.max()) + 1 if len(person) else 0
    return _Table(item, person, label, votes, votes.sum(axis=1), people)


def _rows(values: npt.ArrayLike) -> Floats:
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError("probabilities must be finite, one row an item")
    return rows


def _majority(table: _Table, p: Floats) -> Ints:
    """Break ties by the network, then the rarer label, then the better people, then the first."""
    tied = table.votes == table.votes.max(axis=1, keepdims=True)
    clear = tied.sum(axis=1) == 1
    plain = tied.argmax(axis=1)
    right = (table.label == plain[table.item]) & clear[table.item]
    heard = np.bincount(table.person, clear[table.item], minlength=table.people)
    good = np.bincount(table.person, right, minlength=table.people)
    with np.errstate(invalid="ignore"):
        trust = good / heard
    usual = np.nanmean(trust) if heard.any() else 0.0
    trust = np.where(heard > 0, trust, usual)
    totals = np.bincount(table.item * p.shape[1] + table.label, minlength=p.size)
    trusted = np.bincount(
        table.item * p.shape[1] + table.label, trust[table.person], minlength=p.size
    )
    mean_trust = (trusted / np.maximum(totals, 1)).reshape(p.shape)
    rarity = np.broadcast_to(-table.votes.sum(axis=0), p.shape)
    for value in (p, rarity, mean_trust):
        best = np.where(tied, value, -np.inf).max(axis=1, keepdims=True)
        tied = tied & (value == best)
    return np.asarray(tied.argmax(axis=1))


def _weighed(table: _Table, p: Floats, consensus: Ints) -> _Weighed:
    """Weigh people and network by what they add to always saying the commonest label."""
    k, several = p.shape[1], table.count > 1
    agreed = table.votes[np.arange(len(p)), consensus] / table.count
    sure = float(agreed[several].mean())
    known = consensus[several]
    blunt = max(float((known != np.bincount(known, minlength=k).argmax()).mean()), LEAST)
    person = np.maximum(1 - (1 - _agreement(table)) / blunt, LEAST)
    missed = float((p[several].argmax(axis=1) != known).mean())
    model = max(1 - missed / blunt, LEAST) * float(np.sqrt(table.count.mean()))
    weight = person[table.person]
    spoken = np.bincount(table.item * k + table.label, weight, minlength=p.size).reshape(p.shape)
    total = spoken.sum(axis=1, keepdims=True)
    other = (1 - sure) / max(k - 1, 1)
    posterior = (p * model + spoken * sure + (total - spoken) * other) / (total + model)
    return _Weighed(posterior, model, person)


def _agreement(table: _Table) -> Floats:
    """Return how often each person says what others on the same item say; the mean if alone."""
    others = table.count[table.item] - 1
    same = table.votes[table.item, table.label] - 1
    met = np.bincount(table.person, others, minlength=table.people)
    agreed = np.bincount(table.person, same, minlength=table.people)
    share = agreed / np.maximum(met, 1)
    return np.asarray(np.where(met > 0, share, share[met > 0].mean()))


def _best_of(posterior: Floats, majority: Ints) -> Ints:
    top = posterior == posterior.max(axis=1, keepdims=True)
    return np.asarray(np.where(top.sum(axis=1) == 1, posterior.argmax(axis=1), majority))


def _doubts(table: _Table, final: _Weighed, consensus: Ints, open_: Floats, heat: float) -> Doubts:
    usual, k = float(final.person.mean()), final.posterior.shape[1]
    quality = final.posterior[np.arange(len(consensus)), consensus]
    spoken = np.bincount(table.item, final.person[table.person], minlength=len(quality))
    heard = spoken.astype(np.float64) + final.model
    return Doubts(
        consensus=consensus,
        posterior=final.posterior,
        quality=quality,
        score=(quality * heard + usual / k) / (heard + usual),
        unanswered=_untouched(open_, model=final.model, usual=usual),
        model_weight=final.model,
        person_weight=final.person,
        temperature=heat,
    )


def _untouched(p: Floats, *, model: float, usual: float) -> Floats:
    best = p.max(axis=1, initial=0.0)
    return np.asarray((best * model + usual / p.shape[1]) / (model + usual))


def _alone(table: _Table, p: Floats, open_: Floats) -> Doubts:
    """Nobody met anybody: people and network weigh 1 each, the network judges the answers."""
    consensus = table.votes.argmax(axis=1)
    final = _Weighed(p, 1.0, np.ones(table.people))
    return _doubts(table, final, consensus, open_, 1.0)


def _best_heat(votes: Floats, p: Floats) -> float:
    """Return the temperature under which the network best foresees the answers."""
    shares = votes / votes.sum(axis=1, keepdims=True)

    def loss(log_heat: float) -> float:
        return float(-(shares * np.log(_reheated(p, np.exp(log_heat)))).sum(axis=1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=HEATS, method="bounded").x))


def _reheated(p: Floats, heat: float) -> Floats:
    safe = np.maximum(p, TINY)
    heated = np.exp(np.log(safe / safe.sum(axis=1, keepdims=True)) / heat)
    return np.asarray(np.maximum(heated / heated.sum(axis=1, keepdims=True), TINY))
