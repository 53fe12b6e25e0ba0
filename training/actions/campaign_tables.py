"""Every table of a campaign's page as columns, for a spreadsheet."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.utils import timezone

from annotation.methods.texts import shown
from annotation.models import Campaign
from learning.actions.outlook import outlook_of
from learning.models import SelectionGain
from training.actions.overview import CampaignRow, Overview, overview_of
from training.actions.parity import parity_of
from training.actions.run_rows import RUNS, row_of, runs_of, told
from training.actions.version_rows import version_rows
from training.models import TrainingRun

Table = tuple[Sequence[str], Iterable[Sequence[Any]]]


def campaigns(rows: Iterable[CampaignRow]) -> Table:
    """The campaigns that somebody watches, one a line."""
    told = [
        (
            *(row.campaign.slug, row.campaign.title, row.campaign.question, row.campaign.status),
            *(row.languages, row.samples, row.answers),
            *((row.round.number, row.round.status) if row.round else (None, None)),
        )
        for row in rows
    ]
    head = ("campaign", "title", "question", "status", "languages", "texts", "answers")
    return (*head, "round", "round_status"), told


def languages(campaign: Campaign) -> Table:
    """Where each language stands."""
    head = ("language", "name", "accuracy", "accuracy_low", "accuracy_high", "answered", "asked")
    rows: list[Sequence[Any]] = [
        (
            row.home.language.tag,
            row.home.language.name,
            *(row.metric.value, row.metric.low, row.metric.high),
            *(row.answered, row.asked, row.pool, row.gold, row.people),
            *(row.quarantined, row.guideline or None),
        )
        for row in overview_of(campaign, now=timezone.now()).languages
    ]
    return (*head, "pool", "gold", "people", "quarantined", "guideline"), rows


def trends(campaign: Campaign) -> Table:
    """Accuracy of what served when each round opened."""
    overview: Overview = overview_of(campaign, now=timezone.now())
    rows = [
        (row.home.language.tag, column, point.value, point.low, point.high)
        for row in overview.languages
        for column, point in zip(overview.columns, row.trend, strict=False)
    ]
    return ("language", "when", "accuracy", "low", "high"), list(rows)


def cost(campaign: Campaign) -> Table:
    """What speakers gave, and what a point of accuracy took."""
    head = ("language", "labels", "people", "seconds", "gain", "gain_low", "gain_high")
    rows = []
    for row in parity_of([campaign], now=timezone.now()):
        known, price = row.figures, row.cost
        gain = (known.gain, known.gain_low, known.gain_high) if known else (None,) * 3
        spent = (row.spent.answers, row.spent.people, round(row.spent.seconds))
        each = (price.value, price.low, price.high) if price else (None,) * 3
        rows.append((row.language.tag, *spent, *gain, *each))
    return (*head, "seconds_per_point", "per_point_low", "per_point_high"), list(rows)


def gains(campaign: Campaign) -> Table:
    """Chosen labels against random ones, round by round."""
    found = SelectionGain.objects.filter(round__campaign=campaign).select_related(
        "round", "campaign_language__language"
    )
    rows = [
        (
            one.campaign_language.language.tag,
            *(one.round.number, one.labels, one.gold, one.value, one.low, one.high),
            *(one.chosen, one.chosen_low, one.chosen_high),
            *(one.random, one.random_low, one.random_high),
        )
        for one in found.order_by("campaign_language__language__tag", "round__number")
    ]
    head = ("language", "round", "labels", "gold", "gain", "low", "high", "chosen", "chosen_low")
    return (*head, "chosen_high", "random", "random_low", "random_high"), rows


def outlook(campaign: Campaign) -> Table:
    """What more labels would buy, and whether a language may stop."""
    rows = []
    for row in outlook_of(campaign):
        said = row.said
        told = (said.labels, said.gain, said.gain_low, said.gain_high, said.verdict) if said else ()
        why = "; ".join(row.reasons)
        rows.append((row.home.language.tag, *(told or (None,) * 5), row.stopped, why))
    head = ("language", "labels", "gain_of_100", "low", "high", "verdict", "stopped", "why")
    return head, list(rows)


def rounds(campaign: Campaign) -> Table:
    """The rounds with what came of them."""
    rows = []
    for one in overview_of(campaign, now=timezone.now()).rounds:
        run: TrainingRun | None = getattr(one, "training_run", None)
        gate = run.gate if run else None
        moments = (one.opened_at.isoformat(), one.closed_at.isoformat() if one.closed_at else None)
        what = (one.number, one.status, one.strategy, one.target, one.shortfall)
        came = (run.pk if run else None, gate.verdict if gate else None)
        rows.append((*what, *came, *moments, one.note))
    head = ("round", "status", "strategy", "due", "short_by", "run", "gate", "opened", "closed")
    return (*head, "note"), list(rows)


def runs(campaign: Campaign) -> Table:
    """The runs with what came of them."""
    return RUNS, (row_of(told(run)) for run in runs_of(campaign).iterator(chunk_size=200))


def versions(campaign: Campaign) -> Table:
    """Every version with its mean and its worst language."""
    rows = campaign.model_versions.select_related("base").defer("manifest", "base__manifest")
    told = [
        (
            *(row.version.number, row.version.digest),
            row.version.base.number if row.version.base else None,
            *(row.mean.value, row.mean.low, row.mean.high),
            row.worst_language.tag if row.worst_language else "",
            *(row.worst.value, row.worst.low, row.worst.high, row.languages),
            row.version.created_at.isoformat(),
        )
        for row in version_rows(list(rows.order_by("-number")))
    ]
    head = ("version", "sha256", "from", "mean", "mean_low", "mean_high", "worst_language")
    return (*head, "worst", "worst_low", "worst_high", "languages", "made"), told


def moves(campaign: Campaign) -> Table:
    """What served when, and who moved it."""
    rows = campaign.deployments.select_related("version", "actor").order_by("-number")
    told = (
        (
            *(one.number, one.version.number, one.kind, one.reason),
            one.actor.username if one.actor else "",
            one.created_at.isoformat(),
        )
        for one in rows.iterator(chunk_size=200)
    )
    return ("number", "version", "kind", "reason", "by", "when"), told


def cases(campaign: Campaign) -> Table:
    """The regression cases with their right answers."""
    rows = campaign.regression_cases.select_related("language").prefetch_related("expected")
    told = (
        (
            *(one.language.tag, shown(one.text)),
            "; ".join(label.key for label in one.expected.all()),
            *(one.source, one.active),
        )
        for one in rows.order_by("pk").iterator(chunk_size=200)
    )
    return ("language", "text", "right", "source", "asked"), told


def imports(campaign: Campaign) -> Table:
    """The files that came in."""
    columns = ("filename", "format", "status", "rows_read", "rows_kept", "rows_refused")
    rows = campaign.imports.order_by("-created_at").values_list(*columns, "created_at")
    head = ("file", "format", "status", "read", "kept", "refused", "when")
    return head, rows.iterator(chunk_size=200)


# What only those who lead may see, as on the pages that show it.
LED: dict[str, Callable[[Campaign], Table]] = {"cases": cases, "imports": imports}
TABLES: dict[str, Callable[[Campaign], Table]] = {
    "languages": languages,
    "trends": trends,
    "cost": cost,
    "gains": gains,
    "outlook": outlook,
    "rounds": rounds,
    "runs": runs,
    "versions": versions,
    "deployments": moves,
}
