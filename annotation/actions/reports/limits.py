"""Limits: how often one client may report, and what happens when very many come at once."""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import regex
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from annotation.actions.reports import knocks
from annotation.actions.reports.knocks import (
    A_DAY,
    AN_HOUR,
    PER_DAY,
    PER_HOUR,
    Wait,
    Why,
    forget,
    network_of,
)
from annotation.errors import VernacularError
from annotation.models import Campaign, Language, PublicDoor, Report, ReportOrigin, User
from annotation.permissions import Ability, may

__all__ = ["PER_DAY", "PER_HOUR", "forget", "network_of"]
# Of one network, whatever browsers it says to use: a school or an office may share one.
NETWORK_PER_HOUR, NETWORK_PER_DAY = 20, 80
# Of somebody with an account, or by one secret link; what they tell needs no look before it counts.
TRUSTED_AFTER = 3
# So many in one language a day, some of them within the hour, and every further one is looked at
# before it counts, until for an hour fewer come.
BURST, BURST_HOURLY = 200, 25
BURST_LASTS, BURST_GOES_ON = timedelta(hours=1), timedelta(minutes=50)
# So long a person needs at least; in a burst a form without a proof of work has to be held open.
LEAST_SECONDS, LEAST_IN_A_BURST = 2, 10
# A newcomer's network that told no more than this in a burst has nothing against it.
FEW = 2
CLIENT_KEPT = timedelta(days=30)
AT_ONCE = 5000
SPAM_REMEMBERED, MOST_SPAM = timedelta(days=30), 3
_FAMILIES = ("Firefox", "Edg", "OPR", "Chrome", "Safari", "curl", "python")


class TooManyReportsError(VernacularError):
    """One client has told a lot, or very many tell at once; what it tells now has to wait."""

    code = "too_many_reports"
    status = 429

    def __init__(self, wait: Wait, *, now: datetime) -> None:
        self.why, self.seconds = wait.why, wait.seconds(now)
        super().__init__(*_words(self.why, seconds=self.seconds))


def _words(why: Why, *, seconds: int) -> tuple[str]:
    said = {
        Why.KNOCKS: _("So many requests came from here."),
        Why.HOUR: _("So many reports came from here within an hour."),
        Why.DAY: _("So many reports came from here today."),
        Why.CROWD: _("Very many reports come in at the moment."),
    }
    minutes = -(-seconds // 60)
    return (f"{said[why]} {again_in(minutes)}",)


def again_in(minutes: int) -> str:
    """Say when what was refused is sent once more."""
    return _("Nothing is lost: send this one again in %(minutes)d min.") % {"minutes": minutes}


@lru_cache(maxsize=4096)
def _client(address: str, family: str, day: str) -> str:
    network = f"{day}|{_network(address)}"
    return f"{_keyed(network)[:31]}.{_keyed(f'{network}|{family}')[:32]}"


def client_of(address: str, *, agent: str, now: datetime) -> str:
    """Return what a client is known by for a day: its network and kind of browser, keyed.

    Only this installation can make it, and tomorrow's is another: nobody is followed about.
    """
    family = next((name for name in _FAMILIES if regex.search(name, agent)), "other")
    return _client(address, family, f"{now:%Y-%m-%d}")


def _keyed(told: str) -> str:
    return hmac.new(
        settings.SECRET_KEY.encode(), f"vernacular.client:{told}".encode(), hashlib.sha256
    ).hexdigest()


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    wide = 24 if ip.version == 4 else 48
    return str(ipaddress.ip_network(f"{ip}/{wide}", strict=False))


def wait_at_the_door(
    client: str, *, key: str, cookie: str, is_known: Callable[[], bool], now: datetime
) -> Wait | None:
    """Return for what somebody is turned away before anything is looked up; nothing for most.

    Who brings a cookie may be somebody we know, whom no limit of strangers holds: a few are looked
    at. Whether it is one of ours takes a single row, and so many are asked for from one network.
    """
    wait = knocks.knock(client, now=now) or knocks.refused(client, now=now, key=key)
    if wait is None or (cookie and _is_looked_at(client, cookie, is_known=is_known, now=now)):
        return None
    knocks.note_turned_away(now)
    return wait


def _is_looked_at(client: str, cookie: str, *, is_known: Callable[[], bool], now: datetime) -> bool:
    if not knocks.may_be_asked_for(client, now=now) or not is_known():
        return False
    return knocks.may_be_looked_at(_keyed(cookie), now=now)


def throttle(client: str, *, now: datetime) -> None:
    """Turn a client away that knocks several times a second, before anything is looked up."""
    if wait := knocks.knock(client, now=now):
        raise TooManyReportsError(wait, now=now)


def check_memory(client: str, *, key: str, now: datetime) -> None:
    """Refuse a stranger of whom this process knows that they told too much."""
    if wait := knocks.refused(client, now=now, key=key):
        raise TooManyReportsError(wait, now=now)


def check_client(client: str, *, now: datetime) -> None:
    """Refuse a client, or a network, that has told too much lately; from then on from memory."""
    network = network_of(client)
    own = Report.objects.filter(client=client, received_at__gt=now - A_DAY)
    near = ReportOrigin.objects.filter(network=network, at__gt=now - A_DAY)
    for who, told, hourly, daily in (
        (client, own.values_list("received_at", flat=True), PER_HOUR, PER_DAY),
        (network, near.values_list("at", flat=True), NETWORK_PER_HOUR, NETWORK_PER_DAY),
    ):
        if wait := _wait(sorted(told), hourly=hourly, daily=daily, now=now):
            knocks.remember(who, wait=wait)
            raise TooManyReportsError(wait, now=now)


def _wait(told: list[datetime], *, hourly: int, daily: int, now: datetime) -> Wait | None:
    """Return until when the oldest of so many counts; tomorrow nobody is known any more."""
    tomorrow = datetime(now.year, now.month, now.day, tzinfo=UTC) + A_DAY
    if len(told) >= daily:
        return Wait(Why.DAY, min(told[-daily] + A_DAY, tomorrow))
    if len(told) >= hourly and now - told[-hourly] < AN_HOUR:
        return Wait(Why.HOUR, min(told[-hourly] + AN_HOUR, tomorrow))
    return None


def check_process(client: str, *, now: datetime) -> None:
    """Take in no more within a minute than this process and those who look after it can bear.

    In a crowd those wait first who told something lately, so that whoever comes once gets in.
    Nothing is lost by it: a form keeps what was told and is sent again, a program hears when.
    """
    if wait := knocks.take_in(client, now=now):
        raise TooManyReportsError(wait, now=now)


def is_bursting(campaign: Campaign, *, now: datetime) -> bool:
    """Tell whether so much comes in that all of it is looked at before it counts."""
    return PublicDoor.objects.filter(campaign=campaign, burst_until__gt=now).exists()


def least_seconds(campaign: Campaign, *, now: datetime, proven: bool = False) -> int:
    """Return for how long a form has to be open before it is sent."""
    if proven:
        return LEAST_SECONDS
    return LEAST_IN_A_BURST if is_bursting(campaign, now=now) else LEAST_SECONDS


def is_trusted(user: User | None, *, campaign: Campaign, first: Report | None = None) -> bool:
    """Tell whether a campaign's speakers confirmed enough of what an account, or one link, has told.

    What others confirmed elsewhere speaks for nobody here: whoever leads there chose who confirms.
    """
    return any(
        told.filter(campaign=campaign, log__to_state="confirmed").distinct().count()
        >= TRUSTED_AFTER
        for told in _told_by(user, first=first)
    )


def is_newcomer(user: User | None, *, campaign: Campaign, first: Report | None = None) -> bool:
    """Tell whether somebody is neither of the team nor has told what was right several times.

    What a newcomer tells is in the queue at once and may be voted on; it weighs little until then.
    """
    ours = (Ability.ANSWER, Ability.WATCH)
    if user is not None and any(may(user, one, campaign=campaign) for one in ours):
        return False
    return not is_trusted(user, campaign=campaign, first=first)


def _told_by(
    user: User | None, *, first: Report | None, client: str = ""
) -> Iterator["QuerySet[Report]"]:
    """Return what somebody told: by their account, or else from a secret page, and from a place."""
    if user is not None:
        yield Report.objects.filter(user=user)
        return
    if first is not None:
        yield Report.objects.filter(Q(pk=first.pk) | Q(arrival__first=first))
    if client:
        yield Report.objects.filter(client=client)


def held_back(
    campaign: Campaign,
    *,
    language: Language | None,
    client: str,
    now: datetime,
    user: User | None = None,
    first: Report | None = None,
) -> str:
    """Return for what a report is looked at before it counts: "junk", "crowd", or nothing.

    Whoever has told what was right several times goes by; whoever told junk several times does not,
    and no link of theirs takes that away.
    """
    spam = Q(state="closed_spam", received_at__gt=now - SPAM_REMEMBERED)
    told = _told_by(user, first=first, client=client)
    junk = {pk for one in told for pk in one.filter(spam).values_list("pk", flat=True)[:MOST_SPAM]}
    if len(junk) >= MOST_SPAM:
        return "junk"
    crowd = _bursts(campaign, language=language, now=now)
    return "crowd" if crowd and not is_trusted(user, campaign=campaign, first=first) else ""


def _bursts(campaign: Campaign, *, language: Language | None, now: datetime) -> bool:
    """Tell whether a burst goes on, having begun or prolonged it where very many come."""
    door = PublicDoor.objects.filter(campaign=campaign).first()
    until = door.burst_until if door else None
    if until is not None and until > now + BURST_GOES_ON:
        return True
    # What names no language of ours counts together: names are easily made up.
    here = Report.objects.filter(campaign=campaign, language=language)
    lately = here.filter(received_at__gt=now - AN_HOUR).order_by()[:BURST_HOURLY].count()
    many = lately >= BURST_HOURLY
    if many and here.filter(received_at__gt=now - A_DAY).order_by()[:BURST].count() >= BURST:
        PublicDoor.objects.filter(campaign=campaign).update(burst_until=now + BURST_LASTS)
        return True
    return until is not None and until > now


def speaks_against(report: Report) -> bool:
    """Tell whether a newcomer's network told more in a crowd than one or two people would."""
    origin = ReportOrigin.objects.filter(report=report).first()
    if origin is None or report.arrival.proven:
        return False
    return ReportOrigin.objects.filter(network=origin.network).count() > FEW


def forget_clients(now: datetime) -> int:
    """Forget which client told what after thirty days; the numbers stay."""
    old = Report.objects.filter(received_at__lt=now - CLIENT_KEPT).exclude(client="")
    ReportOrigin.objects.filter(at__lt=now - CLIENT_KEPT).delete()
    with transaction.atomic():
        # Two who forget at once, or somebody who holds several, would wait for each other.
        free = old.order_by("pk").select_for_update(no_key=True, skip_locked=True)[:AT_ONCE]
        return Report.objects.filter(pk__in=[one.pk for one in free.only("pk")]).update(client="")
