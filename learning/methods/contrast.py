"""Contrast: points that look like labelled ones, be it to doubt them or to find rare classes."""

import numpy as np
import numpy.typing as npt

from learning.methods.geometry import (
    BLOCK,
    Floats,
    Points,
    Positions,
    Rows,
    blocks,
    given,
    least,
    likelihoods,
)
from learning.methods.lots import Lots
from learning.methods.seeding import kmeans_plus_plus

CELLS = 2**21
TINY = 1e-12


def contrastive(
    embeddings: npt.ArrayLike,
    *,
    probabilities: npt.ArrayLike,
    known: npt.ArrayLike,
    known_probabilities: npt.ArrayLike,
    neighbours: int = 10,
) -> Floats:
    """Return N uncertainties by CAL (Margatina et al. 2021, *Active Learning by Acquiring
    Contrastive Examples*): near to labelled points in N x d ``embeddings``, far in N x C
    ``probabilities``.

    The mean of KL(p of the labelled point || p of this one) over the ``neighbours`` nearest of
    the L x d ``known`` points, whose probabilities by the same network are L x C. Probabilities
    under 1e-12 count as that. With nothing known nothing contrasts, and all are 0.

    >>> scores = contrastive([[0.0], [0.1]], probabilities=[[0.9, 0.1], [0.1, 0.9]],
    ...     known=[[0.0]], known_probabilities=[[0.9, 0.1]], neighbours=1)
    >>> scores.round(3).tolist()
    [0.0, 1.758]
    """
    pool = Points.of(embeddings)
    seen = given(known, pool=pool)
    found = likelihoods(probabilities, count=len(pool))
    theirs = likelihoods(known_probabilities, count=len(seen), name="known_probabilities")
    few = min(neighbours, len(seen))
    scores = np.zeros(len(pool))
    if few < 1:
        return scores
    if theirs.shape[1] != found.shape[1]:
        raise ValueError(
            f"known_probabilities have {theirs.shape[1]} classes, not {found.shape[1]}"
        )
    logs, entropies = _negated(theirs)
    for part in blocks(len(pool), block=min(BLOCK, max(1, CELLS // len(seen)))):
        apart = seen.squared(slice(None), pool.at(part))
        near = np.argpartition(apart, few - 1, axis=1)[:, :few]
        mean = logs[near].mean(axis=1)
        mine = np.log(np.maximum(found[part].astype(np.float64), TINY))
        scores[part] = np.maximum(entropies[near].mean(axis=1) - (mean * mine).sum(axis=1), 0.0)
    return scores


def _negated(probabilities: Rows) -> tuple[Floats, Floats]:
    """Return probabilities kept from 0, and the sums of p log p."""
    kept = np.maximum(probabilities.astype(np.float64), TINY)
    return kept, np.asarray((kept * np.log(kept)).sum(axis=1))


def anchors(
    embeddings: npt.ArrayLike,
    *,
    labelled: npt.ArrayLike,
    labels: npt.ArrayLike,
    per_class: int = 10,
    keep: int,
    rng: np.random.Generator,
) -> Positions:
    """Return the positions of a sub-pool around anchors of every class, for rare classes and huge
    pools (AnchorAL, Lesci & Vlachos 2024).

    Of the L x d ``labelled`` points with their L ``labels``, ``per_class`` of each class are drawn
    as anchors by k-means++. The classes take turns: each takes the point of the N x d pool that is
    nearest to one of its anchors and not taken yet, until ``keep`` are. (The paper averages over
    anchors across classes and so keeps most of the class that lies densest; turns keep the
    balance that it is after.) Distinct, in the order they were taken; ties are drawn.

    >>> anchors([[0.0], [0.2], [0.4], [9.0]], labelled=[[0.1], [8.0]], labels=["often", "rare"],
    ...     per_class=1, keep=2, rng=np.random.default_rng(0)).tolist()
    [0, 3]
    """
    pool = Points.of(embeddings)
    seen = given(labelled, pool=pool)
    classes = np.asarray(labels)
    if classes.shape != (len(seen),):
        raise ValueError(f"there must be one label for each of {len(seen)} labelled points")
    lots = rng.integers(2**64, size=len(pool), dtype=np.uint64)
    wanted = least(keep, pool=len(pool))
    turns = [
        _around(pool, _drawn(seen, classes == each, per_class, rng), keep=wanted, lots=lots)
        for each in np.unique(classes)
    ]
    if not turns or not wanted:
        return np.asarray(np.argsort(lots)[:wanted])
    places = np.concatenate([np.arange(len(turn)) for turn in turns])
    taken = np.concatenate(turns)[np.argsort(places, kind="stable")]
    _, begin = np.unique(taken, return_index=True)
    return np.asarray(taken[np.sort(begin)][:wanted])


def _drawn(
    seen: Points, mine: npt.NDArray[np.bool_], count: int, rng: np.random.Generator
) -> Points:
    rows = seen.at(np.flatnonzero(mine))
    return rows.at(kmeans_plus_plus(rows.rows, count=count, rng=rng))


def _around(pool: Points, centres: Points, *, keep: int, lots: Lots) -> Positions:
    """Return the positions nearest to some centres, nearest first, ties by lot."""
    apart = np.empty(len(pool), dtype=np.float32)
    for part in pool.parts():
        apart[part] = pool.squared(part, centres).min(axis=0)
    edge = np.partition(apart, keep - 1)[keep - 1] if keep else 0.0
    near = np.flatnonzero(apart <= edge)
    return np.asarray(near[np.lexsort((lots[near], apart[near]))][:keep])
