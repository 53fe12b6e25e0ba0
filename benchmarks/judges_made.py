"""Judges made up for the benchmark of judgements: biased, drifting raters with tastes of their own.

Who chooses between writers has a side they favour (which drifts), a readiness to call ties, a
taste for some writers, and goes more or less by quality; some choose at random. Who rates is
strict or lenient (which drifts from period to period), keeps to the middle of the scale or not,
and is more or less reliable. What is planted is what raters make of a writer or text on average.
"""

import numpy as np
from scipy.special import ndtr

from annotation.methods.duels import Duel
from annotation.methods.judgements import Floats, Ints
from annotation.methods.preferences import Choices
from annotation.methods.ratings import Ratings

THRESHOLDS = np.array([-1.15, -0.5, 0.2, 0.9])
SLOPE = 1.3


def raters_choose(
    seed: int,
    *,
    writers: int = 8,
    raters: int = 8,
    choices: int = 300,
    random: int = 0,
    even: bool = False,
    drift: float = 0.8,
) -> tuple[Floats, Choices]:
    """Return planted strengths (W) and choices; ``even`` sets writers half a log odd apart.

    ``drift`` is how far the favour for what stands first moves within the campaign, at most.
    """
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, 1, writers)
    if even:
        strength = rng.permutation(0.5 * np.arange(writers))
    taste = rng.normal(0, 0.3, (raters, writers))
    side, tie = rng.normal(0.2, 0.3, raters), rng.normal(-0.3, 0.5, raters)
    moves = rng.uniform(-drift, drift, raters)
    heed = np.exp(rng.normal(0, 0.3, raters))
    heed[:random] = 0.0
    heed /= heed.mean()
    rater = rng.integers(0, raters, choices)
    first = rng.integers(0, writers, choices)
    second = (first + rng.integers(1, writers, choices)) % writers
    eta = heed[rater] * (strength[first] - strength[second])
    eta = eta + side[rater] + moves[rater] * (np.arange(choices) / choices - 0.5)
    eta = eta + taste[rater, first] - taste[rater, second]
    outcome = _chosen(eta, tie[rater], rng=rng)
    told = Choices.of(first, second, outcome, rater=rater, writers=writers, raters=raters)
    return strength - strength.mean(), told


def raters_duel(
    seed: int, *, items: int, each: int, raters: int, taste: float, share: float
) -> Duel:
    """Return choices between candidate and champion, whose true win share is ``share``.

    ``taste`` is the spread of raters' own win shares.
    """
    rng = np.random.default_rng(seed)
    own = rng.normal(0, taste, raters)
    item = np.repeat(np.arange(items), each)
    rater = np.concatenate([rng.permutation(raters)[:each] for _ in range(items)])
    # A text leans one way or the other for all, and half of all choices go to ties or to chance.
    lean = rng.choice([-0.15, 0.15], items)[item] + own[rater] + share - 0.5
    win = np.clip(0.35 + lean, 0, 0.7)
    drawn = rng.random(len(item))
    outcome = np.where(drawn < win, 1, np.where(drawn < 0.7, -1, 0))
    return Duel.of(outcome, rater=rater, item=item, first=rng.random(len(item)) < 0.5)


def raters_rate(
    seed: int,
    *,
    items: int = 75,
    raters: int = 8,
    each: int = 4,
    random: int = 0,
    severity: float = 0.3,
    drift: float = 0.1,
    periods: int = 4,
) -> tuple[Floats, Floats, Ratings]:
    """Return planted mean grades (N), severities by period in grades (M x T), and ratings."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=items)
    steps = rng.normal(0, drift, (raters, periods))
    steps[:, 0] = rng.normal(0, severity, raters)
    shift = steps.cumsum(axis=1)
    heed = SLOPE * np.exp(rng.normal(0, 0.3, raters))
    heed[:random] = 0.0
    bounds = np.exp(rng.normal(0, 0.2, raters))[:, None] * THRESHOLDS
    item = np.repeat(np.arange(items), each)
    rater = np.concatenate([rng.permutation(raters)[:each] for _ in range(items)])
    period = item * periods // items
    ends = bounds[rater] + shift[rater, period][:, None]
    ends = (1 + heed[rater, None] ** 2) ** 0.5 * ends - (heed[rater] * quality[item])[:, None]
    rating = 1 + (rng.random(len(item))[:, None] > ndtr(ends)).sum(axis=1)
    mean = 5 - ndtr((1 + SLOPE**2) ** 0.5 * THRESHOLDS - SLOPE * quality[:, None]).sum(axis=1)
    strict = ndtr(bounds[:, None] + shift[:, :, None]).sum(axis=2) - ndtr(THRESHOLDS).sum()
    told = Ratings.of(item, rater, rating, items=items, raters=raters, period=period)
    return mean, strict, told


def _chosen(eta: Floats, tie: Floats, *, rng: np.random.Generator) -> Ints:
    odds = np.exp(np.stack([eta / 2, tie, -eta / 2], axis=1))
    below = odds.cumsum(axis=1) / odds.sum(axis=1, keepdims=True)
    return np.asarray(1 - (rng.random(len(eta))[:, None] > below[:, :2]).sum(axis=1), np.int64)
