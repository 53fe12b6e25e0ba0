"""Selective prediction: from which confidence a network may answer alone, and when it may not.

A threshold is bought with gold: the share of wrong answers above it (Geifman & El-Yaniv 2017,
*Selective Classification for Deep Neural Networks*) is known only up to an exact bound (Clopper
& Pearson 1934), and taking the lowest of all thresholds that look good breaks the promise twice
as often as agreed. So a few are tried from the most confident down, and the first that fails
ends it: then the bound holds for whichever is chosen (fixed sequence testing; Angelopoulos,
Bates, Candes, Jordan & Lei 2021, *Learn then Test*). Where none holds, people are asked.

Shapes: N gold items with a ``confidence`` and whether the answer was ``correct``.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when first asked for: the web process stays light

Floats = npt.NDArray[np.float64]

RISK = 0.10
DELTA = 0.05
TRIES = 10


@dataclass(frozen=True)
class Rule:
    """Answer alone from ``threshold`` on (None: never), and what was seen on gold.

    ``answered`` is the share of items that are, ``risk`` their share of wrong answers, and
    ``bound`` what it exceeds with a probability of at most delta.
    """

    threshold: float | None
    answered: float
    risk: float | None
    bound: float | None
    gold: int


def risk_coverage(confidence: npt.ArrayLike, *, correct: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return coverage and risk when the N most confident are answered, one after another.

    Items that are equally confident share their mean, since nothing tells which comes first.

    >>> coverage, risk = risk_coverage([0.9, 0.8, 0.8], correct=[True, True, False])
    >>> coverage.round(2).tolist(), risk.round(2).tolist()
    ([0.33, 0.67, 1.0], [0.0, 0.25, 0.33])
    """
    sure, wrong = _ordered(confidence, correct)
    if not len(sure):
        return np.zeros(0), np.zeros(0)
    starts = np.flatnonzero(np.r_[True, np.diff(sure) != 0])
    sizes = np.diff(np.r_[starts, len(sure)])
    shared = np.repeat(np.add.reduceat(wrong, starts) / sizes, sizes)
    counts = np.arange(1, len(sure) + 1)
    return counts / len(sure), shared.cumsum() / counts


def aurc(confidence: npt.ArrayLike, *, correct: npt.ArrayLike) -> float | None:
    """Return the area under the risk-coverage curve; a blind order gives the mean error.

    >>> aurc([0.9, 0.1], correct=[True, False]), aurc([0.5, 0.5], correct=[True, False])
    (0.25, 0.5)
    """
    _, risk = risk_coverage(confidence, correct=correct)
    return float(risk.mean()) if len(risk) else None


def clopper_pearson(wrong: int, *, items: int, delta: float = DELTA) -> float:
    """Return the exact upper bound of a share, one-sided.

    >>> round(clopper_pearson(0, items=29), 3), clopper_pearson(3, items=3)
    (0.098, 1.0)
    """
    if wrong >= items:
        return 1.0
    return float(scipy.special.betaincinv(wrong + 1, items - wrong, 1.0 - delta))


def answer_alone(
    confidence: npt.ArrayLike,
    *,
    correct: npt.ArrayLike,
    risk: float = RISK,
    delta: float = DELTA,
) -> Rule:
    """Return from which confidence on the risk is at most ``risk``, up to ``delta``.

    >>> rng = np.random.default_rng(0)
    >>> sure = rng.random(2000)
    >>> rule = answer_alone(sure, correct=rng.random(2000) < sure, risk=0.1)
    >>> bool(0.75 < rule.threshold < 0.9), bool(rule.bound <= 0.1)
    (True, True)
    >>> answer_alone([0.9] * 20, correct=[True] * 20, risk=0.1).threshold is None
    True
    """
    if not 0.0 < risk < 1.0 or not 0.0 < delta < 1.0:
        raise ValueError("risk and delta lie between 0 and 1")
    sure, wrong = _ordered(confidence, correct)
    errors, best = wrong.cumsum(), None
    for items in _tries(sure, risk=risk, delta=delta):
        bound = clopper_pearson(int(errors[items - 1]), items=items, delta=delta)
        if bound > risk:
            break
        best = (items, bound)
    return _rule(best, sure, errors)


def _tries(sure: Floats, *, risk: float, delta: float) -> list[int]:
    """Return how many items to answer, ascending, from where no error at all would do.

    Equally confident items are answered together.
    """
    first = math.ceil(math.log(delta) / math.log(1.0 - risk))
    if first > len(sure):
        return []
    wanted = np.linspace(first, len(sure), TRIES).astype(np.int64)
    ends = np.flatnonzero(np.r_[np.diff(sure) != 0, True]) + 1
    return sorted(set(ends[np.searchsorted(ends, wanted)].tolist()))


def _rule(best: tuple[int, float] | None, sure: Floats, errors: Floats) -> Rule:
    if best is None:
        return Rule(None, 0.0, None, None, len(sure))
    items, bound = best
    share = float(errors[items - 1] / items)
    return Rule(float(sure[items - 1]), items / len(sure), share, bound, len(sure))


def _ordered(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> tuple[Floats, Floats]:
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.bool_)
    if len(sure) != len(right) or not np.isfinite(sure).all():
        raise ValueError("every item needs a finite confidence and whether it was right")
    order = np.argsort(-sure, kind="stable")
    return sure[order], (~right[order]).astype(np.float64)
