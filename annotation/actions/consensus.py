"""Consensus: what the answers of one language amount to, and how far each person is relied on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from annotation.actions.estimates import Priors, Question, shape_of
from annotation.actions.pooling import Standings
from annotation.models import (
    Campaign,
    CampaignLanguage,
    Consensus,
    Language,
    Reliability,
)

BATCH = 500


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
    standings = standings or Standings.of(campaign)
    mark = standings.mark(home)
    labels = list(campaign.labels.order_by("position"))
    found = shape_of(campaign).estimate(Question(home, labels, standings, priors))
    changed, removed = _write_consensus(home, found.consensus, now)
    people_changed = _write_reliabilities(home, found.reliabilities, now)
    home.consensus_mark = mark
    home.save(update_fields=["consensus_mark"])
    return RefitResult(found.answers, found.samples, changed, removed, people_changed)


def stale_languages(campaign: Campaign, *, standings: Standings | None = None) -> list[Language]:
    """Languages whose answers, people or known answers changed since their last refit."""
    standings = standings or Standings.of(campaign)
    homes = campaign.languages.select_related("language")
    return [home.language for home in homes if home.consensus_mark != standings.mark(home)]


def people_on_gold(home: CampaignLanguage, *, samples: Sequence[int]) -> dict[int, list[float]]:
    """Return what people's answers make of gold items, each in a fold where it is not known.

    By the same estimate as a refit makes, so that gold and what has no gold are spoken of alike.
    """
    return shape_of(home.campaign).on_gold(home, samples=samples)


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
    home: CampaignLanguage, rows: Mapping[int, dict[str, Any]], now: datetime
) -> int:
    ours = Reliability.objects.filter(
        campaign=home.campaign_id, annotator__language=home.language_id
    )
    gone, _ = ours.exclude(annotator__in=list(rows)).delete()
    there = {reliability.annotator_id: reliability for reliability in ours}
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
