"""How well spans are found: precision, recall and F1 of whole spans, a class each and together.

A span counts as found only if both ends and the class are right (Tjong Kim Sang and De Meulder
2003, the measure of conlleval and seqeval), here on code points, so that it needs no tokens.
Intervals come from resampling texts: spans of one text hang together.

Shapes: N texts, C classes, D draws.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when first asked for: the web process stays light

from annotation.methods.charts import Estimate
from annotation.methods.spans import Span

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DRAWS = 1000
LEVEL = 0.95
CHUNK = 4_000_000
RIGHT, FOUND, MEANT = range(3)


@dataclass(frozen=True)
class Score:
    """Precision, recall and F1 with their intervals, and how many spans were to be found."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int


@dataclass(frozen=True)
class SpanScores:
    """One score a class, all spans together, the mean of the classes, and texts wholly right.

    A class that was neither meant nor found has no score and is not in the mean.
    """

    by_class: Mapping[str, Score]
    micro: Score
    macro: Score
    exact: Estimate


def tally(
    meant: Sequence[Iterable[Span]], *, found: Sequence[Iterable[Span]], labels: Sequence[str]
) -> Ints:
    """Count for every text and class what is right, what was found and what was meant (N x C x 3).

    >>> meant, found = [[Span(0, 3, "PER")]], [[Span(0, 3, "PER"), Span(4, 5, "PER")]]
    >>> tally(meant, found=found, labels=["PER"]).tolist()
    [[[1, 2, 1]]]
    """
    place = {label: number for number, label in enumerate(labels)}
    counts = np.zeros((len(meant), len(labels), 3), np.int64)
    for row, (truly, said) in enumerate(zip(map(set, meant), map(set, found), strict=True)):
        for spans, column in ((truly & said, RIGHT), (said, FOUND), (truly, MEANT)):
            for span in spans:
                counts[row, place[span.label], column] += 1
    return counts


def scores(
    counts: Ints, *, labels: Sequence[str], rng: np.random.Generator, draws: int = DRAWS
) -> SpanScores:
    """Turn the counts of N texts (N x C x 3) into scores with 95 % intervals.

    >>> counts = np.array([[[1, 1, 1]], [[0, 1, 1]]] * 20)
    >>> got = scores(counts, labels=["PER"], rng=np.random.default_rng(0))
    >>> got.micro.f1.value, got.exact.value, got.by_class["PER"].support
    (0.5, 0.5, 40)
    """
    seen = measures(counts.sum(axis=0)[None])
    drawn = _drawn(counts, rng=rng, draws=draws)
    support = counts[:, :, MEANT].sum(axis=0)
    sure = _doubt(counts)
    parts = {
        name: _score(
            seen[0, row],
            drawn[:, row],
            support=int(support[row] if row < len(labels) else support.sum()),
            sure=sure[row],
        )
        for row, name in enumerate((*labels, "micro", "macro"))
    }
    return SpanScores(
        by_class={label: parts[label] for label in labels},
        micro=parts["micro"],
        macro=parts["macro"],
        exact=_share(_right_texts(counts)),
    )


def measures(totals: Ints | Floats) -> Floats:
    """Return precision, recall and F1 of each class, of all spans and in the mean: D x (C+2) x 3.

    ``totals`` are D x C x 3. Where nothing was found precision is 0, as with seqeval; a class
    that was neither meant nor found is NaN.

    >>> measures(np.array([[[1, 2, 1], [0, 0, 0]]])).round(2).tolist()
    [[[0.5, 1.0, 0.67], [nan, nan, nan], [0.5, 1.0, 0.67], [0.5, 1.0, 0.67]]]
    """
    all_spans = np.concatenate((totals, totals.sum(axis=1, keepdims=True)), axis=1).astype(float)
    right, found, meant = all_spans[..., RIGHT], all_spans[..., FOUND], all_spans[..., MEANT]
    with np.errstate(invalid="ignore"):
        nothing = np.where(found + meant == 0, np.nan, 0.0)
        f1 = 2 * right / (found + meant)
    precision, recall = right / np.maximum(found, 1), right / np.maximum(meant, 1)
    both = np.stack([precision + nothing, recall + nothing, f1], axis=-1)
    there = ~np.isnan(both[:, :-1])
    sums = np.where(there, both[:, :-1], 0.0).sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        mean = sums / there.sum(axis=1, keepdims=True)
    return np.concatenate((both, mean), axis=1)


def _drawn(counts: Ints, *, rng: np.random.Generator, draws: int) -> Floats:
    """Return the measures of ``draws`` resamples of the texts."""
    texts = len(counts)
    flat = counts.reshape(texts, -1).astype(np.float64)
    at_once = max(1, CHUNK // max(texts, 1))
    found = []
    for start in range(0, draws, at_once):
        size = min(at_once, draws - start)
        times = rng.multinomial(texts, np.full(texts, 1.0 / max(texts, 1)), size=size)
        found.append(measures((times @ flat).reshape(size, *counts.shape[1:])))
    return np.concatenate(found)


def _doubt(counts: Ints) -> Floats:
    """Return what full marks leave open, for each class and all spans ((C+2)).

    Resampling texts that are all right would claim to know that none will ever be wrong; with n
    texts the share of wrong ones may still be 1 - .025^(1/n) (Clopper and Pearson 1934).
    """
    holding = (counts[..., FOUND] + counts[..., MEANT] > 0).sum(axis=0)
    texts = (counts[..., FOUND] + counts[..., MEANT] > 0).any(axis=1).sum()
    number = np.concatenate((holding, [texts, texts])).astype(np.float64)
    return np.asarray(((1 - LEVEL) / 2) ** (1.0 / np.maximum(number, 1)))


def _score(seen: Floats, drawn: Floats, *, support: int, sure: float) -> Score:
    precision, recall, f1 = (_estimate(seen[i], drawn[:, i], sure=sure) for i in range(3))
    return Score(precision, recall, f1, support)


def _estimate(value: float, drawn: Floats, *, sure: float) -> Estimate:
    kept = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(kept):
        return Estimate()
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if value in (0.0, 1.0):
        low, high = (sure, 1.0) if value else (0.0, 1.0 - sure)
    return Estimate(float(value), float(low), float(high))


def _right_texts(counts: Ints) -> npt.NDArray[np.bool_]:
    same = (counts[..., RIGHT] == counts[..., FOUND]) & (counts[..., FOUND] == counts[..., MEANT])
    return np.asarray(same.all(axis=1))


def _share(right: npt.NDArray[np.bool_]) -> Estimate:
    """Return the share of texts with exactly the right spans, and Clopper and Pearson's interval."""
    number, good = len(right), int(right.sum())
    if not number:
        return Estimate()
    tail = (1 - LEVEL) / 2
    low = float(scipy.special.betaincinv(good, number - good + 1, tail)) if good else 0.0
    high = (
        float(scipy.special.betaincinv(good + 1, number - good, 1 - tail)) if good < number else 1.0
    )
    return Estimate(good / number, low, high)
