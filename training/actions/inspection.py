"""Inspection: where a campaign stands, as plain values for terminals and programs."""

from typing import Any

from django.db.models import Count
from django.utils import timezone

from annotation.models import Campaign, GoldItem, Sample, SampleImport
from learning.actions.outlook import OutlookRow, outlook_of
from learning.models import Deployment, Round
from training.actions.standings import standings_of
from training.models import GateRun

MOST_ROUNDS = 10


def inspect(campaign: Campaign) -> dict[str, Any]:
    """Return everything about a campaign that fits on a screen; only JSON's own types."""
    rounds = list(campaign.rounds.order_by("-number")[:MOST_ROUNDS])
    deployment = Deployment.objects.serving(campaign)
    gate = (
        GateRun.objects.filter(run__campaign=campaign)
        .select_related("candidate", "champion")
        .order_by("-created_at", "-pk")
        .first()
    )
    return {
        "campaign": campaign.slug,
        "title": campaign.title,
        "question": campaign.question,
        "status": campaign.status,
        "labels": [label.key for label in campaign.labels.all()],
        "languages": _languages(campaign),
        "imports": [_import(one) for one in campaign.imports.order_by("-pk")[:MOST_ROUNDS]],
        "rounds": [_round(one) for one in rounds],
        "serving": str(deployment.version) if deployment else None,
        "last_gate": _gate(gate) if gate else None,
        "outlook": [_outlook(row) for row in outlook_of(campaign)],
    }


def _languages(campaign: Campaign) -> list[dict[str, Any]]:
    pool = dict(
        Sample.objects.pool()
        .filter(campaign=campaign)
        .order_by()
        .values_list("language")
        .annotate(Count("pk"))
    )
    gold = {
        (language, split): count
        for language, split, count in GoldItem.objects.filter(
            sample__campaign=campaign, retired_at=None
        )
        .order_by()
        .values_list("sample__language", "split")
        .annotate(Count("pk"))
    }
    return [
        {
            "language": row.home.language.tag,
            "active": row.home.active,
            "annotators": row.people,
            "guideline": row.guideline,
            "pool": pool.get(row.home.language_id, 0),
            "gold_dev": gold.get((row.home.language_id, GoldItem.Split.DEV), 0),
            "gold_gate": gold.get((row.home.language_id, GoldItem.Split.GATE), 0),
            "asked": row.asked,
            "answered": row.answered,
            "quarantined": row.quarantined,
        }
        for row in standings_of(campaign, rounds=[], serving=None, now=timezone.now())
    ]


def _import(job: SampleImport) -> dict[str, Any]:
    return {
        "number": job.pk,
        "file": job.filename,
        "status": job.status,
        "rows_read": job.rows_read,
        "rows_kept": job.rows_kept,
        "rows_refused": job.rows_refused,
        "rows_skipped": job.rows_skipped,
        "share_read": round(job.bytes_read / job.bytes_total, 3) if job.bytes_total else 0,
        "error": job.error,
    }


def _round(one: Round) -> dict[str, Any]:
    return {
        "number": one.number,
        "status": one.status,
        "opened": one.opened_at.isoformat(),
        "closed": one.closed_at.isoformat() if one.closed_at else None,
        "note": one.note,
    }


def _outlook(row: OutlookRow) -> dict[str, Any]:
    """What more labels would buy, and what choosing gained: value, low and high, or nulls."""
    said, gain = row.said, row.gain
    return {
        "language": row.home.language.tag,
        "labels": said.labels if said else None,
        "gain_per_100": [said.gain, said.gain_low, said.gain_high] if said else None,
        "may_stop": row.may_stop,
        "stopped": row.stopped,
        "why": row.reasons,
        "selection_gain": [gain.value, gain.low, gain.high] if gain else None,
        "selection_shown": row.shown,
    }


def _gate(gate: GateRun) -> dict[str, Any]:
    return {
        "verdict": gate.verdict,
        "candidate": str(gate.candidate),
        "champion": str(gate.champion),
        "reasons": list(gate.reasons),
    }
