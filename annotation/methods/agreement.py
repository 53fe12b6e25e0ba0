"""Agreement: how far several people give the same answer to the same question.

Three numbers stand side by side, since each alone misleads: the raw share of agreeing pairs;
Krippendorff's alpha, which subtracts what chance would agree on but collapses where one class
is common; and Gwet's AC1, which does not. All have an interval from resampling items. Answers
that are no class ("wrong language", "cannot judge") are left out before, and counted apart.

Shapes: A answers, N items, K classes, P patterns (ways in which K classes were given to an
item), D draws.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.methods.charts import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ENOUGH = 30
DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Agreement:
    """What one group of answers amounts to; the estimates are empty where there is too little.

    ``double`` counts items with two answers or more, on which everything rests; ``alpha`` is
    empty, too, where only one class was ever given: that is no agreement beyond chance.
    """

    items: int
    double: int
    raw: Estimate
    alpha: Estimate
    ac1: Estimate

    @property
    def enough(self) -> bool:
        """Whether there is something to show."""
        return self.raw.value is not None


def agreement(  # noqa: PLR0913 - three columns, and what to make of them
    item: Ints,
    *,
    person: Ints,
    label: Ints,
    labels: int,
    rng: np.random.Generator,
    ordinal: bool = False,
    apart: Floats | None = None,
    least: int = ENOUGH,
    draws: int = DRAWS,
) -> Agreement:
    """Say how far people agree, with 95 % intervals, or nothing under ``least`` double items.

    ``apart`` (K x K, from 0 to 1) is how far any two answers are from each other, where answers that
    differ may still have much in common; alpha goes by it, the two others by equal answers alone.

    ``item``, ``person`` and ``label`` are columns of A whole numbers, one row for each answer
    that was given; a missing answer has no row. The interval is the bootstrap's over items
    (Efron and Tibshirani 1993, ch. 13): answers on one item depend on each other.

    >>> twice = np.repeat(np.arange(40), 2)
    >>> said = np.where(np.arange(80) % 20 == 0, 1, twice % 2)
    >>> found = agreement(twice, person=np.tile([0, 1], 40), label=said, labels=2,
    ...                   rng=np.random.default_rng(0))
    >>> found.double, round(found.raw.value, 2), round(found.alpha.value, 2)
    (40, 0.9, 0.8)
    """
    patterns, times = tally(item, person=person, label=label, labels=labels)
    double = patterns.sum(axis=1) >= 2
    pairs = int(times[double].sum())
    if pairs < least:
        return Agreement(int(times.sum()), pairs, Estimate(), Estimate(), Estimate())
    scale = "ordinal" if ordinal else apart
    seen = _numbers(patterns, times[None].astype(float), scale=scale)[:, 0]
    if seen[0] == 1.0:
        patterns, weights = _one_doubt(patterns, times, pairs=pairs)
    else:
        weights = _resampled(times, double=double, draws=draws, rng=rng)
    spread = _numbers(patterns, weights, scale=scale)
    ends = (_estimate(value, drawn) for value, drawn in zip(seen, spread, strict=True))
    return Agreement(int(times.sum()), pairs, *ends)


def tally(item: Ints, *, person: Ints, label: Ints, labels: int) -> tuple[Ints, Ints]:
    """Return the P x K patterns that items show, and how many items show each.

    Items of one pattern are alike to every measure here, so a million answers become a few
    dozen rows. A person who answers an item twice would agree with themselves: refused.

    >>> patterns, times = tally(np.array([0, 0, 1, 1, 2, 2]), person=np.array([0, 1] * 3),
    ...                         label=np.array([0, 0, 0, 1, 1, 0]), labels=2)
    >>> patterns.tolist(), times.tolist()
    ([[1, 1], [2, 0]], [2, 1])
    """
    if labels < 2 or (len(label) and not 0 <= label.min() <= label.max() < labels):
        raise ValueError(f"answers must be two or more classes from 0 to {labels - 1}")
    if not len(item):
        return np.zeros((0, labels), np.int64), np.zeros(0, np.int64)
    number = item - item.min()
    who = person - person.min()
    both = np.sort(number * (who.max() + 1) + who)
    if (both[1:] == both[:-1]).any():
        raise ValueError("a person answered an item twice: keep the newest answer")
    if number.max() > 4 * len(number):
        number = np.unique(number, return_inverse=True)[1]
    counts = np.bincount(number * labels + label, minlength=(number.max() + 1) * labels)
    counts = counts.reshape(-1, labels)
    counts = counts[counts.sum(axis=1) > 0]
    return _distinct(counts)


def _distinct(counts: Ints) -> tuple[Ints, Ints]:
    base = int(counts.max()) + 1
    if counts.shape[1] * np.log2(base) >= 62:
        rows, times = np.unique(counts, axis=0, return_counts=True)
        return rows, times
    codes = counts @ base ** np.arange(counts.shape[1])
    _, first, times = np.unique(codes, return_index=True, return_counts=True)
    order = np.lexsort(counts[first].T[::-1])
    return counts[first][order], times[order]


def coincidences(patterns: Ints, *, weights: Floats) -> Floats:
    """Return the coincidence matrices D x K x K for D weightings (D x P) of the patterns.

    o_ck = sum over items u of n_uc (n_uk - [c = k]) / (m_u - 1), with n_uc answers c among
    the m_u of item u; items with one answer pair with nothing (Krippendorff 2011).

    >>> coincidences(np.array([[2, 0], [1, 1]]), weights=np.array([[3.0, 1.0]])).tolist()
    [[[6.0, 1.0], [1.0, 0.0]]]
    """
    double = patterns.sum(axis=1) >= 2
    counts = patterns[double].astype(float)
    labels = counts.shape[1]
    paired = counts[:, :, None] * counts[:, None, :]
    paired[:, range(labels), range(labels)] -= counts
    paired /= (counts.sum(axis=1) - 1)[:, None, None]
    summed = weights[:, double] @ paired.reshape(-1, labels**2)
    return np.asarray(summed.reshape(-1, labels, labels))


def alpha(coincidence: Floats, *, ordinal: bool = False) -> Floats:
    """Return Krippendorff's alpha of D coincidence matrices; NaN where only one class is.

    alpha = 1 - D_o / D_e = 1 - (n - 1) sum o_ck d_ck / sum n_c n_k d_ck, where d is [c != k],
    or for ordered classes (sum_{g=c..k} n_g - (n_c + n_k) / 2)^2. Krippendorff (2011),
    *Computing Krippendorff's alpha-reliability*.

    >>> alpha(np.array([[[4.0, 1.0], [1.0, 2.0]]])).round(3).tolist()
    [0.533]
    """
    of_class = coincidence.sum(axis=2)
    total = of_class.sum(axis=1)
    if ordinal:
        middle = of_class.cumsum(axis=1) - of_class / 2
        apart = (middle[:, :, None] - middle[:, None, :]) ** 2
    else:
        apart = np.broadcast_to(1.0 - np.eye(of_class.shape[1]), coincidence.shape)
    seen = (coincidence * apart).sum(axis=(1, 2))
    chance = (of_class[:, :, None] * of_class[:, None, :] * apart).sum(axis=(1, 2))
    several = (of_class > 1e-12).sum(axis=1) > 1
    found = np.full(len(total), np.nan)
    found[several] = 1.0 - (total[several] - 1) * seen[several] / chance[several]
    return found


def alpha_apart(patterns: Ints, *, weights: Floats, apart: Floats) -> Floats:
    """Return Krippendorff's alpha, D, under any distances of answers (K x K).

    1 - (n - 1) sum_u d_u / sum n_c n_k d_ck, d_u the distances within item u over (m_u - 1): the same
    as :func:`alpha` without coincidences of K x K, of which there are too many where answers are sets.

    >>> patterns, weights = np.array([[2, 0], [1, 1], [0, 2]]), np.array([[2.0, 1.0, 1.0]])
    >>> both = alpha_apart(patterns, weights=weights, apart=1 - np.eye(2))
    >>> bool(np.isclose(both, alpha(coincidences(patterns, weights=weights))).all())
    True
    """
    double = patterns.sum(axis=1) >= 2
    counts, some = patterns[double].astype(float), weights[:, double]
    within = ((counts @ apart) * counts).sum(axis=1) / (counts.sum(axis=1) - 1)
    of_answer = some @ counts
    chance = ((of_answer @ apart) * of_answer).sum(axis=1)
    found = np.full(len(weights), np.nan)
    several = chance > 1e-12
    total = of_answer.sum(axis=1)
    found[several] = 1.0 - ((total - 1) * (some @ within))[several] / chance[several]
    return found


def raw(patterns: Ints, *, weights: Floats) -> Floats:
    """Return the share of agreeing pairs, averaged over items with two answers or more; D.

    >>> raw(np.array([[3, 0], [2, 1]]), weights=np.array([[1.0, 1.0]])).round(3).tolist()
    [0.667]
    """
    size = patterns.sum(axis=1)
    double = size >= 2
    counts, size = patterns[double].astype(float), size[double]
    agreeing = (counts * (counts - 1)).sum(axis=1) / (size * (size - 1))
    return np.asarray(weights[:, double] @ agreeing / weights[:, double].sum(axis=1))


def ac1(patterns: Ints, *, weights: Floats) -> Floats:
    """Return Gwet's AC1, D: (p_a - p_e) / (1 - p_e), p_e = sum pi_k (1 - pi_k) / (K - 1).

    p_a is the raw agreement, pi_k the mean share of class k over all items, those with one
    answer as well; K are the classes that could be given. Gwet (2008), *Computing inter-rater
    reliability and its variance in the presence of high agreement*, Br J Math Stat Psychol 61.

    >>> ac1(np.array([[2, 0], [1, 1]]), weights=np.array([[9.0, 1.0]])).round(3).tolist()
    [0.89]
    """
    labels = patterns.shape[1]
    shares = patterns / patterns.sum(axis=1, keepdims=True)
    common = weights @ shares / weights.sum(axis=1, keepdims=True)
    chance = (common * (1 - common)).sum(axis=1) / (labels - 1)
    return np.asarray((raw(patterns, weights=weights) - chance) / (1 - chance))


def _numbers(patterns: Ints, weights: Floats, *, scale: Floats | str | None) -> Floats:
    """Raw agreement, alpha and AC1 for each weighting, 3 x D."""
    if isinstance(scale, np.ndarray):
        found = alpha_apart(patterns, weights=weights, apart=scale)
    else:
        together = coincidences(patterns, weights=weights)
        found = alpha(together, ordinal=scale == "ordinal")
    return np.stack([raw(patterns, weights=weights), found, ac1(patterns, weights=weights)])


def _resampled(
    times: Ints, *, double: npt.NDArray[np.bool_], draws: int, rng: np.random.Generator
) -> Floats:
    """How often each pattern is drawn; the number of double items stays what it is."""
    weights = np.zeros((draws, len(times)))
    for group in (double, ~double):
        number = int(times[group].sum())
        if number:
            weights[:, group] = rng.multinomial(number, times[group] / number, size=draws)
    return weights


def _one_doubt(patterns: Ints, times: Ints, *, pairs: int) -> tuple[Ints, Floats]:
    """What full agreement leaves open: resampling it would claim to know all.

    With no disagreement on n items, its share may still be 1 - .025^(1/n) (Clopper and Pearson
    1934). The two weightings are that, on the two commonest classes, and what was seen.
    """
    open_ = 1.0 - ((1.0 - LEVEL) / 2) ** (1.0 / pairs)
    doubt = np.zeros((1, patterns.shape[1]), np.int64)
    doubt[0, np.argsort(-(times @ patterns), kind="stable")[:2]] = 1
    double = patterns.sum(axis=1) >= 2
    low = np.append(np.where(double, times * (1 - open_), times), open_ * pairs)
    return np.vstack([patterns, doubt]), np.stack([low, np.append(times, 0).astype(float)])


def _estimate(value: float, drawn: Floats) -> Estimate:
    kept = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(kept):
        return Estimate()
    if len(drawn) == 2:
        return Estimate(float(value), float(kept.min()), float(value))
    ends = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(ends[0]), float(ends[1]))
