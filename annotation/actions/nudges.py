"""Nudges from the desk: counted, kept a while, and never more than one sweep every few seconds."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from annotation.actions.gathering import Gathering
from annotation.models import CampaignLanguage, DeskEvent
from annotation.models.often import Often, store_rows

# Nudges that come within this time of one another are answered by one sweep, which starts
# after it has passed and so sees what all of them spoke of.
WINDOW = timedelta(seconds=2)
SWEEP_AFTER_SECONDS = 3
KEPT = timedelta(days=7)
# Whoever forges nudges shall not fill the database with the record of it.
REFUSALS_A_MINUTE = 60


class Nudge(NamedTuple):
    """One nudge: of which language, by which event, when."""

    home: int
    action: str
    now: datetime


NUDGED = Often(
    # In no order: that of the model would join two tables for one row.
    lambda homes: (
        CampaignLanguage.objects.filter(pk__in=homes).order_by().values_list("pk", "nudged_at")
    ),
    homes=[int],
)


def note_nudge(campaign_language_id: int, *, action: str, now: datetime) -> bool | None:
    """Record a nudge; True if a sweep is due, None if we have no such language."""
    nudge = Nudge(campaign_language_id, action, now)
    # Whoever waited too long for others notes it alone: a nudge noted twice asks for no more.
    found = GATHERING.take(nudge) or _note([nudge])[0]
    return {"due": True, "noted": False}.get(found)


def _note(nudges: Sequence[Nudge]) -> list[str]:
    """Write several down with one question to each table; what became of each."""
    rows = NUDGED.rows(homes=sorted({one.home for one in nudges}))
    known: dict[int, datetime | None] = {home: before for home, before in rows}  # noqa: C416 - rows are lists or tuples
    there = [one for one in nudges if one.home in known]
    store_rows(
        [
            DeskEvent(campaign_language_id=one.home, action=one.action, accepted=True)
            for one in there
        ]
    )
    due = {one.home: one.now for one in there if not _is_recent(known[one.home], now=one.now)}
    asks = {home for home, now in due.items() if _is_first(home, now=now)}
    became = []
    for one in nudges:
        became.append(
            "unknown" if one.home not in known else "due" if one.home in asks else "noted"
        )
        asks.discard(one.home)
    return became


def _is_recent(before: datetime | None, *, now: datetime) -> bool:
    # Hundreds a second come while one sweep is due: they only are written down.
    return before is not None and now - WINDOW < before <= now


def _is_first(home: int, *, now: datetime) -> bool:
    rested = Q(nudged_at=None) | Q(nudged_at__lte=now - WINDOW) | Q(nudged_at__gt=now)
    mine = CampaignLanguage.objects.filter(rested, pk=home)
    return mine.update(nudged_at=now) == 1


GATHERING = Gathering(_note, most=100)


def note_refusal(campaign_language_id: int, *, detail: str, now: datetime) -> None:
    """Record a nudge that was not believed, as long as there are not too many."""
    lately = DeskEvent.objects.filter(accepted=False, created_at__gt=now - timedelta(minutes=1))
    if lately.count() >= REFUSALS_A_MINUTE:
        return
    home = CampaignLanguage.objects.filter(pk=campaign_language_id).first()
    DeskEvent.objects.create(campaign_language=home, accepted=False, detail=detail)


def forget_old_nudges(*, now: datetime) -> int:
    """Delete the record of nudges that are long past; return how many."""
    return DeskEvent.objects.filter(created_at__lt=now - KEPT).delete()[0]
