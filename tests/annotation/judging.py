"""Made-up judges: raters with biases and drift who rate texts, and choose between writers."""

import numpy as np
from scipy.special import ndtr

from annotation.methods.preferences import Choices, Floats
from annotation.methods.ratings import Ratings

THRESHOLDS = np.array([-1.15, -0.5, 0.2, 0.9])
SLOPE = 1.3


def raters_choose(
    seed: int, *, writers: int = 8, raters: int = 6, choices: int = 300, random: int = 0
) -> tuple[Floats, Choices]:
    """Return planted strengths (what raters make of writers on average) and choices."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, 1, writers)
    taste = rng.normal(0, 0.3, (raters, writers))
    side, tie = rng.normal(0.3, 0.3, raters), rng.normal(-0.3, 0.5, raters)
    heed = np.exp(rng.normal(0, 0.2, raters))
    heed[:random] = 0.0
    heed /= heed.mean()
    rater = rng.integers(0, raters, choices)
    first = rng.integers(0, writers, choices)
    second = (first + rng.integers(1, writers, choices)) % writers
    eta = heed[rater] * (strength[first] - strength[second]) + side[rater]
    eta = eta + taste[rater, first] - taste[rater, second]
    odds = np.exp(np.stack([eta / 2, tie[rater], -eta / 2], axis=1))
    below = odds.cumsum(axis=1) / odds.sum(axis=1, keepdims=True)
    outcome = 1 - (rng.random(choices)[:, None] > below[:, :2]).sum(axis=1)
    told = Choices.of(first, second, outcome, rater=rater, writers=writers, raters=raters)
    return strength - strength.mean(), told


def raters_rate(
    seed: int,
    *,
    items: int = 60,
    raters: int = 6,
    each: int = 3,
    severity: float = 0.3,
    drift: float = 0.1,
    periods: int = 3,
) -> tuple[Floats, Floats, Ratings]:
    """Return planted mean grades (N), severities by period in grades (M x T), and ratings."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=items)
    steps = rng.normal(0, drift, (raters, periods))
    steps[:, 0] = rng.normal(0, severity, raters)
    shift = steps.cumsum(axis=1)
    heed = SLOPE * np.exp(rng.normal(0, 0.2, raters))
    item = np.repeat(np.arange(items), each)
    rater = np.concatenate([rng.permutation(raters)[:each] for _ in range(items)])
    period = item * periods // items
    root = np.sqrt(1 + heed**2)[rater]
    ends = root[:, None] * (THRESHOLDS + shift[rater, period][:, None])
    below = ndtr(ends - (heed[rater] * quality[item])[:, None])
    rating = 1 + (rng.random(len(item))[:, None] > below).sum(axis=1)
    mean = 5 - ndtr((1 + SLOPE**2) ** 0.5 * THRESHOLDS - SLOPE * quality[:, None]).sum(axis=1)
    strict = ndtr(THRESHOLDS + shift[:, :, None]).sum(axis=2) - ndtr(THRESHOLDS).sum()
    told = Ratings.of(item, rater, rating, items=items, raters=raters, period=period)
    return mean, strict, told
