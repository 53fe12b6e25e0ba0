"""How far people mark the same spans, in two numbers that each mislead alone.

Pairwise F1 is what there is of agreement where what is not marked cannot be counted (Hripcsak
and Rothschild 2005, *Agreement, the F-measure, and reliability in information retrieval*): a span
counts only if both people have it whole. Krippendorff's alpha for unitising subtracts what chance
would agree on and grants overlaps their share (Krippendorff, Mathet, Bouvry and Widlöcher 2016,
*On the reliability of unitizing textual continua: further developments*, Quality & Quantity 50).
Texts may have been read by different people. Intervals come from resampling texts.

Shapes: A answers, N texts, C classes, D draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from annotation.methods.charts import Estimate
from annotation.methods.span_metrics import CHUNK, DRAWS, LEVEL
from annotation.methods.spans import Span

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ENOUGH = 30


@dataclass(frozen=True)
class Marked:
    """A answers: what each person marked in each text, and how long the N texts are.

    Somebody who marked nothing has answered, with no spans.
    """

    text: Ints
    person: Ints
    spans: Sequence[Sequence[Span]]
    lengths: Ints


@dataclass(frozen=True)
class SpanAgreement:
    """What the answers amount to; estimates are empty where there is too little or nothing to tell.

    ``double`` counts texts that two people or more have read. ``same`` is the share of pairs that
    marked a text exactly alike. ``alpha`` is empty where nobody marked anything.
    """

    texts: int
    double: int
    f1: Estimate
    alpha: Estimate
    same: Estimate
    by_class: tuple[Estimate, ...]


def span_agreement(
    marked: Marked,
    *,
    labels: Sequence[str],
    rng: np.random.Generator,
    least: int = ENOUGH,
    draws: int = DRAWS,
) -> SpanAgreement:
    """Say how far people agree on spans, or nothing where fewer than ``least`` texts were read twice.

    >>> two = Marked(
    ...     text=np.array([0, 0]), person=np.array([0, 1]), lengths=np.array([10]),
    ...     spans=[[Span(0, 4, "PER")], [Span(0, 2, "PER")]],
    ... )
    >>> got = span_agreement(two, labels=["PER"], rng=np.random.default_rng(0), least=1)
    >>> got.f1.value, round(got.alpha.value, 2)
    (0.0, 0.56)
    """
    told, texts = _by_text(marked), len(np.unique(marked.text))
    if len(told) < least or not told:
        empty = Estimate()
        return SpanAgreement(texts, len(told), empty, empty, empty, tuple(empty for _ in labels))
    lengths = marked.lengths.tolist()
    parts = np.array(
        [_parts(answers, length=lengths[text], labels=labels) for text, answers in told]
    )
    seen = _numbers(parts.sum(axis=0)[None], classes=len(labels))[0]
    drawn = _numbers(_resampled(parts, rng=rng, draws=draws), classes=len(labels))
    sure = ((1 - LEVEL) / 2) ** (1.0 / len(told))
    f1, alpha, same, *each = (
        _estimate(value, drawn[:, place], sure=sure) for place, value in enumerate(seen)
    )
    return SpanAgreement(texts, len(told), f1, alpha, same, tuple(each))


def _by_text(marked: Marked) -> list[tuple[int, list[frozenset[Span]]]]:
    """Return the texts that two people or more have read, with their answers."""
    found: dict[int, dict[int, frozenset[Span]]] = {}
    rows = zip(marked.text.tolist(), marked.person.tolist(), marked.spans, strict=True)
    for text, person, spans in rows:
        answers = found.setdefault(text, {})
        if person in answers:
            raise ValueError("a person answered a text twice: keep the newest answer")
        answers[person] = frozenset(spans)
    return [
        (text, [answers[person] for person in sorted(answers)])
        for text, answers in sorted(found.items())
        if len(answers) > 1
    ]


def _parts(
    answers: Sequence[frozenset[Span]], *, length: int, labels: Sequence[str]
) -> Sequence[float]:
    """Return what a text adds to every sum: 2 + 2 C of F1, then 3 (C + 1) of alpha.

    A text counts as often as people have read it: each pair of m people weighs 1 / (m - 1).
    """
    share = 1.0 / (len(answers) - 1)
    pairs = list(combinations(answers, 2))
    alike = sum(share for one, other in pairs if one == other)
    both, either = np.zeros(len(labels)), np.zeros(len(labels))
    place = {label: number for number, label in enumerate(labels)}
    for one, other in pairs:
        for span in one & other:
            both[place[span.label]] += 2 * share
        for span in (*one, *other):
            either[place[span.label]] += share
    return [alike, share * len(pairs), *both, *either, *_lengths(answers, length, place)]


def _lengths(
    answers: Sequence[frozenset[Span]], length: int, place: dict[str, int]
) -> Sequence[float]:
    """Return 3 (C + 1) sums over unmarked text and each class: agreed, marked, and squared lengths.

    Unmarked text is not squared: it is made of single characters, since a gap is nothing that
    anybody drew.
    """
    agreed, total, square = (np.zeros(len(place) + 1) for _ in range(3))
    of_class = np.zeros((len(answers), length), np.int64)
    for row, spans in zip(of_class, answers, strict=True):
        for span in spans:
            row[span.start : span.end] = place[span.label] + 1
            square[place[span.label] + 1] += (span.end - span.start) ** 2
    for number in range(len(place) + 1):
        people = (of_class == number).sum(axis=0)
        agreed[number] = (people * (people - 1)).sum() / (len(answers) - 1)
        total[number] = people.sum()
    square[0] = total[0]
    return [*agreed, *total, *square]


def _numbers(sums: Floats, *, classes: int) -> Floats:
    """Return F1, alpha, the share of pairs that agree wholly, and F1 of each class: D x (3 + C)."""
    alike, both, either = (
        sums[:, :2],
        sums[:, 2 : 2 + classes],
        sums[:, 2 + classes : 2 + 2 * classes],
    )
    agreed, total, square = np.split(sums[:, 2 + 2 * classes :], 3, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = both.sum(axis=1) / either.sum(axis=1)
        return np.column_stack(
            [f1, _alpha(agreed, total, square), alike[:, 0] / alike[:, 1], both / either]
        )


def _alpha(agreed: Floats, total: Floats, square: Floats) -> Floats:
    """Return 1 - D_o / D_e: observed l - sum o_cc, expected l - sum e_cc (D).

    e_cc = l (l_c^2 - sum of squared lengths of c) / (l^2 - sum of all squared lengths).
    """
    whole = total.sum(axis=1)
    expected = whole[:, None] * (total**2 - square) / (whole**2 - square.sum(axis=1))[:, None]
    several = (total[:, 1:] > 0).any(axis=1)
    found = 1 - (whole - agreed.sum(axis=1)) / (whole - expected.sum(axis=1))
    return np.where(several, found, np.nan)


def _resampled(parts: Floats, *, rng: np.random.Generator, draws: int) -> Floats:
    texts = len(parts)
    at_once = max(1, CHUNK // texts)
    return np.concatenate(
        [
            rng.multinomial(texts, np.full(texts, 1.0 / texts), size=min(at_once, draws - start))
            @ parts
            for start in range(0, draws, at_once)
        ]
    )


def _estimate(value: float, drawn: Floats, *, sure: float) -> Estimate:
    """Return a number with its interval; full agreement on n texts leaves 1 - .025^(1/n) open."""
    kept = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(kept):
        return Estimate()
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(min(low, sure) if value == 1.0 else low), float(high))
