"""Made-up people who mark real texts, for :mod:`benchmarks.spans`: what their answers amount to.

Of six, some are careful, some less so, one marks hardly anything and one takes every class for the
next. They miss spans, mistake classes, begin or end a word off, and mark what is nothing. Three
read each text. Peers: a span that most of its readers marked alike, and Dawid-Skene on units, each
tag a label of its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.methods import aggregation
from annotation.methods.span_aggregation import Answered, Crowd, agree
from annotation.methods.span_metrics import measures, tally
from annotation.methods.spans import Span, decode, encode, units
from benchmarks.spans_data import Part

Ints = npt.NDArray[np.int64]

# Of each kind: how often a span is missed, its class mistaken, an end a word off; and how often a
# word that is nothing is marked.
KINDS = {
    "careful": (0.10, 0.06, 0.08, 0.01),
    "fair": (0.30, 0.20, 0.20, 0.03),
    "lazy": (0.85, 0.30, 0.10, 0.00),
    "turned": (0.15, 0.90, 0.10, 0.03),
}
TEAMS = {
    "four careful, one lazy, one turned": ("careful",) * 4 + ("lazy", "turned"),
    "two careful, two fair, one lazy, one turned": (
        "careful",
        "careful",
        "fair",
        "fair",
        "lazy",
        "turned",
    ),
}
READERS = 3


@dataclass(frozen=True)
class Found:
    """F1 of the consensus beside its peers', and how sure it was beside how often it was right."""

    ours: float
    majority: float
    dawid_skene: float
    confidence: float
    right: float


def measured(part: Part, *, labels: Sequence[str], team: Sequence[str], seed: int) -> Found:
    """Have a team answer, and compare what is made of it with what was marked."""
    told = _answers(part, labels=labels, team=team, seed=seed)
    crowd = agree(told)
    return Found(
        ours=_f1([one.spans for one in crowd.texts], part, labels),
        majority=_f1(_majority(told), part, labels),
        dawid_skene=_f1(_dawid_skene(told), part, labels),
        **_sureness(crowd, part),
    )


def _answers(part: Part, *, labels: Sequence[str], team: Sequence[str], seed: int) -> Answered:
    rng = np.random.default_rng(seed)
    rows = [
        (text, int(person))
        for text in range(len(part.texts))
        for person in rng.choice(len(team), READERS, replace=False)
    ]
    spans = [
        _marked(rng, part.texts[text], part.spans[text], kind=team[person], labels=labels)
        for text, person in rows
    ]
    text, person = np.array(rows, np.int64).T
    return Answered(part.texts, text, person, spans, len(team), labels, {})


def _marked(
    rng: np.random.Generator,
    text: str,
    truth: Sequence[Span],
    *,
    kind: str,
    labels: Sequence[str],
) -> tuple[Span, ...]:
    missed, mistaken, off, false = KINDS[kind]
    cut = units(text)
    taken = np.zeros(len(cut), bool)
    found = []
    for span in truth:
        if rng.random() < missed:
            continue
        first = int(np.searchsorted(cut[:, 1], span.start, "right"))
        last = int(np.searchsorted(cut[:, 0], span.end, "left")) - 1
        first += int(rng.choice((-1, 1))) if rng.random() < off else 0
        last += int(rng.choice((-1, 1))) if rng.random() < off else 0
        first, last = max(first, 0), min(last, len(cut) - 1)
        if last < first or taken[first : last + 1].any():
            continue
        turned = (labels.index(span.label) + 1) % len(labels)
        label = labels[turned] if rng.random() < mistaken else span.label
        taken[first : last + 1] = True
        found.append(Span(int(cut[first, 0]), int(cut[last, 1]), label))
    for at in np.flatnonzero((rng.random(len(cut)) < false) & ~taken):
        label = labels[int(rng.integers(len(labels)))]
        found.append(Span(int(cut[at, 0]), int(cut[at, 1]), label))
    return tuple(sorted(found))


def _majority(told: Answered) -> list[list[Span]]:
    votes = [Counter[Span]() for _ in told.texts]
    for text, spans in zip(told.text.tolist(), told.spans, strict=True):
        votes[text].update(spans)
    return [[span for span, times in one.items() if 2 * times > READERS] for one in votes]


def _dawid_skene(told: Answered) -> list[tuple[Span, ...]]:
    cut = [units(text) for text in told.texts]
    starts = np.cumsum([0, *map(len, cut)])
    item, person, label = [], [], []
    for text, who, spans in zip(told.text, told.person, told.spans, strict=True):
        item.append(starts[text] + np.arange(len(cut[text])))
        person.append(np.full(len(cut[text]), who))
        label.append(encode(spans, units=cut[text], labels=told.labels))
    answers = aggregation.Answers(
        item=np.concatenate(item),
        person=np.concatenate(person),
        label=np.concatenate(label),
        known=np.full(starts[-1], aggregation.UNKNOWN),
        people=told.people,
        labels=2 * len(told.labels) + 1,
    )
    best = aggregation.fit(answers).posterior.argmax(axis=1)
    return [
        decode(best[starts[text] : starts[text + 1]], units=one, labels=told.labels)
        for text, one in enumerate(cut)
    ]


def _f1(found: Sequence[Sequence[Span]], part: Part, labels: Sequence[str]) -> float:
    counts = tally(part.spans, found=found, labels=labels)
    return float(measures(counts.sum(axis=0)[None])[0, -2, 2])


def _sureness(crowd: Crowd, part: Part) -> dict[str, float]:
    sure = [one for text in crowd.texts for one in text.confidence]
    right = [
        span in truth
        for text, truth in zip(crowd.texts, part.spans, strict=True)
        for span in text.spans
    ]
    return {"confidence": float(np.mean(sure)), "right": float(np.mean(right))}
