"""Progress: what somebody has done in each language and campaign, and what waits for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from annotation.actions.hours import Work, own_work
from annotation.actions.reservations import waiting_for
from annotation.actions.standings import standing_of
from annotation.actions.welcome import Place, places_of
from annotation.models import Campaign, Concern, Standing, User

WEEK = timedelta(days=7)
WEEKS_SHOWN = 8
# Before anything was ever answered here.
BEGINNING = date(2000, 1, 1)


@dataclass(frozen=True)
class Progress:
    """One place of a person: their work there, what waits, what their answers are worth.

    ``weeks`` are the newest first, each with its Monday; ``notes`` are private ones that are open.
    """

    place: Place
    week: Work
    whole: Work
    weeks: Sequence[tuple[date, Work]]
    waiting: int
    standing: Standing
    notes: Sequence[Concern]

    @property
    def paused(self) -> bool:
        """Whether nothing is asked there for now."""
        return self.place.home.campaign.status == Campaign.Status.PAUSED


def monday_of(now: datetime) -> date:
    """The Monday of the week that it is where the installation is."""
    today = timezone.localdate(now)
    return today - timedelta(days=today.weekday())


def progress_of(user: User, *, now: datetime) -> list[Progress]:
    """Return how far somebody is in each place where they answer now."""
    return [_progress(place, now=now) for place in places_of(user)]


def _progress(place: Place, *, now: datetime) -> Progress:
    who, home, monday = place.annotator, place.home, monday_of(now)
    mondays = [monday - WEEK * number for number in range(WEEKS_SHOWN)]
    weeks = [
        (day, own_work(who, home=home, since=day, until=day + WEEK - timedelta(days=1)))
        for day in mondays
    ]
    return Progress(
        place=place,
        week=weeks[0][1],
        whole=own_work(who, home=home, since=BEGINNING, until=timezone.localdate(now)),
        weeks=[(day, work) for day, work in weeks if work.items],
        waiting=waiting_for(who, home=home, now=now),
        standing=standing_of(who, home.campaign),
        notes=list(Concern.objects.filter(annotator=who, campaign_language=home, closed_at=None)),
    )
