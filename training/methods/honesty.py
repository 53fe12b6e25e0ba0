"""Honesty: does a candidate's confidence lie further from the truth than the champion's?

The gap of a version among items is its mean confidence less its accuracy; what a version's
calibration error (ECE) adds up are the sizes of its gaps. Estimating two errors and taking one from
the other fails where both are small: noise makes each error look large, the better version's
more so, and a rise disappears in the difference. What is known well is how far each gap *moved*,
since only answers that changed bring noise into it. The error can rise by no more than gaps
move, and by less where the champion's own gap is known to lie on the other side.

Items are cut at the median of the two versions' mean confidence, so that both gaps of a part are
over the same items; the bound comes from a bootstrap over items. That the bound errs on the
safe side is by construction and was simulated (``python -m benchmarks.gate``).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when first asked for: the web process stays light

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

DRAWS = 1000
# So many standard deviations a champion's gap may lie elsewhere than it seems.
SURE = 1.0
ALPHA = 0.05


@dataclass(frozen=True)
class Rise:
    """By how much the calibration error rose: estimate, a bound below and above, and both errors."""

    value: float
    low: float
    high: float
    old: float
    new: float


@dataclass(frozen=True)
class Sure:
    """N answers: right or not, and the confidence of each."""

    right: BoolArray
    confidence: FloatArray

    @property
    def gap(self) -> FloatArray:
        """Confidence less the truth, item by item."""
        return self.confidence - self.right


def error_rise(
    old: Sure,
    new: Sure,
    *,
    rng: np.random.Generator,
    languages: int = 1,
    alpha: float = ALPHA,
    draws: int = DRAWS,
) -> Rise:
    """Bound the rise of the calibration error from one version to the next, on the same N items.

    Both bounds may err with the risk ``alpha`` of this look. The one above holds for this language
    alone; the one below for all ``languages`` at once, so that a rise that is shown is no accident
    of having looked at many.

    >>> rng = np.random.default_rng(0)
    >>> right = np.arange(1000) % 10 < 7
    >>> honest, boastful = Sure(right, np.full(1000, 0.7)), Sure(right, np.full(1000, 0.9))
    >>> rise = error_rise(honest, boastful, rng=rng)
    >>> round(rise.value, 1), round(rise.high, 2), error_rise(honest, honest, rng=rng).high
    (0.2, 0.21, 0.0)
    """
    items = len(old.right)
    key = old.confidence + new.confidence
    upper = key > np.median(key)
    halves = np.stack([~upper, upper]).astype(np.float64)
    weights = _draws(items, draws, int(rng.integers(1 << 32)))
    gaps = np.stack([weights @ (halves * one.gap).T for one in (old, new)]) / items
    before, moved = gaps[0], gaps[1] - gaps[0]
    spread = before[1:].std(axis=0)
    worst = _risen(before + SURE * spread * np.sign(moved), moved).sum(axis=1)
    plain = _risen(before, moved).sum(axis=1)
    # The estimate as it is. Noise makes sizes larger than they are, of both versions alike; taking
    # that off by what the draws add once more doubles the noise of the estimate, which the spread
    # of the draws does not tell: equal candidates were held three times as often as allowed.
    value = plain[0]
    below = -float(scipy.special.ndtri(alpha / max(languages, 1))) * plain[1:].std()
    return Rise(
        value=float(value),
        low=float(value - below),
        high=float(worst[0] - float(scipy.special.ndtri(alpha)) * worst[1:].std()),
        old=float(np.abs(gaps[0, 0]).sum()),
        new=float(np.abs(gaps[1, 0]).sum()),
    )


def items_to_judge(
    churn: float,
    *,
    bound: float,
    languages: int = 1,
    alpha: float = ALPHA,
    power: float = 0.8,
) -> int:
    """Return how many gold items show, in every language alike, that an equal model is as honest.

    The gap must be shown to have moved by less than the bound both ways.

    >>> [items_to_judge(d, bound=0.02) for d in (0.05, 0.10)]
    [1071, 2141]
    >>> items_to_judge(0.05, bound=0.02, languages=12)
    2002
    """
    each = power ** (1 / max(languages, 1))
    z = float(scipy.special.ndtri((1 + each) / 2) - scipy.special.ndtri(alpha))
    return math.ceil(churn * z**2 / bound**2)


@lru_cache(maxsize=1)
def _draws(items: int, draws: int, seed: int) -> FloatArray:
    """Return how often each item counts: once each, and then in every bootstrap draw."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(items, np.full(items, 1 / items), draws)
    return np.vstack([np.ones(items), drawn])


def _risen(before: FloatArray, moved: FloatArray) -> FloatArray:
    return np.asarray(np.abs(before + moved) - np.abs(before))
