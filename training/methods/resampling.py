"""Resampling: differences of any metric between two versions on the same items, with BCa bounds.

For metrics that no table of right and wrong tells, such as F1, items (or clusters of items that
are translations of one another) are drawn with replacement, both versions on the same draws. The
bounds are bias-corrected and accelerated (Efron 1987); the acceleration comes from the jackknife
over clusters. A metric is a function of weights: how often each item was drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when first asked for: the web process stays light

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# From B x N weights of items to B differences.
Statistic = Callable[[FloatArray], FloatArray]

DRAWS = 9_999
BLOCK = 1 << 22


@dataclass(frozen=True)
class Resampled:
    """A difference, its draws in order, and what corrects them."""

    value: float
    draws: FloatArray
    bias: float
    acceleration: float

    def bound(self, level: float) -> float:
        """Return the value below which the true difference lies with this probability."""
        reach = self.bias + float(scipy.special.ndtri(level))
        place = float(scipy.special.ndtr(self.bias + reach / (1 - self.acceleration * reach)))
        return float(np.quantile(self.draws, min(max(place, 0.0), 1.0)))

    def p_not_above(self, value: float) -> float:
        """Return the one-sided p of "the true difference is ``value`` or less"."""
        return float(scipy.special.ndtr(self._standing(value)))

    def p_not_below(self, value: float) -> float:
        """Return the one-sided p of "the true difference is ``value`` or more"."""
        return float(scipy.special.ndtr(-self._standing(value)))

    @property
    def spread(self) -> float:
        """The standard deviation of the draws."""
        return float(self.draws.std())

    def _standing(self, value: float) -> float:
        # Ties count half, and nothing is ever certain.
        below = (self.draws < value).sum() + 0.5 * (self.draws == value).sum()
        place = float(scipy.special.ndtri((below + 0.5) / (len(self.draws) + 1))) - self.bias
        return place / (1 + self.acceleration * place) - self.bias


def resample(
    statistic: Statistic,
    *,
    groups: Sequence[str],
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Resampled:
    """Resample N items; those that share a group that is not empty are drawn together.

    >>> change = np.array([1.0] * 30 + [-1.0] * 10 + [0.0] * 160)
    >>> found = resample(
    ...     lambda w: w @ change / w.sum(axis=1),
    ...     groups=[""] * 200,
    ...     rng=np.random.default_rng(0),
    ... )
    >>> found.value, bool(0.03 < found.bound(0.05) < 0.06), bool(found.p_not_above(0.0) < 0.01)
    (0.1, True, True)
    """
    home = _clusters(groups)
    clusters = int(home.max(initial=-1)) + 1
    if clusters < 1:
        raise ValueError("there are no items to draw")
    value = float(statistic(np.ones((1, len(home))))[0])
    rows = max(1, BLOCK // max(len(home), 1))
    chances = np.full(clusters, 1 / clusters)
    parts = [
        statistic(
            rng.multinomial(clusters, chances, min(rows, draws - start)).astype(np.float64)[:, home]
        )
        for start in range(0, draws, rows)
    ]
    drawn = np.sort(np.concatenate(parts))
    below = float((drawn < value).mean() + 0.5 * (drawn == value).mean())
    bias = float(scipy.special.ndtri(min(max(below, 0.5 / draws), 1 - 0.5 / draws)))
    return Resampled(value, drawn, bias, _acceleration(statistic, home, clusters))


def f1_counts(label: npt.ArrayLike, *, gold: npt.ArrayLike, classes: int) -> FloatArray:
    """Return N x K x 3 counts of hits, answers and truths: what macro-F1 is made of.

    >>> f1_counts([1], gold=[0], classes=2)[0].tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    said = np.eye(classes)[np.asarray(label, np.int64)]
    true = np.eye(classes)[np.asarray(gold, np.int64)]
    return np.stack([said * true, said, true], axis=2)


def f1_difference(old: FloatArray, new: FloatArray) -> Statistic:
    """Return the difference of mean F1 between two tables of N x K x 3 counts.

    With K classes that is macro-F1; for spans let each item's row hold its matching, marked and
    true spans, K = 1 for the plain span F1. A class counts where it occurs.

    >>> gold = [0, 0, 1, 1]
    >>> tables = [f1_counts(said, gold=gold, classes=2) for said in ([0, 1, 1, 1], gold)]
    >>> round(float(f1_difference(*tables)(np.ones((1, 4)))[0]), 3)
    0.267
    """

    def statistic(weights: FloatArray) -> FloatArray:
        return _mean_f1(weights, new) - _mean_f1(weights, old)

    return statistic


def _mean_f1(weights: FloatArray, counts: FloatArray) -> FloatArray:
    items, classes, _ = counts.shape
    sums = (weights @ counts.reshape(items, -1)).reshape(-1, classes, 3)
    seen = sums[:, :, 1] + sums[:, :, 2]
    f1 = 2 * sums[:, :, 0] / np.maximum(seen, 1e-12)
    return np.asarray(f1.sum(axis=1) / np.maximum((seen > 0).sum(axis=1), 1))


def _clusters(groups: Sequence[str]) -> IntArray:
    names = [(group and f"g{group}") or f"i{at}" for at, group in enumerate(groups)]
    place = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return np.array([place[name] for name in names], np.int64)


def _acceleration(statistic: Statistic, home: IntArray, clusters: int) -> float:
    left_out = np.concatenate(
        [
            statistic(
                (home[None, :] != np.arange(start, min(start + 256, clusters))[:, None]) * 1.0
            )
            for start in range(0, clusters, 256)
        ]
    )
    off = left_out.mean() - left_out
    below = float((off**2).sum() ** 1.5)
    return float((off**3).sum()) / (6 * below) if below else 0.0
