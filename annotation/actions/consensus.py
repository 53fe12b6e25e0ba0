"""Consensus: what the answers of one language amount to, and how far each person is relied on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, Sum

from annotation.actions import pooling
from annotation.methods import aggregation
from annotation.methods.spread import spread
from annotation.models import (
    Adjudication,
    Annotation,
    Campaign,
    CampaignLanguage,
    Consensus,
    GoldItem,
    Label,
    Language,
    Reliability,
)

DISPUTED_BELOW = 0.7
DIGITS = 6
BATCH = 500
# So many people must have answered before their differing is an opinion and not an accident.
OPINIONS = 3
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
    campaign: Campaign, *, language: Language, now: datetime, priors: Priors | None = None
) -> RefitResult:
    """Estimate one language anew from the answers as they stand; write only what differs.

    ``priors`` maps sample ids to the serving version's calibrated probabilities; with them
    the training targets lean on the model, while everything said about people never does.
    Safe to run twice: the second time changes nothing.
    """
    home = CampaignLanguage.objects.select_for_update().get(campaign=campaign, language=language)
    labels = list(campaign.labels.order_by("position"))
    mark = _marks(campaign)[home.pk]
    said = _newest_answers(home)
    gold = _known(home)
    table = _Table.of(said, labels=labels, known=_adjudicated(home) | gold)
    pool = pooling.Votes.in_campaign(campaign).pool(home)
    abroad = _elsewhere(home, table, labels)
    people = aggregation.fit(table.answers, class_pool=pool, elsewhere=abroad)
    targets = _targets(table, priors, pool, abroad)
    rows = _consensus_rows(
        table, people, targets, labels=labels, gold=gold, subjective=campaign.subjective
    )
    changed, removed = _write_consensus(home, rows, now)
    people_changed = _write_reliabilities(home, table, people, gold=gold, now=now)
    home.consensus_mark = mark
    home.save(update_fields=["consensus_mark"])
    return RefitResult(len(said), len(table.samples), changed, removed, people_changed)


def stale_languages(campaign: Campaign) -> list[Language]:
    """Languages whose answers, people or known answers changed since their last refit."""
    marks = _marks(campaign)
    homes = campaign.languages.select_related("language")
    return [home.language for home in homes if home.consensus_mark != marks[home.pk]]


def _marks(campaign: Campaign) -> dict[int, str]:
    """One string per language that moves with whatever a refit rests on.

    Revisions only ever grow and answers only become tombstones, so their sums cannot return
    to an earlier value; people who leave or come back move the second half.
    """
    answers = {
        row["item__campaign_language"]: row
        for row in Annotation.objects.filter(item__campaign_language__campaign=campaign)
        .order_by()
        .values("item__campaign_language")
        .annotate(
            number=Count("pk"),
            edits=Sum("revision"),
            active=Count("pk", filter=Q(annotator__active=True)),
            people=Sum("annotator_id", filter=Q(annotator__active=True)),
        )
    }
    gold = dict(
        GoldItem.objects.filter(sample__campaign=campaign, sample__items__isnull=False)
        .order_by()
        .values_list("sample__language")
        .annotate(Sum("label_id"))
    )
    # Decisions are only ever added, or undone and followed by another.
    decided = dict(
        Adjudication.objects.filter(sample__campaign=campaign, undone_at=None)
        .order_by()
        .values_list("sample__language")
        .annotate(Sum("pk"))
    )
    homes = {home.pk: home for home in campaign.languages.all() if home.pk in answers}
    own = {}
    for pk, home in homes.items():
        row = answers[pk]
        own[pk] = (
            f"{row['number']}.{row['edits']}.{row['active']}.{row['people'] or 0}"
            f".{gold.get(home.language_id, 0)}.{decided.get(home.language_id, 0)}"
            f".{int(campaign.subjective)}"
        )
    return {home.pk: "" for home in campaign.languages.all()} | _with_others(campaign, homes, own)


def _with_others(
    campaign: Campaign, homes: Mapping[int, CampaignLanguage], own: Mapping[int, str]
) -> dict[int, str]:
    """Let each language's mark move also with what it takes from the others."""
    votes = pooling.Votes.in_campaign(campaign)
    tied = pooling.homes_of_people(campaign)
    marks = {}
    for pk, home in homes.items():
        others = sorted({other for there in tied.get(pk, {}).values() for other in there})
        abroad = [own.get(other, "") for other in others]
        marks[pk] = f"{own[pk]}~{pooling.short(votes.pool(home).round(4).tolist(), abroad)}"
    return marks


def _newest_answers(home: CampaignLanguage) -> list[Annotation]:
    """The newest answer of each active person on each sample, in a fixed order."""
    newest: dict[tuple[int, int], Annotation] = {}
    answers = (
        Annotation.objects.answered()
        .filter(item__campaign_language=home, annotator__active=True, label__isnull=False)
        .select_related("item", "label")
        .order_by("desk_updated_at", "pk")
    )
    for answer in answers.exclude(_of_who_decided()):
        newest[(answer.item.sample_id, answer.annotator_id)] = answer
    return [newest[key] for key in sorted(newest)]


def _of_who_decided() -> Exists:
    """An answer to a text by whoever decided it: nobody is measured on that either."""
    return Exists(
        Adjudication.objects.filter(
            sample=OuterRef("item__sample"),
            decided_by=OuterRef("annotator__user"),
            undone_at=None,
        )
    )


def _known(home: CampaignLanguage) -> dict[int, int]:
    # Nobody is measured on what they made gold themselves.
    gold = GoldItem.objects.exclude(origin=GoldItem.SPEAKERS).filter(
        sample__items__campaign_language=home
    )
    return dict(gold.values_list("sample_id", "label__position"))


def _adjudicated(home: CampaignLanguage) -> dict[int, int]:
    """What coordinators have decided, which is believed though it is not gold."""
    standing = Adjudication.objects.filter(
        undone_at=None, sample__campaign=home.campaign_id, sample__language=home.language_id
    )
    return dict(standing.values_list("sample_id", "label__position"))


@dataclass(frozen=True)
class _Table:
    """Answers as columns, with the ids that their numbers stand for."""

    answers: aggregation.Answers
    samples: list[int]
    people: list[int]
    said: list[Annotation]

    @classmethod
    def of(
        cls, said: list[Annotation], *, labels: Sequence[Label], known: Mapping[int, int]
    ) -> "_Table":
        samples = sorted({answer.item.sample_id for answer in said})
        people = sorted({answer.annotator_id for answer in said})
        item_of = {pk: number for number, pk in enumerate(samples)}
        person_of = {pk: number for number, pk in enumerate(people)}
        columns = np.array(
            [
                (
                    item_of[answer.item.sample_id],
                    person_of[answer.annotator_id],
                    answer.label.position if answer.label else 0,
                )
                for answer in said
            ],
            dtype=np.int64,
        ).reshape(-1, 3)
        answers = aggregation.Answers(
            item=columns[:, 0],
            person=columns[:, 1],
            label=columns[:, 2],
            known=np.array([known.get(pk, aggregation.UNKNOWN) for pk in samples], dtype=np.int64),
            people=len(people),
            labels=len(labels),
        )
        return cls(answers, samples, people, said)


def _elsewhere(
    home: CampaignLanguage, table: _Table, labels: Sequence[Label]
) -> aggregation.Elsewhere | None:
    tied = pooling.homes_of_people(home.campaign).get(home.pk, {})
    if not tied:
        return None
    homes = {other.pk: other for other in home.campaign.languages.all()}

    def table_of(pk: int) -> tuple[aggregation.Answers, list[int]]:
        there = homes[pk]
        found = _Table.of(_newest_answers(there), labels=labels, known=_known(there))
        return found.answers, found.people

    return pooling.elsewhere(table.people, tied=tied, table_of=table_of)


def _targets(
    table: _Table,
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
    table: _Table,
    people: aggregation.Fit,
    targets: aggregation.Floats | None,
    *,
    labels: Sequence[Label],
    gold: Mapping[int, int],
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
        if sample in gold:
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
    home: CampaignLanguage,
    table: _Table,
    people: aggregation.Fit,
    *,
    gold: Mapping[int, int],
    now: datetime,
) -> int:
    ours = Reliability.objects.filter(
        campaign=home.campaign_id, annotator__language=home.language_id
    )
    gone, _ = ours.exclude(annotator__in=table.people).delete()
    there = {reliability.annotator_id: reliability for reliability in ours}
    rows = _reliability_rows(table, people, gold=gold)
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


def _reliability_rows(
    table: _Table, people: aggregation.Fit, *, gold: Mapping[int, int]
) -> dict[int, dict[str, Any]]:
    is_gold = np.array([sample in gold for sample in table.samples], dtype=bool)
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
