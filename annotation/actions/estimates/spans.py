"""Marks in a text: a chain of tags behind all answers (``annotation.methods.span_aggregation``).

What a consensus keeps of a text is what a network learns from: its units, which people's edges may
have cut further, and the probability of each tag of each. The model has no say in it, and other
languages have none: a class of spans is not as common in all of them as a label is.

People are known by texts that somebody else has read too, or whose marks are known. Where one
person alone has read a text there is nothing to weigh: what they marked stands, as far as they
can be relied on. Estimated along, those texts would make a habit of whatever a lone person marks.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annotation.actions.choosing import label_for
from annotation.actions.estimates import (
    DIGITS,
    DISPUTED_BELOW,
    Estimated,
    Question,
    rounded,
)
from annotation.actions.tables import known_labels, newest_answers
from annotation.methods import aggregation, span_aggregation
from annotation.methods.span_aggregation import OUTSIDE_SHARE, Agreed, Answered, Crowd, agree
from annotation.methods.spans import Span, encode, units
from annotation.models import Annotation, CampaignLanguage, Label, Sample
from annotation.objectives.spans import answer_of, spans_of

# How far somebody is relied on of whom nothing is known yet.
TRUST = 0.8
# Digits of a tag's probability: each text keeps one for every unit and tag.
POSTERIOR = 4


@dataclass(frozen=True)
class _Answers:
    """The answers of a language with the ids that their numbers stand for."""

    said: list[Annotation]
    samples: list[int]
    people: list[int]
    gold: set[int]
    known: dict[int, Label]
    answered: Answered

    @classmethod
    def of(cls, home: CampaignLanguage, *, labels: Sequence[str]) -> "_Answers":
        """Read the newest answer of each active person on each text, and what is known."""
        said = newest_answers(home)
        known, gold = known_labels(home)
        samples = sorted({answer.item.sample_id for answer in said})
        people = sorted({answer.annotator_id for answer in said})
        texts = dict(Sample.objects.filter(pk__in=samples).values_list("pk", "text"))
        text_of = {pk: number for number, pk in enumerate(samples)}
        person_of = {pk: number for number, pk in enumerate(people)}
        answered = Answered(
            texts=[texts[pk] for pk in samples],
            text=np.array([text_of[one.item.sample_id] for one in said], np.int64),
            person=np.array([person_of[one.annotator_id] for one in said], np.int64),
            spans=[spans_of(one.label.value if one.label else ()) for one in said],
            people=len(people),
            labels=labels,
            known={
                text_of[pk]: spans_of(label.value) for pk, label in known.items() if pk in text_of
            },
        )
        return cls(said, samples, people, gold, known, answered)


def estimate(question: Question) -> Estimated:
    """Return what all rows of a language ought to say."""
    keys = [label.key for label in question.labels]
    told = _Answers.of(question.home, labels=keys)
    if not told.said:
        return Estimated({}, {}, 0, 0)
    crowd, texts = _weighed(told.answered)
    competent = crowd.competent.tolist() if crowd else [TRUST] * len(told.people)
    rows = _consensus_rows(told, texts, competent=competent, home=question.home)
    reliabilities = _reliability_rows(told, crowd) if crowd else {}
    return Estimated(rows, reliabilities, len(told.said), len(told.samples))


def _weighed(answered: Answered) -> tuple[Crowd | None, list[Agreed]]:
    """Return what is known of people, if anything is, and what the answers on each text amount to."""
    readers = np.bincount(answered.text, minlength=len(answered.texts))
    shared = [at for at, n in enumerate(readers.tolist()) if n > 1 or at in answered.known]
    crowd = agree(_only(answered, shared)) if shared else None
    found = dict(zip(shared, crowd.texts, strict=True)) if crowd else {}
    tested = set(answered.person[np.isin(answered.text, shared)].tolist())
    for at, person, spans in zip(
        answered.text.tolist(), answered.person.tolist(), answered.spans, strict=True
    ):
        if at not in found:
            trust = float(crowd.competent[person]) if crowd and person in tested else TRUST
            text, labels = answered.texts[at], answered.labels
            found[at] = _taken(spans, text=text, labels=labels, trust=trust)
    return crowd, [found[at] for at in range(len(answered.texts))]


def _only(answered: Answered, texts: list[int]) -> Answered:
    """The answers on these texts, by everybody."""
    place = {at: number for number, at in enumerate(texts)}
    rows = np.flatnonzero(np.isin(answered.text, texts))
    return replace(
        answered,
        texts=[answered.texts[at] for at in texts],
        text=np.array([place[at] for at in answered.text[rows].tolist()], np.int64),
        person=answered.person[rows],
        spans=[answered.spans[row] for row in rows],
        known={place[at]: spans for at, spans in answered.known.items() if at in place},
    )


def _taken(spans: Sequence[Span], *, text: str, labels: Sequence[str], trust: float) -> Agreed:
    """One person's answer as what is agreed on, as sure as they can be relied on."""
    cut = units(text, cuts=[edge for span in spans for edge in (span.start, span.end)])
    posterior = np.zeros((len(cut), 2 * len(labels) + 1))
    posterior[:, 0] = (1 - trust) * OUTSIDE_SHARE
    posterior[:, 1::2] = (1 - trust) * (1 - OUTSIDE_SHARE) / len(labels)
    posterior[np.arange(len(cut)), encode(spans, units=cut, labels=labels)] += trust
    ordered = tuple(sorted(spans))
    return Agreed(ordered, (trust,) * len(ordered), trust, cut, posterior)


def on_gold(home: CampaignLanguage, *, samples: Sequence[int]) -> dict[int, list[float]]:
    """Nothing: how probable one answer is among all that could be marked is no share of answers."""
    return {}


def kept(agreed: Agreed) -> dict[str, Any]:
    """What is kept of a text: units, tags, and each span with how sure it is."""
    return {
        "units": agreed.units.tolist(),
        "posterior": np.round(agreed.posterior, POSTERIOR).tolist(),
        "spans": [
            [span.start, span.end, span.label, round(sure, DIGITS)]
            for span, sure in zip(agreed.spans, agreed.confidence, strict=True)
        ],
    }


def _consensus_rows(
    told: _Answers, texts: list[Agreed], *, competent: list[float], home: CampaignLanguage
) -> dict[int, dict[str, Any]]:
    said: dict[int, list[Annotation]] = defaultdict(list)
    differing: dict[int, set[int | None]] = defaultdict(set)
    able = dict(zip(told.people, competent, strict=True))
    for answer in told.said:
        said[answer.item.sample_id].append(answer)
        if able[answer.annotator_id] >= 0.5:
            differing[answer.item.sample_id].add(answer.label_id)
    labels: dict[str, Label] = {}
    rows = {}
    for sample, agreed in zip(told.samples, texts, strict=True):
        if sample in told.gold:
            continue
        answer_made = answer_of(agreed.spans)
        key = answer_made["label"]
        if key not in labels:
            labels[key] = label_for(home.campaign, answer=answer_made)
        doubted = _doubted(differing[sample], agreed) and sample not in told.known
        rows[sample] = {
            "people": kept(agreed),
            "with_model": None,
            "label_id": labels[key].pk,
            "confidence": round(agreed.whole, DIGITS),
            "weight": _weight(agreed, answers=len(said[sample])),
            "answers": len(said[sample]),
            "disputed": doubted,
            "revisions": [[answer.pk, answer.revision] for answer in said[sample]],
            "aggregator": span_aggregation.VERSION,
        }
    return rows


def _doubted(answers: Collection[object], agreed: Agreed) -> bool:
    return len(answers) > 1 and agreed.whole < DISPUTED_BELOW


def _weight(agreed: Agreed, *, answers: int) -> float:
    """How much a text teaches: the mean over its units of how decided their tags are.

    Nothing, where all that is known of it comes from one person who cannot be relied on.
    """
    if answers == 1 and agreed.whole < 0.5:
        return 0.0
    if not len(agreed.posterior):
        return 1.0
    return round(float(aggregation.weights(agreed.posterior).mean()), DIGITS)


def _reliability_rows(told: _Answers, crowd: Crowd) -> dict[int, dict[str, Any]]:
    answers = np.bincount(told.answered.person, minlength=len(told.people))
    is_gold = np.array([one.item.sample_id in told.gold for one in told.said], np.float64)
    gold_answers = np.bincount(told.answered.person, is_gold, minlength=len(told.people))
    rows = {}
    for number, annotator in enumerate(told.people):
        skill, low, high = (round(float(value), DIGITS) for value in crowd.skill[number])
        rows[annotator] = {
            "confusion": [rounded(row) for row in crowd.confusion[number]],
            "competent": round(float(crowd.competent[number]), DIGITS),
            "skill": skill,
            "skill_low": low,
            "skill_high": high,
            "answers": int(answers[number]),
            "gold_answers": int(gold_answers[number]),
        }
    return rows
