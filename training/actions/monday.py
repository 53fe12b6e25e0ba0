"""Monday: what happened in a campaign since somebody last looked, what it cost, what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Sum
from django.utils.translation import gettext as _

from annotation.methods.charts import Estimate
from annotation.models import Campaign, CampaignLanguage, SampleImport
from learning.models import Round, SelectionGain
from training.actions.counts import Spent, lately
from training.actions.needs import Event, Need, events_of
from training.actions.parity import ParityRow
from training.models import TrainingRun

MOST_EVENTS = 14
# Of each kind; what is older than the newest so many is told by the tables below.
LOOKED_AT = 60
IMPORTING = (SampleImport.Status.QUEUED, SampleImport.Status.RUNNING)


@dataclass(frozen=True)
class Since:
    """What happened from a moment on."""

    at: datetime
    spent: Spent
    texts: int
    rounds: int
    promotions: int
    events: Sequence[Event] = field(default=())
    more: int = 0


@dataclass(frozen=True)
class GainPoint:
    """What was found in one round: as many chosen and random labels, and what each taught."""

    number: int
    labels: int
    gain: Estimate
    chosen: Estimate
    random: Estimate


@dataclass(frozen=True)
class GainCurve:
    """What choosing taught beside chance in one language, round by round, with 95 % intervals."""

    home: CampaignLanguage
    points: Sequence[GainPoint]

    @property
    def last(self) -> GainPoint:
        """What was found last."""
        return self.points[-1]


def since(campaign: Campaign, moment: datetime, *, days: int = 0) -> Since:
    """Sum up a campaign from a moment on, which lies ``days`` back if that is one of the page's spans.

    The number of queries does not grow with it.
    """
    texts = campaign.imports.filter(finished_at__gte=moment).aggregate(n=Sum("rows_kept"))["n"]
    moves = campaign.deployments.filter(created_at__gte=moment, kind="promotion")
    events = [event for event in _events(campaign) if event.at >= moment]
    return Since(
        at=moment,
        spent=lately(campaign, since=moment, days=days),
        texts=texts or 0,
        rounds=campaign.rounds.filter(closed_at__gte=moment, status=Round.Status.CLOSED).count(),
        promotions=moves.count(),
        events=events[:MOST_EVENTS],
        more=max(len(events) - MOST_EVENTS, 0),
    )


def _events(campaign: Campaign) -> list[Event]:
    """Everything that happened lately, the newest first; what people changed, too."""
    happened = events_of(campaign, most=LOOKED_AT)
    ended = TrainingRun.objects.filter(
        campaign=campaign, status__in=("failed", "aborted"), finished_at__isnull=False
    )
    happened += [
        Event(
            run.finished_at,
            (_("Run %d failed.") if run.status == "failed" else _("Run %d was aborted.")) % run.pk,
        )
        for run in ended.order_by("-finished_at")[:LOOKED_AT]
        if run.finished_at
    ]
    for changes, sentence in (
        (campaign.quota_changes, _("The quota was changed.")),
        (campaign.gate_changes.filter(wish=False), _("The gate's settings were changed.")),
    ):
        moments = changes.order_by("-created_at").values_list("created_at", flat=True)
        happened += [Event(at, sentence) for at in moments[:LOOKED_AT]]
    return sorted(happened, key=lambda event: event.at, reverse=True)


def total_of(rows: Sequence[ParityRow]) -> Spent:
    """What speakers gave in all, in all languages; people are not added up: some know two."""
    return Spent(
        answers=sum(row.spent.answers for row in rows),
        seconds=sum(row.spent.seconds for row in rows),
    )


def gain_curves(campaign: Campaign) -> list[GainCurve]:
    """Return what choosing taught beside chance, for every language in which that was measured."""
    rows = SelectionGain.objects.filter(round__campaign=campaign, value__isnull=False)
    found: dict[CampaignLanguage, list[GainPoint]] = {}
    for row in rows.select_related("campaign_language__language", "round").order_by(
        "campaign_language__language__tag", "round__number"
    ):
        point = GainPoint(
            number=row.round.number,
            labels=row.labels,
            gain=Estimate(row.value, row.low, row.high),
            chosen=Estimate(row.chosen, row.chosen_low, row.chosen_high),
            random=Estimate(row.random, row.random_low, row.random_high),
        )
        found.setdefault(row.campaign_language, []).append(point)
    return [GainCurve(home, points) for home, points in found.items()]


def imports_under_way(campaign: Campaign) -> list[SampleImport]:
    """Return the files that are being read, or wait to be."""
    return list(campaign.imports.filter(status__in=IMPORTING).order_by("created_at")[:5])


def next_step(campaign: Campaign, needs: Sequence[Need]) -> str:
    """Say in one sentence what to do next, or that nothing is left to do."""
    if needs:
        return needs[0].sentence
    return {
        Campaign.Status.RUNNING: _("Nothing needs you: rounds go on by themselves."),
        Campaign.Status.PAUSED: _("Go on when you like: nothing new is asked until then."),
        Campaign.Status.FINISHED: _(
            "It is over. Take the tables with you, or look at the versions."
        ),
    }.get(Campaign.Status(campaign.status), _("Start it when texts and people are there."))
