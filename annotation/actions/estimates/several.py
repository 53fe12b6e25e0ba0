"""Several labels a text: one fit over the questions "does this label hold?", of every label at once.

Each pair of a text and a label is an item with two answers, yes and no. Labels differ in how
common they are; a person is taken to miss and to add as often whichever label it is, so that a
handful of texts already says something of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.actions.choosing import label_for
from annotation.actions.estimates import (
    DIGITS,
    DISPUTED_BELOW,
    Estimated,
    Priors,
    Question,
    rounded,
)
from annotation.actions.pooling import keep_alone
from annotation.actions.tables import Table, known_labels, newest_answers
from annotation.methods import aggregation, composing
from annotation.methods.spread import spread
from annotation.models import Campaign, CampaignLanguage, Label
from annotation.models.disagreeing import OPINIONS
from annotation.objectives import several

VERSION = f"{aggregation.VERSION}+sets-1"
SPREAD = f"{VERSION}+spread-1"


def estimate(question: Question) -> Estimated:
    """Return what all rows of a language ought to say."""
    home, standings = question.home, question.standings
    keys = [label.key for label in question.labels]
    table = table_of(home, keys=keys)
    keep_alone(home, table=table, ties=standings.ties)
    terms = _Terms(
        sorts=np.tile(np.arange(len(keys)), len(table.samples)),
        pool=_pool(standings.pool(home), table=table, labels=len(keys)),
        elsewhere=standings.elsewhere(home, people=table.people),
    )
    people = terms.fit(table.answers)
    priors = _priors(table, question.priors, labels=len(keys))
    model = None if priors is None else terms.fit(table.answers, priors).posterior
    rows = _consensus_rows(table, people, model, keys=keys, question=question)
    return Estimated(
        rows,
        _reliability_rows(table, people, labels=len(keys)),
        len(table.said),
        len(table.samples),
    )


def on_gold(home: CampaignLanguage, *, samples: Sequence[int]) -> dict[int, list[float]]:
    """Nothing: an accuracy of whole sets is not made narrower by what people say of each label."""
    return {}


def table_of(home: CampaignLanguage, *, keys: Sequence[str]) -> Table:
    """Read the newest answers as yes or no to every label: item ``sample * K + label``."""
    said = newest_answers(home)
    known, gold = known_labels(home)
    samples = sorted({answer.item.sample_id for answer in said})
    people = sorted({answer.annotator_id for answer in said})
    item_of = {pk: number for number, pk in enumerate(samples)}
    person_of = {pk: number for number, pk in enumerate(people)}
    labels = len(keys)
    given = composing.bits_of([_set(answer.label) for answer in said], keys=keys)
    item = np.array([item_of[answer.item.sample_id] for answer in said], np.int64)
    person = np.array([person_of[answer.annotator_id] for answer in said], np.int64)
    truth = np.full((len(samples), labels), aggregation.UNKNOWN, np.int64)
    for pk, label in known.items():
        if pk in item_of:
            truth[item_of[pk]] = composing.bits_of([_set(label)], keys=keys)[0]
    answers = aggregation.Answers(
        item=(item[:, None] * labels + np.arange(labels)).reshape(-1),
        person=np.repeat(person, labels),
        label=given.astype(np.int64).reshape(-1),
        known=truth.reshape(-1),
        people=len(people),
        labels=2,
    )
    return Table(answers, samples, people, said, dict.fromkeys(gold, 0))


@dataclass(frozen=True)
class _Terms:
    """What a fit leans on besides the answers; labels are sorts of items."""

    sorts: aggregation.Ints
    pool: aggregation.Floats
    elsewhere: aggregation.Elsewhere | None

    def fit(
        self, answers: aggregation.Answers, priors: aggregation.Floats | None = None
    ) -> aggregation.Fit:
        """Estimate labels and people together."""
        return aggregation.fit(
            answers,
            item_prior=priors,
            class_pool=self.pool,
            sorts=self.sorts,
            elsewhere=self.elsewhere,
        )


def _set(label: Label | None) -> list[str]:
    return list(label.value or ()) if label else []


def _pool(elsewhere: aggregation.Floats, *, table: Table, labels: int) -> aggregation.Floats:
    """How common each label is in other languages; where there are none, as all labels are here."""
    if elsewhere.ndim == 2:
        return elsewhere
    votes = np.bincount(table.answers.label, minlength=2).astype(np.float64)
    return np.tile(aggregation.class_pool(votes), (labels, 1))


def _priors(table: Table, priors: Priors | None, *, labels: int) -> aggregation.Floats | None:
    if not priors:
        return None
    rows = np.full((len(table.samples), labels), np.nan)
    for number, sample in enumerate(table.samples):
        if sample in priors:
            rows[number] = priors[sample]
    flat = rows.reshape(-1)
    return np.stack([1.0 - flat, flat], axis=1)


def _consensus_rows(
    table: Table,
    people: aggregation.Fit,
    model: aggregation.Floats | None,
    *,
    keys: Sequence[str],
    question: Question,
) -> dict[int, dict[str, Any]]:
    """What the consensus on each sample should say; gold has none."""
    shape, subjective = (len(table.samples), len(keys)), question.subjective
    shares = spread(table.answers, people) if subjective else people.posterior
    learned = shares if subjective or model is None else model
    weights = aggregation.weights(learned).reshape(shape).mean(axis=1)
    yes, target = shares[:, 1].reshape(shape), learned[:, 1].reshape(shape)
    settled = (table.answers.known != aggregation.UNKNOWN).reshape(shape).any(axis=1)
    heard, opinions = _heard(table, people, labels=len(keys))
    labels = _Labels(question.home.campaign)
    rows = {}
    for number, sample in enumerate(table.samples):
        if sample in table.gold:
            continue
        # Of the whole set: a doubt about one label of it is one about the answer.
        sure = float(np.maximum(yes[number], 1.0 - yes[number]).prod())
        differ = len(opinions[number]) > 1
        held = subjective and len(heard[number]) >= OPINIONS and differ
        rows[sample] = {
            "people": rounded(yes[number]),
            "with_model": None if model is None else rounded(target[number]),
            "label_id": labels.of(composing.keys_of(yes[number] > 0.5, keys=keys)),
            "confidence": round(sure, DIGITS),
            # Differing opinions are no doubt about the answer: they are the answer.
            "weight": 1.0 if held else round(float(weights[number]), DIGITS),
            "answers": len(heard[number]),
            "disputed": bool(not settled[number] and differ and sure < DISPUTED_BELOW),
            "revisions": heard[number],
            "aggregator": SPREAD if subjective else VERSION,
        }
    return rows


class _Labels:
    """The numbers of composed labels, each looked for once."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._known: dict[str, int] = {}

    def of(self, keys: Sequence[str]) -> int:
        """The number of the set of these labels."""
        answer = several.composed(keys)
        if answer["label"] not in self._known:
            self._known[answer["label"]] = label_for(self._campaign, answer=answer).pk
        return self._known[answer["label"]]


def _heard(
    table: Table, people: aggregation.Fit, *, labels: int
) -> tuple[list[list[list[int]]], list[set[int]]]:
    """What each sample's consensus rests on, and the sets that competent people gave."""
    heard: list[list[list[int]]] = [[] for _ in table.samples]
    given: list[set[int]] = [set() for _ in table.samples]
    items = table.answers.item[::labels] // labels
    for answer, item, person in zip(table.said, items, table.answers.person[::labels], strict=True):
        heard[item].append([answer.pk, answer.revision])
        if people.competent[person] >= 0.5 and answer.label_id is not None:
            given[item].add(answer.label_id)
    return heard, given


def _reliability_rows(
    table: Table, people: aggregation.Fit, *, labels: int
) -> dict[int, dict[str, Any]]:
    """How each person answers yes and no, over all labels."""
    is_gold = np.array([sample in table.gold for sample in table.samples], dtype=bool)
    person, item = table.answers.person[::labels], table.answers.item[::labels] // labels
    answers = np.bincount(person, minlength=len(table.people))
    gold_answers = np.bincount(person, is_gold[item], minlength=len(table.people))
    rows = {}
    for number, annotator in enumerate(table.people):
        skill, low, high = (round(float(value), DIGITS) for value in people.skill[number])
        rows[annotator] = {
            "confusion": [rounded(row) for row in people.confusion[number]],
            "competent": round(float(people.competent[number]), DIGITS),
            "skill": skill,
            "skill_low": low,
            "skill_high": high,
            "answers": int(answers[number]),
            "gold_answers": int(gold_answers[number]),
        }
    return rows
