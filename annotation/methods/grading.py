"""How probable grades are, given how raters grade: the likelihood behind ratings.

A text's quality theta is standard normal among the texts of one language; a rater gives a grade
of k or less with probability Phi(s (sqrt(1 + a^2) T_k - a theta)), where T_k = exp(g) c_k + b: ``c``
are everybody's thresholds, ``b`` the rater's severity in that period, ``g`` how widely they use
the middle of the scale, ``a`` = exp(alpha + l) how far they go by quality. The root makes T say
how often grades are given (Phi(T_k) over all texts) whatever ``a`` is; without it the peak's
``alpha`` is drawn down where texts have one rating each. This is the graded model
of Samejima (1969, Psychometrika Monograph 17) with the rater as a facet (Linacre 1989). ``s`` is
1, and larger for a grade that is known. Qualities are integrated out on a grid (Bock and Aitkin
1981, Psychometrika 46), so that many texts with a rating each do not bias the raters' numbers;
the curvature is Louis's (1982, JRSS B 44).

Shapes: A ratings, N texts, Q points of the grid, K grades, P parameters; a rating depends on 6
parameters (its two thresholds, alpha, l, g, b) by 3 functions of quality.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from annotation.methods.judgements import Floats, Ints

GRID: Floats = np.linspace(-4.2, 4.2, 43, dtype=np.float64)
USUAL_SLOPE = float(np.log(1.3))
_FAR = 1e3
_LEAST = 1e-300
_STEEPEST = 1e6


@dataclass(frozen=True)
class Grades:
    """A ratings as the likelihood needs them, sorted by text.

    ``places`` A x 6 says which of the P parameters each depends on, P for none; ``grade`` A from
    1 to ``grades``; ``sharp`` A, ``weight`` A.
    """

    item: Ints
    grade: Ints
    places: Ints
    sharp: Floats
    weight: Floats
    items: int
    grades: int
    size: int


@dataclass(frozen=True)
class Seen:
    """What some parameters make of the ratings.

    ``posterior`` N x Q; ``forms`` A x 3 x Q, the slopes by upper threshold, lower threshold and
    slope; ``turns`` A x 6 x 3, how the 6 parameters enter those; ``pull`` A, a^2 / (1 + a^2).
    """

    value: float
    posterior: Floats
    forms: Floats
    turns: Floats
    pull: Floats


def _normal(x: Floats) -> Floats:
    return np.asarray(np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5)


def _between(low: Floats, high: Floats) -> Floats:
    """Phi(high) - Phi(low), exact in the upper tail as well."""
    flip = low > 0
    return np.asarray(
        np.maximum(
            ndtr(np.where(flip, -low, high)) - ndtr(np.where(flip, -high, low)),
            _LEAST,
        )
    )


class Likelihood:
    """The log-likelihood of ratings, with qualities integrated out, as a function of P numbers."""

    def __init__(self, told: Grades) -> None:
        self.told = told
        prior = _normal(GRID)
        self._log_prior = np.log(prior / prior.sum())
        count = np.bincount(told.item, minlength=told.items)
        start = np.concatenate([[0], count.cumsum()[:-1]])
        # Every ordered pair of ratings of one text, itself included.
        size = count[told.item]
        self._one = np.repeat(np.arange(len(told.item)), size)
        first = np.concatenate([[0], size.cumsum()[:-1]]) if len(size) else size
        self._other = start[told.item[self._one]] + np.arange(len(self._one)) - first[self._one]

    def __call__(self, beta: Floats) -> tuple[float, Floats, Floats]:
        """Return the value, its slope (P) and minus its curvature (P x P)."""
        seen, bends = self._seen(beta)
        told, size = self.told, self.told.size
        mean = np.einsum("afq,aq->af", seen.forms, seen.posterior[told.item])
        slope = np.bincount(
            told.places.ravel(), np.einsum("apf,af->ap", seen.turns, mean).ravel(), size + 1
        )[:size]
        curve = np.zeros((size + 1) ** 2)
        self._add(curve, told.places, told.places, -bends)
        root = np.sqrt(seen.posterior)[told.item][:, None, :]
        around = (seen.forms - mean[:, :, None]) * root
        step = max(1, (1 << 22) // (6 * len(GRID)))
        for at in range(0, len(self._one), step):
            one, other = self._one[at : at + step], self._other[at : at + step]
            both = around[one] @ around[other].transpose(0, 2, 1)
            block = seen.turns[one] @ both @ seen.turns[other].transpose(0, 2, 1)
            self._add(curve, told.places[one], told.places[other], -block)
        return seen.value, slope.astype(np.float64), curve.reshape(size + 1, size + 1)[:size, :size]

    def seen(self, beta: Floats) -> Seen:
        """Return the texts' posterior over the grid and what it rests on."""
        return self._seen(beta)[0]

    def _add(self, curve: Floats, one: Ints, other: Ints, block: Floats) -> None:
        where = one[:, :, None] * (self.told.size + 1) + other[:, None, :]
        curve += np.bincount(where.ravel(), block.ravel(), len(curve))

    def _seen(self, beta: Floats) -> tuple[Seen, Floats]:
        told = self.told
        turns, high, low, pull = _reading(told, beta)
        chance = _between(low, high)
        joint = np.zeros((told.items, len(GRID)))
        np.add.at(joint, told.item, told.weight[:, None] * np.log(chance))
        joint += self._log_prior
        top = joint.max(axis=1, keepdims=True)
        posterior = np.exp(joint - top)
        total = posterior.sum(axis=1, keepdims=True)
        value = float((top + np.log(total)).sum())
        # Where a grade is all but impossible the posterior is nought; nought times inf is not.
        by_high = np.minimum(_normal(high) / chance, _STEEPEST)
        by_low = -np.minimum(_normal(low) / chance, _STEEPEST)
        weight = told.weight[:, None]
        forms = np.stack([by_high, by_low, (by_high + by_low) * GRID], axis=1) * weight[:, None]
        found = Seen(value, posterior / total, forms, turns, pull)
        squares = _squares(high, low, by_high, by_low) * weight[:, None]
        return found, _bends(found, squares, told=told)


def _reading(told: Grades, beta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return turns A x 6 x 3, both ends of each grade A x Q in units of noise, and the pull A."""
    own = np.append(beta, 0.0)[told.places]
    upper = np.where(told.grade == told.grades, _FAR, own[:, 0])
    lower = np.where(told.grade == 1, -_FAR, own[:, 1])
    # A step that is far too long is refused for its value; it need not overflow first.
    wide, shift = np.exp(np.clip(own[:, 4], -9, 9)), np.clip(own[:, 5], -99, 99)
    slope = np.exp(np.clip(USUAL_SLOPE + own[:, 2] + own[:, 3], -9, 9))
    flat, steep = told.sharp * (1 + slope**2) ** 0.5, told.sharp * slope
    pull = slope**2 / (1 + slope**2)  # of log sqrt(1 + a^2) by log a
    ends = [flat * (wide * end + shift) for end in (upper, lower)]
    high, low = (end[:, None] - steep[:, None] * GRID for end in ends)
    nought = np.zeros(len(flat))
    columns = []
    for place, (end, threshold) in enumerate(zip(ends, (upper, lower), strict=True)):
        heed = end * pull
        own_threshold = [nought, nought]
        own_threshold[place] = flat * wide
        columns.append([*own_threshold, heed, heed, flat * wide * threshold, flat])
    columns.append([nought, nought, -steep, -steep, nought, nought])
    turns = np.stack([np.stack(column, axis=1) for column in columns], axis=2)
    return turns, high, low, pull


def _squares(high: Floats, low: Floats, by_high: Floats, by_low: Floats) -> Floats:
    """Second derivatives of log P by the upper and lower threshold, A x 3 x Q: uu, uv, vv."""
    uu = -high * by_high - by_high**2
    vv = -low * by_low - by_low**2
    return np.stack([uu, -by_high * by_low, vv], axis=1)


def _bends(seen: Seen, squares: Floats, *, told: Grades) -> Floats:
    """The expected second derivatives of each rating by its parameters, A x 6 x 6."""
    posterior = seen.posterior[told.item]
    powers = np.stack([posterior, posterior * GRID, posterior * GRID**2], axis=1)
    moments = np.einsum("asq,amq->asm", squares, powers)
    up, down, along = (seen.turns[:, :, form] for form in range(3))
    found = np.zeros((len(posterior), 6, 6))
    for pair, (one, other) in enumerate(((up, up), (up, down), (down, down))):
        flat, tilted, steep = (moments[:, pair, power, None, None] for power in range(3))
        block = flat * _outer(one, other)
        block = block + tilted * (_outer(one, along) + _outer(along, other))
        block = block + steep * _outer(along, along)
        found += block + block.transpose(0, 2, 1) if pair == 1 else block
    mean = np.einsum("afq,aq->af", seen.forms, posterior)
    # What bends the thresholds and the slope themselves.
    by_high, by_low, tilt = mean.T
    found[:, 4, 4] += by_high * up[:, 4] + by_low * down[:, 4]
    for at, by, turn in ((0, by_high, up), (1, by_low, down)):
        found[:, 4, at] += by * turn[:, at]
        found[:, at, 4] += by * turn[:, at]
    for heed in (2, 3):
        for at in (0, 1, 4, 5):
            both = seen.pull * (by_high * up[:, at] + by_low * down[:, at])
            found[:, heed, at] += both
            found[:, at, heed] += both
        for other_heed in (2, 3):
            bent = (by_high * up[:, 2] + by_low * down[:, 2]) * (2 - seen.pull)
            found[:, heed, other_heed] += bent + tilt * along[:, 2]
    return found


def _outer(one: Floats, other: Floats) -> Floats:
    return np.asarray(one[:, :, None] * other[:, None, :])


def curve_of(thresholds: Floats, slope: float) -> tuple[Floats, Floats]:
    """Return the chance of each grade (Q x K) and the mean grade (Q) along the grid.

    >>> chances, mean = curve_of(np.array([-1.0, 0.0, 1.0]), 1.0)
    >>> chances.shape, round(float(mean[len(mean) // 2]), 3)
    ((43, 4), 2.5)
    """
    ends = np.concatenate([[-_FAR], thresholds, [_FAR]])
    place = (1 + slope**2) ** 0.5 * ends[None, :] - slope * GRID[:, None]
    chances = _between(place[:, :-1], place[:, 1:])
    return chances, chances @ np.arange(1, len(ends))


def mean_grade(thresholds: Floats) -> tuple[Floats, Floats]:
    """Return M mean grades over all texts, and their slopes by M x K-1 thresholds.

    >>> mean_grade(np.array([[-1.0, 0.0, 1.0]]))[0].round(3).tolist()
    [2.5]
    """
    mean = thresholds.shape[1] + 1 - ndtr(thresholds).sum(axis=1)
    return np.asarray(mean), -_normal(thresholds)


def spread_of(numbers: npt.NDArray[np.float64], covariance: Floats) -> Floats:
    """Return the standard deviation of R sums ``numbers @ beta`` (R x P)."""
    square = np.einsum("rp,pq,rq->r", numbers, covariance, numbers)
    return np.asarray(np.sqrt(np.maximum(square, 0.0)), np.float64)
