"""Spans: what is taken for one, how tags and spans stand for each other, and how they are measured."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.methods.span_agreement import Marked, span_agreement
from annotation.methods.span_metrics import scores, tally
from annotation.methods.spans import (
    Span,
    SpanError,
    checked,
    decode,
    encode,
    tag_names,
    trimmed,
    units,
)

LABELS = ("PER", "LOC")
TEXTS = (
    "Awa dem na Dakar, 3.5 km",
    "l'Algérie, 'yan Najeriya",
    "𞤀𞤣𞤵 𞤤𞤫𞤴𞤣𞤭",
    "ߒ߬ ߓߍ߫ ߓߊ߬ߡߊ",
    "ኢትዮጵያ፡ሀገር",
    "السَّلَامُ عَلَيْكُمْ abc",
    "👩🏾‍🌾 go 👨‍👩‍👧!",
    "ภาษาไทย và می‌خواهم",
)


@st.composite
def marked(draw: st.DrawFn, text: str) -> tuple[Span, ...]:
    """Spans that may stand in a text, whatever their edges cut."""
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    kept = [(a, b) for a, b in pairs if text[a:b].strip()]
    return tuple(Span(a, b, draw(st.sampled_from(LABELS))) for a, b in kept)


@st.composite
def text_and_spans(draw: st.DrawFn) -> tuple[str, tuple[Span, ...]]:
    text = draw(st.sampled_from(TEXTS))
    return text, draw(marked(text))


@given(text_and_spans())
@settings(max_examples=60, deadline=None)
def test_spans_come_back_from_tags_once_units_are_cut_at_their_edges(
    case: tuple[str, tuple[Span, ...]],
) -> None:
    text, spans = case
    cut = units(text, cuts=[edge for span in spans for edge in (span.start, span.end)])
    assert decode(encode(spans, units=cut, labels=LABELS), units=cut, labels=LABELS) == trimmed(
        spans, text=text
    )


@given(st.text(max_size=40), st.lists(st.integers(0, 40), max_size=4))
@settings(max_examples=60, deadline=None)
def test_units_hold_every_character_that_is_no_space_once(text: str, cuts: list[int]) -> None:
    cut = units(text, cuts=cuts)
    held = Counter(place for a, b in cut.tolist() for place in range(a, b))
    assert set(held.values()) <= {1}
    assert {i for i, letter in enumerate(text) if not letter.isspace()} <= set(held)
    assert all(a < b for a, b in cut.tolist())


@pytest.mark.parametrize(
    ("spans", "code", "field"),
    [
        ([(0, 3, "PER"), (2, 5, "LOC")], "overlap", "spans[1]"),
        ([(0, 99, "PER")], "past_the_end", "spans[0].end"),
        ([(-1, 3, "PER")], "past_the_end", "spans[0].start"),
        ([(3, 4, "PER")], "empty", "spans[0]"),
        ([(4, 4, "PER")], "empty", "spans[0]"),
        ([(5, 4, "PER")], "empty", "spans[0]"),
        ([(0, 3, "ORG")], "unknown_label", "spans[0].label"),
        ([(0, "3", "PER")], "no_number", "spans[0].end"),
        ([(True, 3, "PER")], "no_number", "spans[0].start"),
    ],
)
def test_what_is_no_span_is_refused_with_row_field_and_remedy(
    spans: list[tuple[object, object, object]], code: str, field: str
) -> None:
    with pytest.raises(SpanError) as refused:
        checked(spans, text="Awa dem na Dakar", labels=LABELS, where="row 7")
    assert (refused.value.code, refused.value.field) == (code, field)
    assert str(refused.value).startswith(f"row 7: {field.split('.')[0]}")
    assert refused.value.remedy in str(refused.value)


def by_sets(meant: list[tuple[Span, ...]], found: list[tuple[Span, ...]], label: str) -> float:
    truly = {(i, s) for i, one in enumerate(meant) for s in one if label in (s.label, "")}
    said = {(i, s) for i, one in enumerate(found) for s in one if label in (s.label, "")}
    if label == "":
        truly, said = (
            {(i, s) for i, one in enumerate(many) for s in one} for many in (meant, found)
        )
    both = len(truly & said)
    return 2 * both / (len(truly) + len(said)) if truly or said else float("nan")


@given(st.lists(st.tuples(marked(TEXTS[0]), marked(TEXTS[0])), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_f1_is_that_of_whole_spans_and_lies_in_its_interval(
    pairs: list[tuple[tuple[Span, ...], tuple[Span, ...]]],
) -> None:
    meant, found = [list(side) for side in zip(*pairs, strict=True)]
    got = scores(
        tally(meant, found=found, labels=LABELS),
        labels=LABELS,
        rng=np.random.default_rng(0),
        draws=40,
    )
    for name, score in {"": got.micro, **got.by_class}.items():
        wanted = by_sets(meant, found, name)
        if np.isnan(wanted):
            assert score.f1.value is None
            continue
        assert score.f1.value == pytest.approx(wanted)
        assert score.f1.low is not None
        assert score.f1.high is not None
        assert 0 <= score.f1.low <= score.f1.high <= 1
    alike = np.mean([set(a) == set(b) for a, b in pairs])
    assert got.exact.value == pytest.approx(float(alike))


def test_a_network_without_mistakes_on_ten_texts_is_not_held_to_be_perfect() -> None:
    spans = [(Span(0, 3, "PER"),)] * 10
    counts = tally(spans, found=spans, labels=LABELS)
    got = scores(counts, labels=LABELS, rng=np.random.default_rng(0))
    assert got.micro.f1.value == 1.0
    assert got.micro.f1.low == pytest.approx(0.025 ** (1 / 10))
    assert got.by_class["LOC"].f1.value is None
    assert got.macro.f1.value == 1.0


def test_macro_is_the_mean_of_the_classes_that_are_there() -> None:
    meant = [(Span(0, 3, "PER"), Span(4, 7, "LOC"))] * 4
    found = [(Span(0, 3, "PER"),)] * 4
    counts = tally(meant, found=found, labels=(*LABELS, "ORG"))
    got = scores(counts, labels=(*LABELS, "ORG"), rng=np.random.default_rng(0), draws=50)
    assert got.macro.f1.value == pytest.approx(0.5)
    assert got.micro.f1.value == pytest.approx(2 / 3)


def unitised(answers: list[tuple[Span, ...]], length: int) -> float:
    """Krippendorff's alpha for unitising of one text, written out pair by pair."""
    names = ("", *LABELS)
    segments: list[list[tuple[int, int, str]]] = []
    for spans in answers:
        row, at = [], 0
        for span in sorted(spans):
            row += [(at, span.start, "")] if span.start > at else []
            row.append((span.start, span.end, span.label))
            at = span.end
        segments.append(row + ([(at, length, "")] if length > at else []))
    seen = {(c, k): 0.0 for c in names for k in names}
    for i, one in enumerate(segments):
        for j, other in enumerate(segments):
            for a, b, c in one if i != j else ():
                for x, y, k in other:
                    seen[c, k] += max(0, min(b, y) - max(a, x)) / (len(answers) - 1)
    whole = sum(seen.values())
    size = {c: sum(seen[c, k] for k in names) for c in names}
    square = {
        c: sum((b - a) ** (2 if c else 1) for row in segments for a, b, k in row if k == c)
        for c in names
    }
    rest = whole**2 - sum(square.values())
    expected = sum(whole * (size[c] ** 2 - square[c]) / rest for c in names)
    return 1 - (whole - sum(seen[c, c] for c in names)) / (whole - expected)


@given(st.lists(marked(TEXTS[0]), min_size=2, max_size=4).filter(any))
@settings(max_examples=40, deadline=None)
def test_alpha_and_pairwise_f1_are_those_of_their_papers(answers: list[tuple[Span, ...]]) -> None:
    people = len(answers)
    got = span_agreement(
        Marked(
            text=np.zeros(people, int),
            person=np.arange(people),
            spans=answers,
            lengths=np.array([len(TEXTS[0])]),
        ),
        labels=LABELS,
        rng=np.random.default_rng(0),
        least=1,
        draws=5,
    )
    assert got.alpha.value == pytest.approx(unitised(answers, len(TEXTS[0])))
    pairs = [(a, b) for i, a in enumerate(answers) for b in answers[i + 1 :]]
    both = sum(2 * len(set(a) & set(b)) for a, b in pairs)
    assert got.f1.value == pytest.approx(both / sum(len(a) + len(b) for a, b in pairs))


def test_agreement_rests_on_texts_read_twice_and_says_nothing_of_too_few() -> None:
    spans = [(Span(0, 3, "PER"),), (Span(0, 3, "PER"),), ()]
    told = Marked(np.array([0, 0, 1]), np.array([0, 1, 0]), spans, np.array([16, 16]))
    rng = np.random.default_rng(0)
    assert span_agreement(told, labels=LABELS, rng=rng).f1.value is None
    got = span_agreement(told, labels=LABELS, rng=rng, least=1)
    assert (got.texts, got.double, got.f1.value, got.same.value) == (2, 1, 1.0, 1.0)
    assert got.f1.low == pytest.approx(0.025)
    twice = Marked(np.zeros(2, int), np.zeros(2, int), spans[:2], np.array([16]))
    with pytest.raises(ValueError, match="answered a text twice"):
        span_agreement(twice, labels=LABELS, rng=rng, least=1)


def test_tags_are_numbered_by_class() -> None:
    assert tag_names(LABELS) == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
