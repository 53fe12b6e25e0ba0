"""Conformal sets: all labels that a network cannot rule out, so that the truth is among them as
often as promised, in every language and not only on average.

A threshold that is right over all languages together (Vovk, Gammerman & Shafer 2005) leaves a
quarter of the languages short of the promise. Here each language has its own (*Mondrian*; Vovk
2003): with n gold items that are exchangeable with its traffic, coverage is at least the level,
exactly. Few items make that threshold restless, so it leans on others by so many
pseudo-observations of a pool in which every language counts the same; such a threshold promises
nothing exact and is called approximate below 100 items. Below ceil(1 / (1 - level)) - 1 items
the set is everything.

Shapes: N items, K labels; a nonconformity is high where a label does not fit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEVEL = 0.90
PSEUDO = 20.0
EXACT_FROM = 100
# So many quantiles of each language stand for it in the pool.
GRAIN = 50


@dataclass(frozen=True)
class SetRule:
    """A label is in the set if its nonconformity is at most ``threshold``; inf: every label."""

    threshold: float
    level: float
    gold: int
    approximate: bool


def lac(probabilities: npt.ArrayLike) -> Floats:
    """Return N x K nonconformities 1 - p (Sadinle, Lei & Wasserman 2019): the smallest sets.

    >>> lac([[0.75, 0.25]]).tolist()
    [[0.25, 0.75]]
    """
    return np.asarray(1.0 - np.asarray(probabilities, dtype=np.float64))


def raps(
    probabilities: npt.ArrayLike,
    *,
    penalty: float = 0.01,
    free: int = 1,
    rng: np.random.Generator | None = None,
) -> Floats:
    """Return N x K regularised adaptive nonconformities (Angelopoulos et al. 2021, RAPS).

    The mass of all labels at least as likely, and a penalty for each rank beyond ``free``; with
    ``rng`` a label's own mass is taken at random in part (Romano, Sesia & Candes 2020), which
    makes coverage exact. Sets grow where a text is hard instead of missing it altogether.

    >>> raps([[0.7, 0.2, 0.1]], penalty=0.05).round(2).tolist()
    [[0.7, 0.95, 1.1]]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-p, axis=1, kind="stable")
    sorted_ = np.take_along_axis(p, order, axis=1)
    mass = sorted_.cumsum(axis=1)
    if rng is not None:
        mass = mass - rng.random((len(p), 1)) * sorted_
    mass = mass + penalty * np.maximum(np.arange(1, p.shape[1] + 1) - free, 0)
    told: Floats = np.empty(mass.shape)
    np.put_along_axis(told, order, mass, axis=1)
    return told


def of_truth(nonconformity: Floats, *, truth: npt.ArrayLike) -> Floats:
    """Return the N nonconformities of the true labels.

    >>> of_truth(np.array([[0.1, 0.9]]), truth=[1]).tolist()
    [0.9]
    """
    return np.asarray(nonconformity[np.arange(len(nonconformity)), np.asarray(truth, np.int64)])


def least_gold(level: float = LEVEL) -> int:
    """Return below how many gold items nothing but the set of all labels keeps the promise.

    >>> least_gold(0.9), least_gold(0.95)
    (9, 19)
    """
    return math.ceil(round(1.0 / (1.0 - level), 9)) - 1


def mondrian(gold: Mapping[str, npt.ArrayLike], *, level: float = LEVEL) -> dict[str, SetRule]:
    """Return each language's own rule from the nonconformities of its gold; exact for any n.

    >>> rules = mondrian({"wo": np.arange(9) / 10, "qu": [0.1]})
    >>> rules["wo"].threshold, rules["qu"].threshold
    (0.8, inf)
    """
    return {
        tag: SetRule(
            _quantile(_sorted(gold[tag]), level=level), level, len(_sorted(gold[tag])), False
        )
        for tag in sorted(gold)
    }


def weighted(
    gold: Mapping[str, npt.ArrayLike], *, level: float = LEVEL, pseudo: float = PSEUDO
) -> dict[str, SetRule]:
    """Return each language's rule, leaning on the pool by ``pseudo`` observations.

    >>> rng = np.random.default_rng(0)
    >>> rules = weighted({"wo": rng.random(1000), "qu": rng.random(20), "aa": []})
    >>> [(tag, round(rule.threshold, 1), rule.approximate) for tag, rule in rules.items()]
    [('aa', inf, True), ('qu', 0.9, True), ('wo', 0.9, False)]
    """
    sizes = {tag: len(_sorted(gold[tag])) for tag in sorted(gold)}
    grid = (np.arange(GRAIN) + 0.5) / GRAIN
    stand_ins = [np.quantile(_sorted(gold[tag]), grid) for tag, n in sizes.items() if n]
    pool = np.concatenate(stand_ins) if stand_ins else np.zeros(0)
    return {
        tag: SetRule(
            _leaning(_sorted(gold[tag]), pool=pool, level=level, pseudo=pseudo)
            if n >= least_gold(level)
            else math.inf,
            level,
            n,
            n < EXACT_FROM,
        )
        for tag, n in sizes.items()
    }


def label_sets(nonconformity: Floats, *, threshold: float) -> Bools:
    """Return N x K: which labels are in each item's set.

    >>> label_sets(np.array([[0.1, 0.95]]), threshold=0.9).tolist()
    [[True, False]]
    """
    return np.asarray(nonconformity <= threshold)


def _sorted(values: npt.ArrayLike) -> Floats:
    numbers = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not np.isfinite(numbers).all():
        raise ValueError("a nonconformity must be a finite number")
    return numbers


def _quantile(ordered: Floats, *, level: float) -> float:
    place = math.ceil(round((len(ordered) + 1) * level, 9))
    return float(ordered[place - 1]) if place <= len(ordered) else math.inf


def _leaning(own: Floats, *, pool: Floats, level: float, pseudo: float) -> float:
    """Return the weighted quantile; what is still to come counts as one more, as without pool."""
    values = np.concatenate([own, pool])
    weights = np.concatenate([np.ones(len(own)), np.full(len(pool), pseudo / max(len(pool), 1))])
    order = np.argsort(values, kind="stable")
    reached = weights[order].cumsum()
    place = int(np.searchsorted(reached, (len(own) + pseudo + 1) * level - 1e-9))
    return float(values[order][place]) if place < len(values) else math.inf
