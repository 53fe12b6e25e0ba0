"""One label a text: Dawid and Skene's model over the answers (``annotation.methods.aggregation``)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from annotation.actions.estimates import (
    DIGITS,
    DISPUTED_BELOW,
    Estimated,
    Priors,
    Question,
    rounded,
)
from annotation.actions.pooling import Standings, keep_alone
from annotation.actions.tables import Table
from annotation.methods import aggregation
from annotation.methods.spread import spread
from annotation.models import Annotation, CampaignLanguage, Label
from annotation.models.disagreeing import OPINIONS

SPREAD = f"{aggregation.VERSION}+spread-1"


def estimate(question: Question) -> Estimated:
    """Return what all rows of a language ought to say."""
    home, standings = question.home, question.standings
    table = Table.of(home, labels=len(question.labels))
    keep_alone(home, table=table, ties=standings.ties)
    pool = standings.pool(home)
    abroad = standings.elsewhere(home, people=table.people)
    people = aggregation.fit(table.answers, class_pool=pool, elsewhere=abroad)
    targets = _targets(table, question.priors, pool, abroad)
    rows = _consensus_rows(
        table, people, targets, labels=question.labels, subjective=question.subjective
    )
    reliabilities = _reliability_rows(table, people)
    return Estimated(rows, reliabilities, len(table.said), len(table.samples))


def on_gold(home: CampaignLanguage, *, samples: Sequence[int]) -> dict[int, list[float]]:
    """Return what answers make of gold, each in a fold where it is not known."""
    standings = Standings.of(home.campaign)
    table = Table.of(home, labels=standings.labels)
    wanted = [at for at, pk in enumerate(table.samples) if pk in set(samples)]
    told: dict[int, list[float]] = {}
    for fold in range(2) if wanted else ():
        out = wanted[fold::2]
        held = table.answers.known.copy()
        held[out] = aggregation.UNKNOWN
        fitted = aggregation.fit(
            replace(table.answers, known=held),
            class_pool=standings.pool(home),
            elsewhere=standings.elsewhere(home, people=table.people),
        )
        told |= {table.samples[at]: fitted.posterior[at].tolist() for at in out}
    return told


def _targets(
    table: Table,
    priors: Priors | None,
    pool: aggregation.Floats,
    abroad: aggregation.Elsewhere | None,
) -> aggregation.Floats | None:
    if not priors:
        return None
    rows = np.full((len(table.samples), table.answers.labels), np.nan)
    for number, sample in enumerate(table.samples):
        if sample in priors:
            rows[number] = priors[sample]
    return aggregation.fit(
        table.answers, item_prior=rows, class_pool=pool, elsewhere=abroad
    ).posterior


def _consensus_rows(
    table: Table,
    people: aggregation.Fit,
    targets: aggregation.Floats | None,
    *,
    labels: Sequence[Label],
    subjective: bool,
) -> dict[int, dict[str, Any]]:
    """What the consensus on each sample should say; gold has none."""
    said: list[list[Annotation]] = [[] for _ in table.samples]
    differing: list[set[int]] = [set() for _ in table.samples]
    for answer, item, person, label in zip(
        table.said, table.answers.item, table.answers.person, table.answers.label, strict=True
    ):
        said[item].append(answer)
        if people.competent[person] >= 0.5:
            differing[item].add(int(label))
    shares = spread(table.answers, people) if subjective else people.posterior
    learned = shares if subjective or targets is None else targets
    weights = aggregation.weights(learned)
    rows = {}
    for number, sample in enumerate(table.samples):
        if sample in table.gold:
            continue
        best = int(shares[number].argmax())
        confidence = float(shares[number][best])
        settled = table.answers.known[number] != aggregation.UNKNOWN
        opinions = subjective and len(said[number]) >= OPINIONS and len(differing[number]) > 1
        rows[sample] = {
            "people": rounded(shares[number]),
            "with_model": None if targets is None else rounded(learned[number]),
            "label_id": labels[best].pk,
            "confidence": round(confidence, DIGITS),
            # Differing opinions are no doubt about the answer: they are the answer.
            "weight": 1.0 if opinions else round(float(weights[number]), DIGITS),
            "answers": len(said[number]),
            "disputed": not settled and len(differing[number]) > 1 and confidence < DISPUTED_BELOW,
            "revisions": [[answer.pk, answer.revision] for answer in said[number]],
            "aggregator": SPREAD if subjective else aggregation.VERSION,
        }
    return rows


def _reliability_rows(table: Table, people: aggregation.Fit) -> dict[int, dict[str, Any]]:
    is_gold = np.array([sample in table.gold for sample in table.samples], dtype=bool)
    answers = np.bincount(table.answers.person, minlength=len(table.people))
    gold_answers = np.bincount(
        table.answers.person, is_gold[table.answers.item], minlength=len(table.people)
    )
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
