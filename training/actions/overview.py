"""What a campaign looks like on a Monday morning; its parts come from the neighbours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from annotation.actions.kept_numbers import numbers_of
from annotation.models import Campaign, CampaignLanguage
from learning.models import Deployment, ModelVersion, Round
from training.actions.counts import SPENT, TEXTS, count_spent, count_texts
from training.actions.needs import Event, Need, events_of, needs_of
from training.actions.standings import LanguageRow, standings_of

MOST_ROUNDS = 30


@dataclass(frozen=True)
class Overview:
    """One campaign, ready to be shown."""

    campaign: Campaign
    languages: Sequence[LanguageRow]
    rounds: Sequence[Round]
    serving: ModelVersion | None
    mean: float | None
    needs: Sequence[Need]
    events: Sequence[Event]
    columns: Sequence[str] = field(default=())


@dataclass(frozen=True)
class CampaignRow:
    """One campaign in the list."""

    campaign: Campaign
    languages: int
    samples: int
    answers: int
    round: Round | None


def list_campaigns(campaigns: "QuerySet[Campaign]", *, now: datetime) -> list[CampaignRow]:
    """Each campaign with its size and the round it is at; a fixed number of queries."""
    languages = _counts(CampaignLanguage.objects.values_list("campaign").annotate(Count("id")))
    listed = list(campaigns)
    texts = numbers_of(listed, name=TEXTS, count=count_texts, now=now)
    spent = numbers_of(listed, name=SPENT, count=count_spent, now=now)
    rounds: dict[int, Round] = {}
    for round_ in Round.objects.order_by("number").defer("note"):
        rounds[round_.campaign_id] = round_
    return [
        CampaignRow(
            campaign=campaign,
            languages=languages.get(campaign.pk, 0),
            samples=sum(row[1] for row in texts[campaign.pk].value),
            answers=sum(row[1] for row in spent[campaign.pk].value),
            round=rounds.get(campaign.pk),
        )
        for campaign in listed
    ]


def overview_of(campaign: Campaign, *, now: datetime) -> Overview:
    """Everything the campaign's page shows; the number of queries does not grow with it."""
    rounds = list(
        campaign.rounds.select_related("version", "training_run")
        .prefetch_related("training_run__gates")
        .order_by("-number")[:MOST_ROUNDS]
    )
    deployment = Deployment.objects.serving(campaign)
    serving = deployment.version if deployment else None
    languages = standings_of(campaign, rounds=rounds, serving=serving, now=now)
    known = [row.metric.value for row in languages if row.metric.value is not None]
    columns = [_("Round %d") % r.number for r in reversed(rounds)]
    return Overview(
        campaign=campaign,
        languages=languages,
        rounds=rounds,
        serving=serving,
        mean=sum(known) / len(known) if known else None,
        needs=needs_of(campaign, languages=languages, rounds=rounds),
        events=events_of(campaign),
        columns=[*columns, pgettext("what serves", "now")] if serving and rounds else columns,
    )


def _counts(rows: Iterable[tuple[int, int]]) -> dict[int, int]:
    return dict(rows)
