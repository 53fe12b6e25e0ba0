"""Reservations in our own table: who has fetched what, and what still wants somebody."""

from collections.abc import Sequence
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


def let_go(lease: Reservation, *, ended: str, now: datetime) -> None:
    """End whatever lease a person has of an item."""
    mine = Reservation.objects.filter(item=lease.item_id, annotator=lease.annotator_id)
    mine.filter(released_at=None).update(released_at=now, ended=ended)


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


def length() -> timedelta:
    """How long an item stays reserved."""
    return timedelta(hours=settings.ENV.reservation_hours)


def held_by(
    annotator: Annotator, *, home: CampaignLanguage, now: datetime
) -> "QuerySet[Reservation]":
    """What somebody holds in a language and may still answer, most useful first."""
    held = Reservation.objects.held(now=now).filter(
        annotator=annotator, item__campaign_language=home, item__state__in=Item.OPEN
    )
    return held.select_related("item__sample").order_by("item__priority", "item__pk")


@transaction.atomic
def top_up(
    annotator: Annotator, *, home: CampaignLanguage, now: datetime, most: int, away: bool
) -> list[Reservation]:
    """Renew what a person holds and add what is missing; return what the desk must keep."""
    # One at a time in a language: what is counted here is still true when it is written.
    here = CampaignLanguage.objects.select_for_update().get(pk=home.pk)
    late = Reservation.objects.filter(item__campaign_language=home, released_at=None)
    late.filter(until__lte=now).update(released_at=now, ended=Ended.EXPIRED)
    held = list(held_by(annotator, home=home, now=now))
    renewed = [one for one in held if one.until < now + length() / 2]
    Reservation.objects.filter(pk__in=[one.pk for one in renewed]).update(until=now + length())
    newest = here.guidelines.order_by("-version").values_list("version", flat=True).first() or 0
    found = _wanting(here, now=now, at_desk=not away).exclude(_seen_by(annotator, now=now))
    # Whose answer they were told in a session, or in an example, tells nothing of them.
    found = found.exclude(sample__in=knows_the_answer(annotator, here))
    added = Reservation.objects.bulk_create(
        Reservation(item=item, annotator=annotator, until=now + length(), guideline_version=newest)
        for item in found.order_by("priority", "pk")[: max(most - len(held), 0)]
    )
    for one in renewed:
        one.until = now + length()
    unlocked = [one for one in held if one.locked_until is None and one not in renewed]
    return added + renewed + unlocked


def waiting_for(annotator: Annotator, *, home: CampaignLanguage, now: datetime) -> int:
    """How many items a person could answer now, with those that they have fetched already."""
    fresh = _wanting(home, now=now).exclude(_seen_by(annotator, now=now))
    return fresh.count() + held_by(annotator, home=home, now=now).count()


def _wanting(home: CampaignLanguage, *, now: datetime, at_desk: bool = False) -> "QuerySet[Item]":
    """Open items that fewer people have answered or hold than are wanted.

    Where there is a desk, only what lies ``at_desk`` can be kept from those who work there; what
    a push may just be taking to it is nobody's for that moment.
    """
    answers = Annotation.objects.answered().filter(item=OuterRef("pk")).order_by().values("item")
    leases = Reservation.objects.held(now=now).filter(item=OuterRef("pk")).order_by().values("item")
    items = home.items.open()
    pushing = home.pushing_until is not None and home.pushing_until > now
    if pushing or (at_desk and home.desk_project_id is not None):
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
