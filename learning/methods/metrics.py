"""Metrics: how good a network is on gold, each number with its 95 % interval.

Never feed these labels that people's answers or a model were aggregated into: human-only labels
attenuate, labels with a model in them flatter. Arrays of N items: ``truth`` and ``predicted``
are class positions, ``probabilities`` N x K, ``correct`` booleans. Without items there is no
number, and a ``ValueError`` says so.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Z95 = 1.959963984540054
DRAWS = 1000
LEAST_FOR_ECE = 250
BLOCK = 1 << 22


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval, and how many items it rests on."""

    value: float
    low: float
    high: float
    items: int


def accuracy(correct: npt.ArrayLike) -> Estimate:
    """Return the share of right answers with Wilson's interval (1927).

    >>> estimate = accuracy([True] * 9 + [False])
    >>> estimate.value, round(estimate.low, 3), round(estimate.high, 3), estimate.items
    (0.9, 0.596, 0.982, 10)
    """
    hits = np.asarray(correct, dtype=np.float64)
    n = _some(len(hits))
    share = float(hits.mean())
    low, high = wilson(share, items=n)
    return Estimate(share, low, high, n)


def wilson(share: float, *, items: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    >>> [round(end, 3) for end in wilson(0.0, items=20)]
    [0.0, 0.161]
    """
    n, z2 = _some(items), Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def macro_f1(
    predicted: npt.ArrayLike,
    *,
    truth: npt.ArrayLike,
    classes: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Estimate:
    """Return the mean F1 over classes that occur in truth or prediction, with a bootstrap.

    Drawing items with replacement is drawing the cells of the confusion table.

    >>> rng = np.random.default_rng(0)
    >>> round(macro_f1([0, 0, 1, 1], truth=[0, 1, 1, 1], classes=3, rng=rng).value, 3)
    0.733
    """
    cells = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    n = _some(len(cells))
    counts = np.bincount(cells, minlength=classes * classes)
    tables = rng.multinomial(n, counts / n, size=draws).reshape(draws, classes, classes)
    value = float(_macro_f1(counts.reshape(1, classes, classes))[0])
    return _estimate(value, _macro_f1(tables), items=n)


def counted_f1(table: Floats, *, rng: np.random.Generator, draws: int = DRAWS) -> Estimate:
    """Return the mean F1 over C classes from N x C x 3 hits, answers and truths, with a bootstrap.

    For answers that are more than one class of a text: items are drawn, with all that they hold.

    >>> hit, missed = [[1, 1, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]
    >>> counted_f1(np.array([hit, missed]), rng=np.random.default_rng(0)).value
    0.5
    """
    n = _some(len(table))
    flat, rows = np.asarray(table, dtype=np.float64).reshape(n, -1), max(1, BLOCK // n)
    drawn = [
        rng.multinomial(n, np.full(n, 1 / n), min(rows, draws - start)) @ flat
        for start in range(0, draws, rows)
    ]
    sums = np.concatenate([flat.sum(axis=0)[None], *drawn]).reshape(-1, *table.shape[1:])
    seen = sums[:, :, 1] + sums[:, :, 2]
    f1 = 2 * sums[:, :, 0] / np.maximum(seen, 1e-12)
    means = f1.sum(axis=1) / np.maximum((seen > 0).sum(axis=1), 1)
    return _estimate(float(means[0]), means[1:], items=n)


def weighted_kappa(
    predicted: npt.ArrayLike,
    *,
    truth: npt.ArrayLike,
    classes: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Estimate:
    """Return Cohen's kappa of ordered classes with quadratic weights, with a bootstrap.

    1 - sum w_ij o_ij / sum w_ij e_ij with w_ij = (i - j)^2: a grade off by two costs four times one
    off by one (Cohen 1968, *Weighted kappa*, Psychological Bulletin 70). 0 is what chance reaches
    with the same shares; where only one class occurs on both sides there is nothing to agree
    on, and it is 0.

    >>> rng = np.random.default_rng(0)
    >>> near = weighted_kappa([0, 1, 2, 4], truth=[0, 1, 2, 3], classes=5, rng=rng)
    >>> far = weighted_kappa([0, 1, 2, 0], truth=[0, 1, 2, 3], classes=5, rng=rng)
    >>> round(near.value, 3), round(far.value, 3)
    (0.929, 0.1)
    """
    cells = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    n = _some(len(cells))
    counts = np.bincount(cells, minlength=classes * classes)
    tables = rng.multinomial(n, counts / n, size=draws).reshape(draws, classes, classes)
    value = float(_weighted_kappa(counts.reshape(1, classes, classes))[0])
    return _estimate(value, _weighted_kappa(tables), items=n)


def _weighted_kappa(tables: npt.NDArray[Any]) -> Floats:
    grades = np.arange(tables.shape[1])
    apart = (grades[:, None] - grades[None, :]) ** 2
    seen = (tables * apart).sum(axis=(1, 2)) * tables.sum(axis=(1, 2))
    chance = (tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :] * apart).sum(
        axis=(1, 2)
    )
    return np.asarray(np.where(chance > 0, 1 - seen / np.maximum(chance, 1), 0.0), np.float64)


def nll(
    probabilities: npt.ArrayLike, *, truth: npt.ArrayLike, rng: np.random.Generator
) -> Estimate:
    """Return the mean negative log-likelihood in nats, with a bootstrap.

    >>> round(nll([[0.5, 0.5]], truth=[1], rng=np.random.default_rng(0)).value, 4)
    0.6931
    """
    return mean(nll_of_each(probabilities, truth=truth), rng=rng)


def brier(
    probabilities: npt.ArrayLike, *, truth: npt.ArrayLike, rng: np.random.Generator
) -> Estimate:
    """Return the mean squared distance from the truth, 0 to 2 (Brier 1950), with a bootstrap.

    >>> brier([[1.0, 0.0], [1.0, 0.0]], truth=[0, 1], rng=np.random.default_rng(0)).value
    1.0
    """
    return mean(brier_of_each(probabilities, truth=truth), rng=rng)


def nll_of_each(probabilities: npt.ArrayLike, *, truth: npt.ArrayLike) -> Floats:
    """Return N negative log-likelihoods; a flat zero counts as 1e-12.

    >>> nll_of_each([[1.0, 0.0]], truth=[0]).tolist()
    [0.0]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(np.abs(np.log(np.clip(p[np.arange(len(p)), np.asarray(truth)], 1e-12, 1.0))))


def brier_of_each(probabilities: npt.ArrayLike, *, truth: npt.ArrayLike) -> Floats:
    """Return N squared distances between probabilities and truth.

    >>> brier_of_each([[0.5, 0.5]], truth=[0]).tolist()
    [0.5]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(((p - np.eye(p.shape[1])[np.asarray(truth)]) ** 2).sum(axis=1))


def mean(values: npt.ArrayLike, *, rng: np.random.Generator, draws: int = DRAWS) -> Estimate:
    """Return the mean of N values with a bootstrap interval.

    >>> mean([2.0, 2.0], rng=np.random.default_rng(0))
    Estimate(value=2.0, low=2.0, high=2.0, items=2)
    """
    numbers = np.asarray(values, dtype=np.float64)
    n = _some(len(numbers))
    return _estimate(float(numbers.mean()), _resampled(numbers, rng=rng, draws=draws), items=n)


def paired_difference(
    new: npt.ArrayLike, *, old: npt.ArrayLike, rng: np.random.Generator, draws: int = DRAWS
) -> Estimate:
    """Return mean(new - old) over the same items, drawn in pairs: far narrower than two intervals.

    >>> paired_difference([1, 1, 0], old=[0, 0, -1], rng=np.random.default_rng(0)).low
    1.0
    """
    after, before = np.asarray(new, dtype=np.float64), np.asarray(old, dtype=np.float64)
    if after.shape != before.shape:
        raise ValueError("a paired difference needs the same items twice")
    return mean(after - before, rng=rng, draws=draws)


def macro_mean(
    values: Mapping[str, npt.ArrayLike], *, rng: np.random.Generator, draws: int = DRAWS
) -> Estimate:
    """Return the mean over languages of their means; items are redrawn inside each language.

    Every language weighs the same, however many items it has; languages without any are left out.

    >>> macro_mean({"wo": [1.0] * 99, "qu": [0.0], "aa": []}, rng=np.random.default_rng(0)).value
    0.5
    """
    numbers = {tag: np.asarray(values[tag], dtype=np.float64) for tag in sorted(values)}
    filled = [array for array in numbers.values() if len(array)]
    items = _some(sum(map(len, filled)))
    redrawn = np.mean([_resampled(array, rng=rng, draws=draws) for array in filled], axis=0)
    return _estimate(float(np.mean([array.mean() for array in filled])), redrawn, items=items)


def adaptive_ece(
    probabilities: npt.ArrayLike,
    *,
    truth: npt.ArrayLike,
    rng: np.random.Generator,
    bins: int = 5,
    draws: int = 200,
) -> Estimate | None:
    """Return the calibration error of the best label in bins of equal size, less its own bias.

    None under 250 items: even a perfectly calibrated network then looks badly off. The bias is
    what a calibrated network with these confidences would show (Nixon et al. 2019, *Measuring
    Calibration in Deep Learning*; Bröcker & Smith 2007 for the resampling).

    >>> adaptive_ece([[0.9, 0.1]] * 249, truth=[0] * 249, rng=np.random.default_rng(0)) is None
    True
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if len(p) < LEAST_FOR_ECE:
        return None
    confidence = p.max(axis=1)
    order = np.argsort(confidence, kind="stable")
    confidence, right = confidence[order], (p.argmax(axis=1) == np.asarray(truth))[order]
    measure = _ece_of(bins)
    chance = rng.random((draws, len(p))) < confidence
    bias = float(np.mean([measure(confidence, row) for row in chance]))
    picks = np.sort(rng.integers(0, len(p), size=(draws, len(p))), axis=1)
    spread = np.array([measure(confidence[rows], right[rows]) for rows in picks])
    plain = measure(confidence, right)
    # Redrawing adds noise of its own, once more as much as the sample has: both are taken off.
    shifted = np.maximum(spread - (spread.mean() - plain) - bias, 0.0)
    return _estimate(max(plain - bias, 0.0), shifted, items=len(p))


def _ece_of(bins: int) -> Callable[[Floats, npt.NDArray[np.bool_]], float]:
    def measure(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
        edges = np.linspace(0, len(confidence), bins + 1).round().astype(np.int64)[:-1]
        gaps = np.add.reduceat(confidence - right, edges)
        return float(np.abs(gaps).sum() / len(confidence))

    return measure


def _macro_f1(tables: npt.NDArray[np.int64]) -> Floats:
    hits = np.einsum("dkk->dk", tables).astype(np.float64)
    seen = tables.sum(axis=1) + tables.sum(axis=2)
    f1 = 2 * hits / np.maximum(seen, 1)
    return np.asarray(f1.sum(axis=1) / np.maximum((seen > 0).sum(axis=1), 1))


def _resampled(values: Floats, *, rng: np.random.Generator, draws: int) -> Floats:
    """Return ``draws`` means of as many values drawn with replacement, in blocks of memory."""
    n = len(values)
    rows = max(1, BLOCK // n)
    parts = [
        values[rng.integers(0, n, size=(min(rows, draws - start), n))].mean(axis=1)
        for start in range(0, draws, rows)
    ]
    return np.concatenate(parts)


def _estimate(value: float, redrawn: Floats, *, items: int) -> Estimate:
    low, high = np.quantile(redrawn, [0.025, 0.975])
    return Estimate(value, min(value, float(low)), max(value, float(high)), items)


def _some(items: int) -> int:
    if items < 1:
        raise ValueError("there are no items to measure on")
    return items
