"""Acquisition: how uncertain a network is about each sample. Higher is asked sooner.

Every strategy maps N x K probabilities to N uncertainties; nothing in it knows languages,
since ranks are only ever taken inside one language. Equal uncertainties are ordered by a hash
of seed and id, never by position, so the order of the input cannot matter. Numbers keep their
type, so that what is streamed from a float32 file equals what is computed in memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.lots import Lots, lots, uniforms

__all__ = [
    "COLDNESS",
    "STRATEGIES",
    "entropy",
    "gap",
    "gumbel",
    "least_confidence",
    "lots",
    "margin",
    "order_of",
    "power",
    "random",
    "ranking",
]

Floats = npt.NDArray[np.floating[Any]]
Positions = npt.NDArray[np.intp]
Strategy = Callable[[Floats], Floats]

# So many rows at a time stay in the processor's cache, column by column.
BLOCK = 16_384
# How closely the stochastic variants keep to the ranking; the published value is 1 for power.
COLDNESS: Mapping[str, float] = MappingProxyType({"power": 1.0, "gumbel": 8.0})


def random(probabilities: Floats) -> Floats:
    """Find everything equally uncertain: the hash of seed and id then makes a uniform order.

    >>> random(np.array([[0.9, 0.1], [0.5, 0.5]])).tolist()
    [0.0, 0.0]
    """
    return np.zeros(len(probabilities), dtype=probabilities.dtype)


def margin(probabilities: Floats) -> Floats:
    """Return 1 minus the gap between the two best classes (Scheffer et al. 2001).

    The strongest plain strategy for transformers (Schröder et al. 2021, *Revisiting
    Uncertainty-based Query Strategies*). With a single class nothing is in doubt.

    >>> margin(np.array([[0.5, 0.4, 0.1], [0.9, 0.1, 0.0]])).round(3).tolist()
    [0.9, 0.2]
    """
    return np.asarray(1 - gap(probabilities))


def least_confidence(probabilities: Floats) -> Floats:
    """Return 1 minus the best probability (Lewis & Gale 1994).

    >>> least_confidence(np.array([[0.75, 0.25], [1.0, 0.0]])).tolist()
    [0.25, 0.0]
    """
    found = np.empty(len(probabilities), dtype=probabilities.dtype)
    for rows, columns in _by_column(probabilities):
        found[rows] = 1 - np.maximum.reduce(columns, axis=0)
    return found


def entropy(probabilities: Floats) -> Floats:
    """Return the entropy in nats (Shannon 1948; as acquisition, Dagan & Engelson 1995).

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    found = np.empty(len(probabilities), dtype=probabilities.dtype)
    for rows, columns in _by_column(probabilities):
        logs = np.log(np.where(columns > 0, columns, 1))
        found[rows] = np.abs(np.add.reduce(columns * logs, axis=0))
    return found


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {"margin": margin, "random": random, "least_confidence": least_confidence, "entropy": entropy}
)


def gap(probabilities: Floats) -> Floats:
    """Return best minus second-best probability; 1 where there is only one class.

    >>> gap(np.array([[0.5, 0.4, 0.1]])).round(3).tolist(), gap(np.array([[1.0]])).tolist()
    ([0.1], [1.0])
    """
    found = np.ones(len(probabilities), dtype=probabilities.dtype)
    if probabilities.shape[1] < 2:
        return found
    for rows, columns in _by_column(probabilities):
        best, second = np.maximum(columns[0], columns[1]), np.minimum(columns[0], columns[1])
        for column in columns[2:]:
            np.maximum(second, np.minimum(best, column), out=second)
            np.maximum(best, column, out=best)
        found[rows] = best - second
    return found


def power(uncertainty: Floats, *, lots: Lots, coldness: float = COLDNESS["power"]) -> Floats:
    """Perturb uncertainties so that their top k is a draw with chances ~ uncertainty ^ coldness.

    The log of the uncertainty plus Gumbel noise (Kirsch et al. 2023, *Stochastic Batch
    Acquisition*): a batch then spreads over what is uncertain instead of sitting on one spot.
    What is not uncertain at all comes last. ``lots`` are those of the ids: the noise is a
    function of seed and id.

    >>> from learning.methods.lots import lots as lots_of
    >>> noise = lots_of("abc", seed=0, purpose="noise")
    >>> power(np.array([0.0, 1.0, 0.5]), lots=noise).round(2).tolist()[0]
    -1e+300
    """
    if (np.asarray(uncertainty) < 0).any():
        raise ValueError("power needs uncertainties of 0 or more; use gumbel for others")
    certain = uncertainty <= 0
    logs = np.log(np.where(certain, 1.0, uncertainty).astype(np.float64))
    return np.asarray(np.where(certain, -1e300, coldness * logs + _noise(lots)))


def gumbel(uncertainty: Floats, *, lots: Lots, coldness: float = COLDNESS["gumbel"]) -> Floats:
    """Perturb uncertainties so that their top k is a draw with chances ~ exp(coldness x).

    Softmax acquisition by the Gumbel trick (Kool et al. 2019; Kirsch et al. 2023).

    >>> from learning.methods.lots import lots as lots_of
    >>> noise = lots_of("ab", seed=0, purpose="noise")
    >>> apart = gumbel(np.array([0.3, 0.8]), lots=noise) - gumbel(np.array([0.0, 0.0]), lots=noise)
    >>> apart.round(3).tolist()
    [2.4, 6.4]
    """
    return np.asarray(coldness * np.asarray(uncertainty, dtype=np.float64) + _noise(lots))


def ranking(uncertainty: Floats, *, ids: Sequence[str], seed: int) -> Positions:
    """Return positions from most to least uncertain, ties ordered by lot.

    >>> ranking(np.array([0.1, 0.9, 0.5]), ids=["a", "b", "c"], seed=0).tolist()
    [1, 2, 0]
    """
    return order_of(uncertainty, lots=lots(ids, seed=seed, purpose="ties"))


def order_of(uncertainty: Floats, *, lots: Lots) -> Positions:
    """Return positions from most to least uncertain; the smaller lot goes first among equals.

    >>> order_of(np.array([0.5, 0.9, 0.5]), lots=np.array([7, 1, 3], dtype=np.uint64)).tolist()
    [1, 2, 0]
    """
    if not np.isfinite(uncertainty).all():
        raise ValueError("an uncertainty must be a finite number")
    return np.asarray(np.lexsort((lots, -uncertainty)))


def _noise(lots: Lots) -> npt.NDArray[np.float64]:
    """Return standard Gumbel noise."""
    return np.asarray(-np.log(-np.log(uniforms(lots))))


def _by_column(rows: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield slices of rows and their K columns: few classes are quickest column by column."""
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        yield part, np.ascontiguousarray(rows[part].T)
