"""Sequences: how uncertain a network is about a sentence whose every token has a label.

Sentences are ragged: the tokens of all of them stand one after the other, and ``lengths`` says
how many belong to each. A sum over tokens would ask for long sentences whatever they hold, so
everything here is a mean; what a sentence costs is a matter of the budget, which is counted in
tokens or seconds.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.disagreement import bald
from learning.methods.lots import Lots

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]


def mnlp(probabilities: npt.NDArray[Any], *, lengths: npt.ArrayLike) -> Floats:
    """Return the mean negative log-probability of each sentence's most likely labels.

    Maximum normalized log-probability (Shen et al. 2018, *Deep Active Learning for Named Entity
    Recognition*), turned round so that higher is asked sooner. ``probabilities`` are tokens x K;
    a sentence without tokens leaves nothing in doubt.

    >>> sure, torn = [1.0, 0.0], [0.5, 0.5]
    >>> mnlp(np.array([torn, sure, sure, torn]), lengths=[1, 3]).round(3).tolist()
    [0.693, 0.231]
    """
    best = np.asarray(probabilities).max(axis=1, initial=0.0).astype(np.float64)
    with np.errstate(divide="ignore"):
        return mnlp_of(np.log(best), lengths=lengths)


def mnlp_of(log_probabilities: npt.NDArray[Any], *, lengths: npt.ArrayLike) -> Floats:
    """Return the same from the log-probability of each token's label on the best path.

    That is what a decoder over whole sentences, such as a conditional random field, can tell.

    >>> mnlp_of(np.log([0.5, 0.25]), lengths=[2]).round(3).tolist()
    [1.04]
    """
    found = _means(-np.asarray(log_probabilities, dtype=np.float64), lengths=lengths)
    return np.maximum(found, 0.0)


def token_bald(mc: npt.NDArray[Any], *, lengths: npt.ArrayLike) -> Floats:
    """Return the mean disagreement over each sentence's tokens (Houlsby et al. 2011; Shen et al. 2018).

    ``mc`` is tokens x T x K: T passes with dropout, or the members of an ensemble.

    >>> torn, agreed = [[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]
    >>> token_bald(np.array([torn, agreed, torn]), lengths=[2, 1]).round(3).tolist()
    [0.347, 0.693]
    """
    return _means(bald(mc), lengths=lengths)


def within_budget(
    scores: npt.ArrayLike,
    *,
    costs: npt.ArrayLike,
    budget: float,
    per_cost: bool = False,
    lots: Lots | None = None,
) -> Positions:
    """Pick from the highest score on whatever still fits; the sum of costs never exceeds the budget.

    With ``per_cost`` it is score per cost that ranks, and the better of that batch and of the
    single best sample is taken, which is at least half of what any batch of that budget is worth
    (Dantzig 1957; with BALD as the score, the setting of KnapsackBALD). Equals go by lot.

    >>> within_budget([0.9, 0.8, 0.7], costs=[10, 2, 1], budget=10).tolist()
    [0]
    >>> within_budget([0.9, 0.8, 0.7], costs=[10, 2, 1], budget=10, per_cost=True).tolist()
    [2, 1]
    """
    worth, price = np.asarray(scores, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    _check(worth, price, budget)
    drawn = np.zeros(len(worth), dtype=np.uint64) if lots is None else lots
    key = information_per_cost(worth, costs=price) if per_cost else worth
    order = np.lexsort((drawn, -key))
    picks = _greedy(order, price=price, budget=budget)
    if per_cost and len(picks):
        fits = np.flatnonzero(price <= budget)
        single = fits[np.lexsort((drawn[fits], -worth[fits]))[:1]]
        if worth[single].sum() > worth[picks].sum():
            picks = _greedy(np.r_[single, order[order != single]], price=price, budget=budget)
    return picks


def information_per_cost(scores: npt.ArrayLike, *, costs: npt.ArrayLike) -> Floats:
    """Return what each sample is worth for a second, or a token, of somebody's time.

    >>> information_per_cost([1.0, 1.0], costs=[2.0, 4.0]).tolist()
    [0.5, 0.25]
    """
    return np.asarray(scores, dtype=np.float64) / np.asarray(costs, dtype=np.float64)


def _greedy(order: Positions, *, price: Floats, budget: float) -> Positions:
    """Take in order what fits; once nothing can fit any more, stop looking."""
    left, picks = budget, []
    cheapest = np.minimum.accumulate(price[order][::-1])[::-1] if len(order) else price
    for place, at in enumerate(order.tolist()):
        if cheapest[place] > left:
            break
        if price[at] <= left:
            picks.append(at)
            left -= float(price[at])
    return np.array(picks, dtype=np.intp)


def _means(values: Floats, *, lengths: npt.ArrayLike) -> Floats:
    """Return the mean over each sentence; 0 for one without tokens."""
    counts = np.asarray(lengths, dtype=np.int64)
    if counts.ndim != 1 or (counts < 0).any() or counts.sum() != len(values):
        raise ValueError(
            f"the lengths of the sentences make {counts.sum()} tokens, but there are {len(values)}"
        )
    found = np.zeros(len(counts))
    full = np.flatnonzero(counts)
    if len(full):
        starts = (np.cumsum(counts) - counts)[full]
        found[full] = np.add.reduceat(values, starts) / counts[full]
    return found


def _check(worth: Floats, price: Floats, budget: float) -> None:
    if worth.shape != price.shape or worth.ndim != 1:
        raise ValueError("every score needs a cost")
    if not np.isfinite(worth).all() or not np.isfinite(price).all() or (price <= 0).any():
        raise ValueError("scores must be finite, costs finite and more than 0")
    if not budget >= 0:
        raise ValueError("a budget cannot be negative")
