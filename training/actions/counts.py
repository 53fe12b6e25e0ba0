"""Counts of a campaign's texts and answers, language by language; kept where counting takes long."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count as Tally
from django.db.models import Min, Q, QuerySet

from annotation.actions.agreement import AGREEMENT, count_agreement
from annotation.actions.hours import timed_seconds
from annotation.actions.kept_numbers import (
    MANY_ROWS,
    Count,
    Counter,
    claim_due,
    count_anew,
    kept_for,
    numbers_of,
)
from annotation.actions.people_tables import GIVEN, count_given
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    CampaignLanguage,
    Item,
    KeptNumbers,
    Sample,
)
from annotation.models.samples import SampleQuerySet

TEXTS, SPENT, LATELY = "texts", "spent", "lately-"
# Spans that the campaign's page offers.
DAYS = (7, 30)
# A campaign language's key, then its numbers.
Row = list[Any]


class Texts(NamedTuple):
    """Texts of a language: all, those never put to anybody, and items asked and answered."""

    all: int = 0
    pool: int = 0
    asked: int = 0
    answered: int = 0


class Spent(NamedTuple):
    """What speakers gave in one language of a campaign."""

    answers: int = 0
    people: int = 0
    seconds: float = 0.0


def texts_in(campaigns: Sequence[Campaign], *, now: datetime) -> dict[int, Texts]:
    """Return the :class:`Texts` of these campaigns by campaign language.

    A language that joined since numbers were kept is counted at the look.
    """
    found = numbers_of(campaigns, name=TEXTS, count=count_texts, now=now)
    told = {home: Texts(*row) for one in found.values() for home, *row in one.value}
    kept = [campaign for campaign, numbers in found.items() if numbers.at is not None]
    joined = CampaignLanguage.objects.filter(campaign__in=kept).exclude(pk__in=told)
    return told | {home.pk: _joins(home) for home in joined}


def spent_in(campaigns: Sequence[Campaign], *, now: datetime) -> dict[int, Spent]:
    """Return what speakers gave (:class:`Spent`), by campaign language.

    A look of over five minutes counts as five. Simulated annotators have no time that anybody pays;
    what they gave is counted all the same, so that a demo shows what it would.
    """
    found = numbers_of(campaigns, name=SPENT, count=count_spent, now=now).values()
    return {home: Spent(*told) for one in found for home, *told in one.value}


def counted_at(campaign: Campaign) -> datetime | None:
    """When what the campaign's page shows was counted; none where everything was at the look."""
    names = (TEXTS, SPENT, *(f"{LATELY}{days}" for days in DAYS))
    kept = KeptNumbers.objects.filter(campaign=campaign, name__in=names, value__isnull=False)
    at: datetime | None = kept.aggregate(at=Min("taken_at"))["at"]
    return at


def pool_of(home: CampaignLanguage) -> int:
    """How many texts of a language were never put to anybody; of a large campaign as it is kept."""
    kept = kept_for(home.campaign_id, name=TEXTS)
    known = {pk: Texts(*told).pool for pk, *told in kept.value} if kept else {}
    return known[home.pk] if home.pk in known else _samples_of(home).unasked().count()


def _joins(home: CampaignLanguage) -> Texts:
    """Count a language that is not among what is kept, and keep it there until all is counted anew."""
    texts = _texts_of(home)
    with transaction.atomic():
        rows = KeptNumbers.objects.select_for_update().filter(campaign=home.campaign_id, name=TEXTS)
        for row in rows:
            if row.value is not None and home.pk not in {pk for pk, *_ in row.value}:
                row.value = [*row.value, [home.pk, *texts]]
                row.save(update_fields=["value"])
    return texts


def _samples_of(home: CampaignLanguage) -> SampleQuerySet:
    return Sample.objects.filter(campaign=home.campaign_id, language=home.language_id)


def _texts_of(home: CampaignLanguage) -> Texts:
    """Count one language alone."""
    samples = _samples_of(home)
    put = home.items.exclude(state=Item.State.WITHDRAWN)
    answered = put.filter(state=Item.State.ANSWERED)
    return Texts(samples.count(), samples.unasked().count(), put.count(), answered.count())


def claim_counts(now: datetime) -> list[tuple[int, str]]:
    """Claim every count that is due; return campaigns' keys and names, each for one worker."""
    return [(pk, name) for name in _counters(now) for pk in claim_due(name, now=now)]


def renew_count(campaign: int, *, name: str, now: datetime) -> None:
    """Do one count that was claimed."""
    found = Campaign.objects.filter(pk=campaign).first()
    if found is not None:
        count_anew(found, name=name, count=_counters(now)[name], now=now)


def _counters(now: datetime) -> dict[str, Counter]:
    spans = {f"{LATELY}{days}": partial(count_lately, days=days, now=now) for days in DAYS}
    counters: dict[str, Counter] = {TEXTS: count_texts, SPENT: count_spent, GIVEN: count_given}
    return counters | {AGREEMENT: count_agreement} | spans


def lately(campaign: Campaign, *, since: datetime, days: int) -> Spent:
    """What speakers gave from a moment on; of a large campaign as it is kept for so many days."""
    kept = kept_for(campaign, name=f"{LATELY}{days}")
    return Spent(*kept.value) if kept is not None else _spent_since(campaign, since)


def count_lately(campaigns: Sequence[Campaign], *, days: int, now: datetime) -> dict[int, Count]:
    """Count what was given in the last days, for :func:`lately`."""
    since = now - timedelta(days=days)
    found = {campaign.pk: _spent_since(campaign, since) for campaign in campaigns}
    return {pk: Count(list(spent), spent.answers >= MANY_ROWS) for pk, spent in found.items()}


def _spent_since(campaign: Campaign, moment: datetime) -> Spent:
    given = Annotation.objects.answered().filter(
        item__campaign_language__campaign=campaign, created_at__gte=moment
    )
    numbers = given.aggregate(
        answers=Tally("pk"),
        people=Tally("annotator", distinct=True),
        seconds=timed_seconds(),
    )
    return Spent(numbers["answers"], numbers["people"], numbers["seconds"])


def count_texts(campaigns: Sequence[Campaign]) -> dict[int, Count]:
    """Count texts and items; ``value`` has a row each of a campaign language and its numbers."""
    samples = Sample.objects.filter(campaign__in=campaigns).order_by()
    everything = _by_two(samples.values_list("campaign", "language"))
    pool = _by_two(samples.unasked().values_list("campaign", "language"))
    items = Item.objects.filter(campaign_language__campaign__in=campaigns).order_by()
    put = items.exclude(state=Item.State.WITHDRAWN).values_list("campaign_language")
    asked = dict(put.annotate(Tally("pk")))
    answered = dict(put.filter(state=Item.State.ANSWERED).annotate(Tally("pk")))
    rows: dict[int, list[Row]] = {campaign.pk: [] for campaign in campaigns}
    for home in CampaignLanguage.objects.filter(campaign__in=campaigns):
        place = (home.campaign_id, home.language_id)
        mine = [everything.get(place, 0), pool.get(place, 0)]
        mine += [asked.get(home.pk, 0), answered.get(home.pk, 0)]
        rows[home.campaign_id].append([home.pk, *mine])
    return {pk: Count(mine, _rows_in(mine) >= MANY_ROWS) for pk, mine in rows.items()}


def count_spent(campaigns: Sequence[Campaign]) -> dict[int, Count]:
    """Count answers, people and seconds; ``value`` is as that of :func:`count_texts`."""
    people = Q(annotator__kind=Annotator.Kind.PERSON)
    found = (
        Annotation.objects.answered()
        .filter(item__campaign_language__campaign__in=campaigns)
        .order_by()
        .values_list("item__campaign_language__campaign", "item__campaign_language")
        .annotate(
            answers=Tally("pk"),
            people=Tally("annotator", distinct=True, filter=people),
            seconds=timed_seconds(),
        )
    )
    rows: dict[int, list[Row]] = {campaign.pk: [] for campaign in campaigns}
    for campaign, *mine in found:
        rows[campaign].append(mine)
    return {pk: Count(mine, _rows_in(mine) >= MANY_ROWS) for pk, mine in rows.items()}


def _by_two(rows: "QuerySet[Sample, tuple[int, int]]") -> dict[tuple[int, int], int]:
    return {(one, other): n for one, other, n in rows.annotate(Tally("pk"))}


def _rows_in(rows: Iterable[Row]) -> int:
    return sum(int(row[1]) for row in rows)
