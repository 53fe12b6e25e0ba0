"""Acquisition: how uncertain a network is about each sample. Higher is asked sooner.

Every strategy maps N x K probabilities to N uncertainties; nothing in it knows languages,
since ranks are only ever taken inside one language. Equal uncertainties are ordered by a hash
of seed and id, never by position, so the order of the input cannot matter.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Strategy = Callable[[Floats], Floats]


def random(probabilities: Floats) -> Floats:
    """Find everything equally uncertain: the hash of seed and id then makes a uniform order.

    >>> random(np.array([[0.9, 0.1], [0.5, 0.5]])).tolist()
    [0.0, 0.0]
    """
    return np.zeros(len(probabilities))


def margin(probabilities: Floats) -> Floats:
    """Return 1 minus the gap between the two best classes (Scheffer et al. 2001).

    The strongest plain strategy for transformers (Schröder et al. 2021, *Revisiting
    Uncertainty-based Query Strategies*). With a single class nothing is in doubt.

    >>> margin(np.array([[0.5, 0.4, 0.1], [0.9, 0.1, 0.0]])).round(3).tolist()
    [0.9, 0.2]
    """
    return np.asarray(1.0 - gap(probabilities))


def least_confidence(probabilities: Floats) -> Floats:
    """Return 1 minus the best probability (Lewis & Gale 1994).

    >>> least_confidence(np.array([[0.75, 0.25], [1.0, 0.0]])).tolist()
    [0.25, 0.0]
    """
    return np.asarray(1.0 - probabilities.max(axis=1, initial=0.0))


def entropy(probabilities: Floats) -> Floats:
    """Return the entropy in nats (Shannon 1948; as acquisition, Dagan & Engelson 1995).

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    safe = np.where(probabilities > 0, probabilities, 1.0)
    return np.asarray(np.abs((probabilities * np.log(safe)).sum(axis=1)))


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {"margin": margin, "random": random, "least_confidence": least_confidence, "entropy": entropy}
)


def gap(probabilities: Floats) -> Floats:
    """Return best minus second-best probability; 1 where there is only one class.

    >>> gap(np.array([[0.5, 0.4, 0.1]])).round(3).tolist(), gap(np.array([[1.0]])).tolist()
    ([0.1], [1.0])
    """
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    best = np.partition(probabilities, -2, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


def lots(ids: Iterable[str], *, seed: int, purpose: str) -> npt.NDArray[np.uint64]:
    """Draw a lot for every id: a hash that looks uniform over seeds, apart for every purpose.

    >>> a, b = lots(["x", "y"], seed=1, purpose="ties"), lots(["y", "x"], seed=1, purpose="ties")
    >>> bool(a[0] == b[1]), bool(a[0] == lots(["x"], seed=2, purpose="ties")[0])
    (True, False)
    """
    start = hashlib.blake2b(f"{purpose}\0{seed}\0".encode(), digest_size=8)
    numbers = []
    for name in ids:
        lot = start.copy()
        lot.update(name.encode())
        numbers.append(int.from_bytes(lot.digest(), "big"))
    return np.array(numbers, dtype=np.uint64)


def ranking(uncertainty: Floats, *, ids: Sequence[str], seed: int) -> npt.NDArray[np.intp]:
    """Return positions from most to least uncertain, ties ordered by lot.

    >>> ranking(np.array([0.1, 0.9, 0.5]), ids=["a", "b", "c"], seed=0).tolist()
    [1, 2, 0]
    """
    if not np.isfinite(uncertainty).all():
        raise ValueError("an uncertainty must be a finite number")
    return np.asarray(np.lexsort((lots(ids, seed=seed, purpose="ties"), -uncertainty)))
