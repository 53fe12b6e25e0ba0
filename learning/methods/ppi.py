"""Prediction-powered inference: a mean from few gold items and many items that people answered.

Labels that answers were aggregated into are biased as a measure, but they move with the truth.
PPI++ (Angelopoulos, Duchi & Zrnic 2023) takes the mean of the cheap measure f over the many,
corrects it by what f misses on gold, and trusts f just as far as that narrows the interval:

    theta = lambda mean_rest(f) + mean_gold(g - lambda f)

Where f hardly moves with g, or gold is scarce, lambda is 0 and the gold mean remains (Mani et
al. 2025 on when it pays). On gold items f must come from answers alone, as if the item were not
gold; else the correction corrects nothing.

Shapes: n gold items with the true measure g and the cheap one f, N further items with f.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from learning.methods.metrics import Estimate

Floats = npt.NDArray[np.float64]

LEAST_GOLD = 20


@dataclass(frozen=True)
class Powered:
    """The estimate with its 95 % interval, how far the cheap measure was trusted, and its worth.

    ``worth`` is how many times more gold alone would be needed for the same interval.
    """

    estimate: Estimate
    trust: float
    correlation: float
    worth: float
    rest: int


def powered_mean(gold: npt.ArrayLike, *, proxy: npt.ArrayLike, rest: npt.ArrayLike) -> Powered:
    """Return the mean of the true measure over all items.

    >>> rng = np.random.default_rng(0)
    >>> f = rng.random(2100)
    >>> g = (rng.random(2100) < f).astype(float)
    >>> found = powered_mean(g[:100], proxy=f[:100] - 0.1, rest=f[100:] - 0.1)
    >>> bool(abs(found.estimate.value - 0.5) < 0.08), bool(found.worth > 1.1)
    (True, True)
    >>> powered_mean(g[:19], proxy=f[:19], rest=f[100:]).trust
    0.0
    """
    g, f, others = (np.asarray(values, dtype=np.float64) for values in (gold, proxy, rest))
    if len(g) != len(f) or not len(g):
        raise ValueError("every gold item needs both measures, and there must be one")
    if not all(np.isfinite(values).all() for values in (g, f, others)):
        raise ValueError("a measure must be a finite number")
    correlation = _correlation(g, f)
    trust = _trust(g, f, others) if _pays(len(g), len(others), correlation) else 0.0
    value = trust * (others.mean() if trust else 0.0) + float((g - trust * f).mean())
    alone = _variance(g) / len(g)
    variance = _variance(g - trust * f) / len(g)
    variance += trust**2 * _variance(others) / max(len(others), 1)
    half = float(student.ppf(0.975, max(len(g) - 1, 1))) * math.sqrt(variance)
    estimate = Estimate(float(value), float(value - half), float(value + half), len(g))
    worth = alone / variance if variance > 0 else 1.0
    return Powered(estimate, trust, correlation, worth, len(others))


def _pays(n: int, others: int, correlation: float) -> bool:
    return n >= LEAST_GOLD and others > 1 and correlation >= 1.0 / math.sqrt(n - 2)


def _trust(g: Floats, f: Floats, others: Floats) -> float:
    """Return the lambda with the least variance, between 0 and 1."""
    spread = _variance(np.concatenate([f, others])) * (1.0 + len(g) / len(others))
    if spread <= 0:
        return 0.0
    return float(np.clip(np.cov(g, f)[0, 1] / spread, 0.0, 1.0))


def _correlation(g: Floats, f: Floats) -> float:
    if len(g) < 2 or g.std() == 0 or f.std() == 0:
        return 0.0
    return float(np.corrcoef(g, f)[0, 1])


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0
