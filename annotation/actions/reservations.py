"""Reservations in our own table: who has fetched what, and what still wants somebody."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from annotation.actions.exposures import knows_the_answer
from annotation.models import Annotation, Annotator, CampaignLanguage, Item, Reservation

Ended = Reservation.Ended

# Somebody at the desk has it: not asked for again before they may be done with it.
TAKEN_FOR = timedelta(minutes=10)
# A worker that asks the desk to keep something has its answer by then, or is dead.
ASKED_FOR = timedelta(minutes=5)
# The desk keeps a task a little longer, so that the answer is there before it is free.
BEYOND = timedelta(minutes=15)


class Among(enum.Enum):
    """From where items are handed out: which of them somebody at the desk might be given, too."""

    ALL = enum.auto()
    AT_DESK = enum.auto()
    NOT_AT_DESK = enum.auto()


@dataclass(frozen=True)
class ToppedUp:
    """Leases that are new, and older ones that the desk does not keep for as long as they last."""

    added: Sequence[Reservation]
    again: Sequence[Reservation]


def let_go(lease: Reservation, *, ended: str, now: datetime) -> None:
    """End whatever lease a person has of an item."""
    mine = Reservation.objects.filter(item=lease.item_id, annotator=lease.annotator_id)
    mine.filter(released_at=None).update(released_at=now, ended=ended)


def note_as_answered(item: Item, annotator: Annotator, *, now: datetime) -> None:
    """Have a person be one who held an item, and holds it no more: we have forgotten the lease."""
    mine = Reservation.objects.filter(item=item, annotator=annotator)
    if not mine.exists():
        Reservation.objects.create(item=item, annotator=annotator, until=now)
    mine.filter(released_at=None).update(released_at=now, ended=Ended.ANSWERED)


def give_again(lease: Reservation, *, now: datetime) -> None:
    """Reserve an item once more for whoever took their answer back, if it still wants somebody."""
    free = _wanting(lease.item.campaign_language, now=now).filter(pk=lease.item_id)
    mine = Reservation.objects.filter(item=lease.item_id, annotator=lease.annotator_id)
    if free.exists() and not mine.filter(released_at=None).exists():
        Reservation.objects.create(
            item=lease.item,
            annotator=lease.annotator,
            until=now + length(),
            guideline_version=lease.guideline_version,
        )


def reserved_items(home: CampaignLanguage, *, now: datetime) -> "QuerySet[Reservation, Any]":
    """The items that are kept for people now; they are not put to the desk meanwhile."""
    return Reservation.objects.held(now=now).filter(item__campaign_language=home).values("item")


def release(leases: Sequence[Reservation], *, ended: str, now: datetime) -> None:
    """End leases that are not over yet."""
    mine = Reservation.objects.filter(pk__in=[one.pk for one in leases], released_at=None)
    mine.update(released_at=now, ended=ended)


def certain(leases: Sequence[Reservation]) -> None:
    """Show leases that waited for the desk, since no desk gives away what they hold."""
    mine = Reservation.objects.filter(pk__in=[one.pk for one in leases], pending=True)
    mine.update(pending=False, locked_until=None)


def length() -> timedelta:
    """How long an item stays reserved."""
    return timedelta(hours=settings.ENV.reservation_hours)


def held_by(
    annotator: Annotator, *, home: CampaignLanguage, now: datetime
) -> "QuerySet[Reservation]":
    """What somebody holds in a language and may still answer, most useful first."""
    held = Reservation.objects.held(now=now).filter(
        annotator=annotator, item__campaign_language=home, item__state__in=Item.OPEN, pending=False
    )
    return held.select_related("item__sample").order_by("item__priority", "item__pk")


def pending_of(
    annotator: Annotator, *, home: CampaignLanguage, now: datetime
) -> "QuerySet[Reservation]":
    """What the desk has yet to say that it keeps for somebody."""
    held = Reservation.objects.held(now=now).filter(annotator=annotator, pending=True)
    return held.filter(item__campaign_language=home)


def is_low(held: Sequence[Reservation], *, most: int, now: datetime) -> bool:
    """Whether it is time to renew what somebody holds, or to add to it.

    A quarter may be gone before more is looked for: that keeps a language to itself for a moment,
    which everybody else who answers in it waits for.
    """
    return len(held) < most - most // 4 or any(_is_ageing(one, now=now) for one in held)


def _is_ageing(lease: Reservation, *, now: datetime) -> bool:
    return lease.until < now + length() / 2


@transaction.atomic
def top_up(
    annotator: Annotator, *, home: CampaignLanguage, now: datetime, most: int, among: Among
) -> ToppedUp:
    """Renew what a person holds and add what is missing; return what the desk must keep.

    What lies at the desk and is to be kept there waits, unseen, until the desk has said so.
    """
    # One at a time in a language: what is counted here is still true when it is written.
    here = CampaignLanguage.objects.select_for_update().get(pk=home.pk)
    late = Reservation.objects.filter(item__campaign_language=home, released_at=None)
    late.filter(until__lte=now).update(released_at=now, ended=Ended.EXPIRED)
    held = list(held_by(annotator, home=home, now=now))
    asked = among is Among.AT_DESK and here.desk_project_id is not None
    waiting = pending_of(annotator, home=here, now=now).count() if asked else 0
    renewed = [one for one in held if _is_ageing(one, now=now)]
    Reservation.objects.filter(pk__in=[one.pk for one in renewed]).update(until=now + length())
    for one in renewed:
        one.until = now + length()
    newest = here.guidelines.order_by("-version").values_list("version", flat=True).first() or 0
    found = _wanting(here, now=now, among=among).exclude(_seen_by(annotator, now=now))
    # Whose answer they were told in a session, or in an example, tells nothing of them.
    found = found.exclude(sample__in=knows_the_answer(annotator, here))
    lease: dict[str, Any] = {"annotator": annotator, "guideline_version": newest, "pending": asked}
    lease |= {"until": now + (ASKED_FOR if asked else length())}
    # Should the worker die it may lie locked there all the same, and is asked back.
    lease |= {"locked_until": now + length() + BEYOND if asked else None}
    added = Reservation.objects.bulk_create(
        Reservation(item=item, **lease)
        for item in found.order_by("priority", "pk")[: max(most - len(held) - waiting, 0)]
    )
    # The desk may have been away when it was to keep one, or to keep it for longer.
    again = [one for one in held if one.locked_until is None or one.locked_until < one.until]
    return ToppedUp(added, again)


def more_at_the_desk(annotator: Annotator, *, home: CampaignLanguage, now: datetime) -> bool:
    """Whether something lies at the desk that a person could answer, if the desk kept it."""
    if pending_of(annotator, home=home, now=now).exists():
        return True
    found = _wanting(home, now=now, among=Among.AT_DESK).exclude(_seen_by(annotator, now=now))
    return found.exclude(sample__in=knows_the_answer(annotator, home)).exists()


def waiting_for(annotator: Annotator, *, home: CampaignLanguage, now: datetime) -> int:
    """How many items a person could answer now, with those that they have fetched already."""
    fresh = _wanting(home, now=now).exclude(_seen_by(annotator, now=now))
    return fresh.count() + held_by(annotator, home=home, now=now).count()


def _wanting(
    home: CampaignLanguage, *, now: datetime, among: Among = Among.ALL
) -> "QuerySet[Item]":
    """Open items that fewer people have answered or hold than are wanted.

    Where there is a desk, only what lies there can be kept from those who work there; what a
    push may just be taking to it is nobody's for that moment.
    """
    answers = Annotation.objects.answered().filter(item=OuterRef("pk")).order_by().values("item")
    leases = Reservation.objects.held(now=now).filter(item=OuterRef("pk")).order_by().values("item")
    items = home.items.open()
    if among is Among.NOT_AT_DESK:
        items = items.filter(desk_task_id=None)
    pushing = home.pushing_until is not None and home.pushing_until > now
    if pushing or (among is Among.AT_DESK and home.desk_project_id is not None):
        items = items.exclude(state=Item.State.QUEUED)
    return items.annotate(
        answered=_count(answers.annotate(n=Count("annotator", distinct=True)).values("n")),
        held=_count(leases.annotate(n=Count("pk")).values("n")),
    ).filter(wanted__gt=F("answered") + F("held"))


def _count(rows: "QuerySet[Any, Any]") -> Coalesce:
    return Coalesce(Subquery(rows, output_field=IntegerField()), 0)


def _seen_by(annotator: Annotator, *, now: datetime) -> Q:
    """Items whose text a person has answered, holds, or was just refused by the desk."""
    answered = Annotation.objects.filter(
        annotator=annotator, item__sample=OuterRef("sample")
    ).exclude(state=Annotation.State.DELETED)
    mine = Reservation.objects.filter(item=OuterRef("pk"), annotator=annotator)
    taken = mine.filter(ended=Ended.TAKEN, released_at__gt=now - TAKEN_FOR)
    return Q(Exists(answered)) | Q(Exists(mine.filter(released_at=None))) | Q(Exists(taken))
