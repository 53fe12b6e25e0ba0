"""What a campaign looks like on a Monday morning; its parts come from the neighbours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from annotation.models import Annotation, Campaign, CampaignLanguage, Sample
from learning.models import Deployment, ModelVersion, Round
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


def list_campaigns(campaigns: "QuerySet[Campaign]") -> list[CampaignRow]:
    """Each campaign with its size and the round it is at; a fixed number of queries."""
    languages = _counts(CampaignLanguage.objects.values_list("campaign").annotate(Count("id")))
    samples = _counts(Sample.objects.order_by().values_list("campaign").annotate(Count("id")))
    answers = _counts(
        Annotation.objects.answered()
        .order_by()
        .values_list("item__campaign_language__campaign")
        .annotate(Count("id"))
    )
    rounds: dict[int, Round] = {}
    for round_ in Round.objects.order_by("number").defer("note"):
        rounds[round_.campaign_id] = round_
    return [
        CampaignRow(
            campaign=campaign,
            languages=languages.get(campaign.pk, 0),
            samples=samples.get(campaign.pk, 0),
            answers=answers.get(campaign.pk, 0),
            round=rounds.get(campaign.pk),
        )
        for campaign in campaigns
    ]


def overview_of(campaign: Campaign) -> Overview:
    """Everything the campaign's page shows; the number of queries does not grow with it."""
    rounds = list(
        campaign.rounds.select_related("version", "training_run")
        .prefetch_related("training_run__gates")
        .order_by("-number")[:MOST_ROUNDS]
    )
    deployment = Deployment.objects.serving(campaign)
    serving = deployment.version if deployment else None
    languages = standings_of(campaign, rounds=rounds, serving=serving)
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
        columns=[*columns, _("now")] if serving and rounds else columns,
    )


def _counts(rows: Iterable[tuple[int, int]]) -> dict[int, int]:
    return dict(rows)
