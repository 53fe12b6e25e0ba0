"""Consensus: what the answers of one language amount to, and how far each person is relied on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from annotation.actions.pooling import Standings, keep_alone
from annotation.actions.tables import Table
from annotation.methods import aggregation
from annotation.methods.spread import spread
from annotation.models import (
    Annotation,
    Campaign,
    CampaignLanguage,
    Consensus,
    Label,
    Language,
    Reliability,
)
from annotation.models.disagreeing import OPINIONS

DISPUTED_BELOW = 0.7
DIGITS = 6
BATCH = 500
SPREAD = f"{aggregation.VERSION}+spread-1"

Priors = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class RefitResult:
    """What one refit saw and changed."""

    answers: int
    samples: int
    changed: int
    removed: int
    people_changed: int


@transaction.atomic
def refit(
    campaign: Campaign,
    *,
    language: Language,
    now: datetime,
    priors: Priors | None = None,
    standings: Standings | None = None,
) -> RefitResult:
    """Estimate one language anew from the answers as they stand; write only what differs.

    ``priors`` maps sample ids to the serving version's calibrated probabilities; with them
    the training targets lean on the model, while everything said about people never does.
    ``standings`` saves whoever refits several languages to read them for each: read earlier,
    they only leave the language stale. Safe to run twice: the second time changes nothing.
    """
    home = CampaignLanguage.objects.select_for_update().get(campaign=campaign, language=language)
    labels = list(campaign.labels.order_by("position"))
    standings = standings or Standings.of(campaign)
    mark = standings.mark(home)
    table = Table.of(home, labels=len(labels))
    keep_alone(home, table=table, ties=standings.ties)
    pool = standings.pool(home)
    abroad = standings.elsewhere(home, people=table.people)
    people = aggregation.fit(table.answers, class_pool=pool, elsewhere=abroad)
    targets = _targets(table, priors, pool, abroad)
    rows = _consensus_rows(table, people, targets, labels=labels, subjective=campaign.subjective)
    changed, removed = _write_consensus(home, rows, now)
    people_changed = _write_reliabilities(home, table, people, now)
    home.consensus_mark = mark
    home.save(update_fields=["consensus_mark"])
    return RefitResult(len(table.said), len(table.samples), changed, removed, people_changed)


def stale_languages(campaign: Campaign, *, standings: Standings | None = None) -> list[Language]:
    """Languages whose answers, people or known answers changed since their last refit."""
    standings = standings or Standings.of(campaign)
    homes = campaign.languages.select_related("language")
    return [home.language for home in homes if home.consensus_mark != standings.mark(home)]


def people_on_gold(home: CampaignLanguage, *, samples: Sequence[int]) -> dict[int, list[float]]:
    """Return what people's answers make of gold items, each in a fold where it is not known.

    By the same estimate as a refit makes, so that gold and what has no gold are spoken of alike.
    """
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
            "people": _rounded(shares[number]),
            "with_model": None if targets is None else _rounded(learned[number]),
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


def _write_consensus(
    home: CampaignLanguage, rows: Mapping[int, dict[str, Any]], now: datetime
) -> tuple[int, int]:
    ours = Consensus.objects.filter(
        sample__campaign=home.campaign_id, sample__language=home.language_id
    )
    there = {consensus.sample_id: consensus for consensus in ours}
    gone = [there[pk].pk for pk in there if pk not in rows]
    for start in range(0, len(gone), BATCH):
        ours.filter(pk__in=gone[start : start + BATCH]).delete()
    fresh = [Consensus(sample_id=pk, **row) for pk, row in rows.items() if pk not in there]
    changed = _changed(((there[pk], row) for pk, row in rows.items() if pk in there), now)
    Consensus.objects.bulk_create(fresh, batch_size=BATCH)
    if rows and changed:
        Consensus.objects.bulk_update(
            changed, [*next(iter(rows.values())), "updated_at"], batch_size=BATCH
        )
    return len(fresh) + len(changed), len(gone)


def _write_reliabilities(
    home: CampaignLanguage, table: Table, people: aggregation.Fit, now: datetime
) -> int:
    ours = Reliability.objects.filter(
        campaign=home.campaign_id, annotator__language=home.language_id
    )
    gone, _ = ours.exclude(annotator__in=table.people).delete()
    there = {reliability.annotator_id: reliability for reliability in ours}
    rows = _reliability_rows(table, people)
    fresh = [
        Reliability(campaign_id=home.campaign_id, annotator_id=pk, **row)
        for pk, row in rows.items()
        if pk not in there
    ]
    changed = _changed(((there[pk], row) for pk, row in rows.items() if pk in there), now)
    Reliability.objects.bulk_create(fresh, batch_size=BATCH)
    if rows and changed:
        Reliability.objects.bulk_update(
            changed, [*next(iter(rows.values())), "updated_at"], batch_size=BATCH
        )
    return len(fresh) + len(changed) + gone


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
            "confusion": [_rounded(row) for row in people.confusion[number]],
            "competent": round(float(people.competent[number]), DIGITS),
            "skill": skill,
            "skill_low": low,
            "skill_high": high,
            "answers": int(answers[number]),
            "gold_answers": int(gold_answers[number]),
        }
    return rows


def _changed(pairs: Iterable[tuple[Any, dict[str, Any]]], now: datetime) -> list[Any]:
    """Bring rows up to date in memory; return those that differ from what is stored."""
    changed = []
    for row, values in pairs:
        if any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            row.updated_at = now
            changed.append(row)
    return changed


def _rounded(values: aggregation.Floats) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
