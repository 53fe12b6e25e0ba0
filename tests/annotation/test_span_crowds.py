"""Spans of several people: the chain against counting every path, and consensus where truth is known."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.methods.span_aggregation import Answered, Crowd, agree
from annotation.methods.span_chain import Chain, Floats, best_path, lattice, span_probability
from annotation.methods.spans import Span, stretches

LABELS = ("PER", "LOC", "ORG")
WORD, SPACED = "wor", 4


def weight_of(tags: tuple[int, ...], scores: Floats, chain: Chain, eve: Floats | None) -> float:
    """The log-weight of one path, written out; -inf where an I continues nothing."""
    total = 0.0
    for place, tag in enumerate(tags):
        before = (tags[place - 1] + 1) // 2 if place else 0
        if tag and tag % 2 == 0:
            if before != tag // 2:
                return -np.inf
            total += np.log(chain.stay[before - 1])
        else:
            total += np.log(chain.leave[before - 1]) if before else 0.0
            total += np.log(chain.begin[(tag + 1) // 2])
        then = tags[place + 1] if place + 1 < len(tags) else 0
        is_eve = eve is not None and tag == 0 and then % 2 == 1
        total += eve[place, then // 2] if is_eve and eve is not None else scores[place, tag]
    return float(total)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans())
@settings(max_examples=15, deadline=None)
def test_chain_gives_what_counting_every_path_gives(
    seed: int, lengths: list[int], eves: bool
) -> None:
    rng, classes = np.random.default_rng(seed), 1 + seed % 2
    sizes, tags = np.array(lengths), 2 * classes + 1
    scores = 2 * rng.normal(size=(sizes.sum(), tags))
    eve = rng.normal(size=(sizes.sum(), classes)) if eves else None
    chain = Chain.free(classes)
    if eves:
        chain = Chain.of(rng.dirichlet(np.ones(classes + 1)), stay=rng.uniform(0.1, 0.9, classes))
    seen = lattice(scores, lengths=sizes, chain=chain, eve=eve)
    path, weight = best_path(scores, lengths=sizes, chain=chain, eve=eve)
    start = 0
    for text, size in enumerate(lengths):
        part = slice(start, start + size)
        here = eve[part] if eve is not None else None
        every = {
            p: weight_of(p, scores[part], chain, here) for p in product(range(tags), repeat=size)
        }
        total = np.logaddexp.reduce(list(every.values()))
        assert seen.evidence[text] == pytest.approx(total)
        assert weight[text] == pytest.approx(max(every.values()))
        assert every[tuple(path[part].tolist())] == pytest.approx(max(every.values()))
        likely = {p: np.exp(w - total) for p, w in every.items()}
        for place, tag in product(range(size), range(tags)):
            share = sum(p for tags_, p in likely.items() if tags_[place] == tag)
            assert seen.posterior[start + place, tag] == pytest.approx(share, abs=1e-9)
        for first, last, label in stretches(path[part]):
            share = sum(p for t, p in likely.items() if (first, last, label) in stretches(t))
            found = span_probability(seen, first=start + first, last=start + last, label=label)
            assert found == pytest.approx(share, abs=1e-9)
        start += size


def person(rng: np.random.Generator, truth: tuple[Span, ...], kind: str) -> tuple[Span, ...]:
    """Somebody's answer on a text of three-letter words: careful, turned round, or hardly any."""
    missed = {"careful": 0.08, "turned": 0.08, "lazy": 0.9}[kind]
    found = []
    for span in truth:
        if rng.random() < missed:
            continue
        label = span.label
        if kind == "turned" or rng.random() < 0.04:
            label = LABELS[(LABELS.index(label) + 1) % 3]
        start = (
            span.start + SPACED if rng.random() < 0.1 and span.end - span.start > 3 else span.start
        )
        found.append(Span(start, span.end, label))
    return tuple(found)


def crowd_of(
    team: tuple[str, ...], *, texts: int = 60, readers: int = 3, seed: int = 0
) -> tuple[Answered, list[tuple[Span, ...]]]:
    """Made-up texts of ten words with a span of up to three in most, and answers on them."""
    rng = np.random.default_rng(seed)
    truth, rows, spans = [], [], []
    for text in range(texts):
        marks = []
        for first in (0, 5):
            if rng.random() < 0.6:
                at, size = first + int(rng.integers(0, 2)), int(rng.integers(1, 4))
                start, end = at * SPACED, (at + size) * SPACED - 1
                marks.append(Span(start, end, LABELS[int(rng.integers(3))]))
        truth.append(tuple(marks))
        for who in rng.choice(len(team), readers, replace=False):
            rows.append((text, int(who)))
            spans.append(person(rng, truth[-1], team[who]))
    text_of, who = np.array(rows).T
    told = Answered([" ".join([WORD] * 10)] * texts, text_of, who, spans, len(team), LABELS, {})
    return told, truth


def share_right(crowd: Crowd, truth: list[tuple[Span, ...]], *, first: int = 0) -> float:
    pairs = zip(crowd.texts[first:], truth[first:], strict=True)
    return float(np.mean([one.spans == spans for one, spans in pairs]))


def test_consensus_is_nearer_the_truth_than_most_votes_and_knows_whom_to_rely_on() -> None:
    told, truth = crowd_of(("careful",) * 4 + ("turned", "lazy"))
    crowd = agree(told)
    votes = []
    for text in range(len(truth)):
        said = [s for at, one in zip(told.text, told.spans, strict=True) if at == text for s in one]
        votes.append(tuple(sorted({s for s in said if said.count(s) > 1})))
    majority = np.mean([one == spans for one, spans in zip(votes, truth, strict=True)])
    assert share_right(crowd, truth) > majority + 0.1
    assert (crowd.competent[:4] > 0.9).all()
    assert (crowd.competent[4:] < 0.1).all()
    assert crowd.skill[:4, 0].min() > crowd.skill[4:, 0].max()


def test_known_texts_turn_a_majority_round_that_mistakes_every_class() -> None:
    told, truth = crowd_of(("turned", "turned", "turned", "careful"))
    misled = agree(told)
    known = replace(told, known=dict(enumerate(truth[:15])))
    crowd = agree(known)
    assert share_right(misled, truth, first=15) < 0.4
    assert share_right(crowd, truth, first=15) > 0.7
    assert [one.spans for one in crowd.texts[:15]] == truth[:15]
    assert crowd.competent[3] > 0.9 > 0.1 > crowd.competent[:3].max()


def test_somebody_who_withdraws_leaves_no_trace_and_order_leaves_none() -> None:
    told, _ = crowd_of(("careful", "careful", "turned", "lazy"), texts=20)
    kept = np.flatnonzero(told.person != 3)
    left = replace(
        told,
        text=told.text[kept],
        person=told.person[kept],
        spans=[told.spans[at] for at in kept],
    )
    order = np.random.default_rng(1).permutation(len(kept))
    shuffled = replace(
        left,
        text=left.text[order],
        person=left.person[order],
        spans=[left.spans[at] for at in order],
    )
    first, never, turned = agree(left), agree(replace(left, people=3)), agree(shuffled)
    for one, two, three in zip(first.texts, never.texts, turned.texts, strict=True):
        assert (one.posterior == two.posterior).all()
        assert (one.posterior == three.posterior).all()
        assert one.confidence == two.confidence == three.confidence
    assert (first.confusion[:3] == never.confusion).all()


def test_a_wrong_class_of_a_long_span_weighs_no_more_than_of_a_short_one() -> None:
    words = " ".join([WORD] * 12)
    long, short = Span(0, 31, "PER"), Span(0, 3, "PER")

    def sure(span: Span) -> float:
        said = [[span], [span], [replace(span, label="LOC")]]
        told = Answered([words], np.zeros(3, int), np.arange(3), said, 3, LABELS, {})
        return agree(told).texts[0].confidence[0]

    assert sure(long) == pytest.approx(sure(short), abs=0.1)


def test_what_somebody_marked_within_a_word_is_kept_to_the_letter() -> None:
    said = [[Span(1, 8, "LOC")], [Span(1, 8, "LOC")], [Span(0, 8, "LOC")]]
    told = Answered(["lAlgérie kima"], np.zeros(3, int), np.arange(3), said, 3, LABELS, {})
    one = agree(told).texts[0]
    assert one.spans == (Span(1, 8, "LOC"),)
    assert 0 < one.confidence[0] <= 1
    assert one.whole <= one.confidence[0] + 1e-9


def test_a_text_that_nobody_answered_says_nothing_of_others_and_twice_is_refused() -> None:
    told, _ = crowd_of(("careful", "careful", "lazy"), texts=10)
    more = replace(told, texts=[*told.texts, "wor wor wor", ""])
    for one, other in zip(agree(told).texts, agree(more).texts[:10], strict=True):
        assert (one.posterior == other.posterior).all()
    assert agree(more).texts[-1].spans == agree(more).texts[-2].spans == ()
    twice = replace(told, text=told.text * 0, person=told.person * 0)
    with pytest.raises(ValueError, match="answered a text twice"):
        agree(twice)
