"""Marks in a text: a chain of tags behind all answers (``annotation.methods.span_aggregation``).

What a consensus keeps of a text is what a network learns from: its units, which people's edges may
have cut further, and the probability of each tag of each. The model has no say in it, and other
languages have none: a class of spans is not as common in all of them as a label is.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
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
from annotation.methods.span_aggregation import Agreed, Answered, Crowd, agree
from annotation.models import Annotation, CampaignLanguage, Label, Sample
from annotation.objectives.spans import answer_of, spans_of

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
    crowd = agree(told.answered)
    rows = _consensus_rows(told, crowd, home=question.home)
    return Estimated(rows, _reliability_rows(told, crowd), len(told.said), len(told.samples))


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
    told: _Answers, crowd: Crowd, *, home: CampaignLanguage
) -> dict[int, dict[str, Any]]:
    said: dict[int, list[Annotation]] = defaultdict(list)
    differing: dict[int, set[int | None]] = defaultdict(set)
    competent = dict(zip(told.people, crowd.competent.tolist(), strict=True))
    for answer in told.said:
        said[answer.item.sample_id].append(answer)
        if competent[answer.annotator_id] >= 0.5:
            differing[answer.item.sample_id].add(answer.label_id)
    labels: dict[str, Label] = {}
    rows = {}
    for sample, agreed in zip(told.samples, crowd.texts, strict=True):
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
            "weight": _weight(agreed),
            "answers": len(said[sample]),
            "disputed": doubted,
            "revisions": [[answer.pk, answer.revision] for answer in said[sample]],
            "aggregator": span_aggregation.VERSION,
        }
    return rows


def _doubted(answers: Collection[object], agreed: Agreed) -> bool:
    return len(answers) > 1 and agreed.whole < DISPUTED_BELOW


def _weight(agreed: Agreed) -> float:
    """How much a text teaches: the mean over its units of how decided their tags are."""
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
