"""Handing out: one queue behind both desks, and no text with more people than wanted.

A page never waits for the desk. :func:`hand_out` tells at once what a person holds for certain;
:func:`reserve` is the worker's: it takes the most useful open items that still want somebody, and
the desk, which has the last word on what lies there, locks them for that person. Without a desk,
or with one that is down or cannot lock, the reservation alone holds, and what is reserved is not
pushed meanwhile. A desk that is there and does not say in time what it keeps may give its items
to others: then, and for a while, only what does not lie there is handed out. A lease that ran out
sets the item free again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from annotation.actions.people import ensure_desk_account
from annotation.actions.reservations import (
    BEYOND,
    Among,
    ToppedUp,
    certain,
    held_by,
    is_low,
    length,
    more_at_the_desk,
    pending_of,
    release,
    top_up,
)
from annotation.actions.standings import may_answer
from annotation.errors import (
    DeskDownError,
    DeskRefusedError,
    OverlayMissingError,
    TransientError,
)
from annotation.gateways import DeskDoor
from annotation.models import Annotator, Campaign, CampaignLanguage, Reservation

logger = logging.getLogger(__name__)
Ended = Reservation.Ended

BATCH = 25
# What the desk would not give is tried again so often with the next best, then left for later.
ATTEMPTS = 4
# Whoever holds nothing begins with these, of what does not lie at the desk.
FIRST = 3
# A desk that did not say in time what it keeps is left alone for so long.
REST = timedelta(seconds=30)
# What the desk did not say in time is most often asked for again within minutes, and granted.
IN_DOUBT = timedelta(minutes=10)
OPEN_CAMPAIGNS = (Campaign.Status.RUNNING, Campaign.Status.PAUSED)


@dataclass(frozen=True)
class Handed:
    """What a person holds, and whether the desk has more that it might keep for them."""

    leases: Sequence[Reservation]
    more: bool


def hand_out(
    annotator: Annotator,
    *,
    home: CampaignLanguage,
    with_desk: bool,
    now: datetime,
    most: int = BATCH,
) -> Handed:
    """Tell at once what a person holds; with nothing in hand, a few texts of ours to begin with.

    Where there is no desk everything is ours. Where there is one, more is had by having a worker
    call :func:`reserve`.
    """
    if not is_open(annotator, home=home):
        return Handed([], more=False)
    alone = not with_desk or home.desk_project_id is None
    leases = list(held_by(annotator, home=home, now=now))
    if alone and is_low(leases, most=most, now=now):
        top_up(annotator, home=home, now=now, most=most, among=Among.ALL)
        leases = list(held_by(annotator, home=home, now=now))
    if not alone and not leases:
        top_up(annotator, home=home, now=now, most=FIRST, among=Among.NOT_AT_DESK)
        leases = list(held_by(annotator, home=home, now=now))
    more = not alone and len(leases) < most and more_at_the_desk(annotator, home=home, now=now)
    return Handed(leases, more=more)


def reserve(
    annotator: Annotator,
    *,
    home: CampaignLanguage,
    desk: DeskDoor | None,
    now: datetime,
    most: int = BATCH,
) -> list[Reservation]:
    """Return what a person holds, topped up with the most useful items that want them.

    A desk that is down hands out nothing either, and one without our overlay cannot keep
    anything for anybody: there the reservation alone holds.
    """
    if not is_open(annotator, home=home):
        return []
    among = Among.ALL if desk is None else Among.AT_DESK
    if desk is not None and _is_slow(home, now=now):
        among = Among.NOT_AT_DESK
    for _attempt in range(ATTEMPTS):
        fresh = top_up(annotator, home=home, now=now, most=most, among=among)
        if desk is None or among is not Among.AT_DESK:
            break
        try:
            if not _lock(fresh, annotator=annotator, home=home, desk=desk, now=now):
                break
        except (DeskDownError, OverlayMissingError) as error:
            logger.info("%s: reserved without the desk: %s", home, error)
            certain(fresh.added)
            among = Among.ALL
        except (TransientError, DeskRefusedError) as error:
            logger.info("%s: nothing of the desk's is handed out: %s", home, error)
            _leave_in_doubt(fresh.added, now=now)
            among = Among.NOT_AT_DESK
    return list(held_by(annotator, home=home, now=now))


def _is_slow(home: CampaignLanguage, *, now: datetime) -> bool:
    """Whether the desk has just failed to say in time what it keeps."""
    doubted = Reservation.objects.filter(_in_doubt(now, for_=REST))
    return doubted.filter(item__campaign_language=home).exists()


def give_back(annotator: Annotator, *, home: CampaignLanguage, now: datetime) -> int:
    """Let others have what a person fetched and has not answered; return how many that are.

    At the desk they are free once a worker has called :func:`free_expired`.
    """
    held = list(held_by(annotator, home=home, now=now))
    # What a worker just asks the desk to keep goes back too, before anybody saw it.
    asked = list(pending_of(annotator, home=home, now=now))
    release([*held, *asked], ended=Ended.GIVEN_BACK, now=now)
    return len(held)


def free_expired(home: CampaignLanguage, *, desk: DeskDoor, now: datetime) -> int:
    """Have the desk give tasks to others whose lease is over here; return how many."""
    late = Reservation.objects.filter(item__campaign_language=home, released_at=None)
    late.filter(until__lte=now).update(released_at=now, ended=Ended.EXPIRED)
    over = Reservation.objects.filter(_is_over(now), item__campaign_language=home)
    leases = list(over.select_related("item", "annotator__user"))
    held = Reservation.objects.held(now=now).filter(item__campaign_language=home)
    again = set(held.values_list("item", "annotator"))
    for user in {one.annotator.user for one in leases}:
        mine = [one for one in leases if one.annotator.user == user]
        free = [one for one in mine if (one.item_id, one.annotator_id) not in again]
        tasks = [one.item.desk_task_id for one in free if one.item.desk_task_id]
        if tasks and user.desk_user_id is not None and home.desk_project_id is not None:
            desk.unlock_tasks(home.desk_project_id, tasks, user_id=user.desk_user_id)
        _keep_what_came_back(free, home=home, desk=desk, now=now)
    over.filter(pk__in=[one.pk for one in leases]).update(locked_until=None)
    return len(leases)


def homes_with_late_leases(now: datetime) -> list[int]:
    """Campaign languages where leases ran out that the desk may still know of."""
    late = Q(released_at=None, until__lte=now) | _is_over(now)
    homes = Reservation.objects.filter(late).values_list("item__campaign_language", flat=True)
    return list(homes.order_by().distinct())


def _is_over(now: datetime) -> Q:
    """Leases that ran out and that the desk keeps; what was left in doubt is asked for again soon."""
    over = Q(ended__in=(Ended.EXPIRED, Ended.GIVEN_BACK), locked_until__gt=now)
    return over & ~_in_doubt(now, for_=IN_DOUBT)


def _in_doubt(now: datetime, *, for_: timedelta) -> Q:
    """Leases that ended lately, before their time, since the desk did not say what it keeps."""
    return Q(ended=Ended.EXPIRED, until__gt=now, released_at__gt=now - for_)


def _keep_what_came_back(
    freed: Sequence[Reservation], *, home: CampaignLanguage, desk: DeskDoor, now: datetime
) -> None:
    """Lock once more what somebody was handed anew while the desk was told to let it go."""
    held = Reservation.objects.held(now=now).filter(item__in=[one.item_id for one in freed])
    for annotator in {one.annotator for one in freed}:
        mine = held.filter(annotator=annotator)
        if mine.update(locked_until=None):
            back = ToppedUp([], list(mine.select_related("item")))
            _lock(back, annotator=annotator, home=home, desk=desk, now=now)


def is_open(annotator: Annotator, *, home: CampaignLanguage) -> bool:
    """Whether texts are handed out to a person there at all."""
    going = annotator.active and home.active and home.campaign.status in OPEN_CAMPAIGNS
    return going and may_answer(annotator, home.campaign)


def _lock(
    fresh: ToppedUp,
    *,
    annotator: Annotator,
    home: CampaignLanguage,
    desk: DeskDoor,
    now: datetime,
) -> bool:
    """Have the desk keep its tasks for a person; true if it would not give some of them."""
    leases = [*fresh.added, *fresh.again]
    certain([one for one in fresh.added if one.item.desk_task_id is None])
    at_desk = {task: one for one in leases if (task := one.item.desk_task_id) is not None}
    here = CampaignLanguage.objects.filter(pk=home.pk)
    project = here.values_list("desk_project_id", flat=True).get()
    if project is None or (leases and not at_desk):
        return False
    # With nothing to lock the call still tells whether the desk is there.
    user = ensure_desk_account(annotator.user, desk=desk).desk_user_id or 0
    seconds = int((length() + BEYOND).total_seconds())
    locked = desk.lock_tasks(project, list(at_desk), user_id=user, seconds=seconds)
    kept = Reservation.objects.filter(
        pk__in=[at_desk[task].pk for task in at_desk if task in locked]
    )
    # Whichever ran out while the desk took its time is asked back like any other.
    kept.update(locked_until=now + length() + BEYOND)
    kept.filter(released_at=None).update(until=now + length(), pending=False)
    refused = [one for task, one in at_desk.items() if task not in locked]
    release(refused, ended=Ended.TAKEN, now=now)
    return bool(refused)


def _leave_in_doubt(leases: Sequence[Reservation], *, now: datetime) -> None:
    """End leases of which nobody knows whether the desk keeps them; it is told to let them go."""
    mine = Reservation.objects.filter(pk__in=[one.pk for one in leases])
    mine.update(locked_until=now + length() + BEYOND, until=now + length())
    release(leases, ended=Ended.EXPIRED, now=now)
