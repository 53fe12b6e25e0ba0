"""Kept numbers: what would take too long at every look is counted by a worker, and shown with its time.

While a campaign is small everything is counted at the look, and is true to the moment. Once a count
calls itself costly, or took a worker long, it is kept and counted anew by the timetable, the seldomer
the longer it takes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from django.db.models import F, Q, QuerySet, Sum

from annotation.models import Campaign, KeptNumbers

# From so many rows on counting is left to a worker; two queries read as many in some .1 s.
MANY_ROWS = 50_000
# What took a worker longer is kept, however little was found.
LONG_S = 0.2
SOONEST = timedelta(seconds=60)
# Counting may take a fiftieth of a worker's time.
SHARE = 50
# Whoever began longer ago than this was killed.
GIVEN_UP = timedelta(hours=1)


@dataclass(frozen=True)
class Count:
    """What was counted, as JSON, and whether that is too much for a look."""

    value: Any
    costly: bool


@dataclass(frozen=True)
class Numbers:
    """What is known; ``at`` tells when it was counted, where that was not this moment."""

    value: Any
    at: datetime | None = None


# Counts some campaigns by their keys, in a number of queries that does not grow with them.
Counter = Callable[[Sequence[Campaign]], Mapping[int, Count]]


def kept_for(campaign: Campaign | int, *, name: str) -> Numbers | None:
    """What is kept of a campaign; none where it is to be counted at the look."""
    row = KeptNumbers.objects.filter(campaign=campaign, name=name, value__isnull=False).first()
    return Numbers(row.value, row.taken_at) if row is not None else None


def numbers_of(
    campaigns: Sequence[Campaign], *, name: str, count: Counter, now: datetime
) -> dict[int, Numbers]:
    """Return the numbers of each campaign by its key: kept ones where there are, else counted now."""
    kept = KeptNumbers.objects.filter(campaign__in=campaigns, name=name, value__isnull=False)
    found = {row.campaign_id: Numbers(row.value, row.taken_at) for row in kept}
    rest = [campaign for campaign in campaigns if campaign.pk not in found]
    if rest:
        begun = perf_counter()
        counted = count(rest)
        took = (perf_counter() - begun) / len(rest)
        for campaign in rest:
            one = counted[campaign.pk]
            found[campaign.pk] = Numbers(one.value)
            if one.costly:
                _keep(campaign.pk, name=name, value=one.value, took=took, now=now)
    return found


def claim_due(name: str, *, now: datetime) -> list[int]:
    """Say that counting begins where it is due, and nobody is at it; return the campaigns' keys.

    Large campaigns are counted before anybody looks. What is not counted within the hour, since
    whoever claimed it died or failed, is due again.
    """
    KeptNumbers.objects.bulk_create(
        [
            KeptNumbers(campaign=campaign, name=name, taken_at=now - GIVEN_UP, took_s=0.0)
            for campaign in _large().exclude(kept_numbers__name=name)
        ],
        ignore_conflicts=True,
    )
    free = Q(begun_at=None) | Q(begun_at__lte=F("taken_at")) | Q(begun_at__lt=now - GIVEN_UP)
    mine = []
    for row in KeptNumbers.objects.filter(name=name).defer("value"):
        patience = max(SOONEST, timedelta(seconds=SHARE * row.took_s))
        due = KeptNumbers.objects.filter(free, pk=row.pk, taken_at__lte=now - patience)
        if due.update(begun_at=now):
            mine.append(row.campaign_id)
    return mine


def count_anew(campaign: Campaign, *, name: str, count: Counter, now: datetime) -> None:
    """Count what was claimed; what is neither costly nor took long is counted at the look from now on."""
    begun = perf_counter()
    one = count([campaign])[campaign.pk]
    took = perf_counter() - begun
    large = _large().filter(pk=campaign.pk).exists()
    if one.costly or (large and took > LONG_S):
        _keep(campaign.pk, name=name, value=one.value, took=took, now=now + timedelta(seconds=took))
    elif large:
        _keep(campaign.pk, name=name, value=None, took=took, now=now + timedelta(seconds=took))
    else:
        KeptNumbers.objects.filter(campaign=campaign, name=name).delete()


def _large() -> "QuerySet[Campaign]":
    return Campaign.objects.annotate(came=Sum("imports__rows_kept")).filter(came__gte=MANY_ROWS)


def _keep(campaign: int, *, name: str, value: Any, took: float, now: datetime) -> None:
    row = KeptNumbers(campaign_id=campaign, name=name, value=value, taken_at=now, took_s=took)
    KeptNumbers.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["campaign", "name"],
        update_fields=["value", "taken_at", "took_s"],
    )
