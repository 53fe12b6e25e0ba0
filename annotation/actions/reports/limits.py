"""Limits: how often one client may report, and what happens when very many come at once."""

import hashlib
import hmac
import ipaddress
from datetime import datetime, timedelta
from threading import Lock

import regex
from django.conf import settings
from django.utils.translation import gettext as _

from annotation.errors import VernacularError
from annotation.models import Campaign, PublicDoor, Report

AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
PER_HOUR, PER_DAY = 5, 20
# So many in one language a day, and every further one is looked at before it counts.
BURST = 200
BURST_LASTS = timedelta(hours=6)
LEAST_SECONDS = 2
CLIENT_KEPT = timedelta(days=30)
SPAM_REMEMBERED, MOST_SPAM = timedelta(days=30), 3
# Three hundred within a minute, and ten minutes of nothing.
MOST_KNOCKS, WITHIN, BLOCKED = 300, timedelta(minutes=1), timedelta(minutes=10)
MOST_KNOWN = 100_000
_knocks: dict[str, tuple[datetime, int, datetime]] = {}
_lock = Lock()
_FAMILIES = ("Firefox", "Edg", "OPR", "Chrome", "Safari", "curl", "python")


class TooManyReportsError(VernacularError):
    """One client has told a lot; what it tells now has to wait."""

    code = "too_many_reports"
    status = 429


def client_of(address: str, *, agent: str, now: datetime) -> str:
    """Return what a client is known by for a day: its network and kind of browser, keyed.

    Only this installation can make it, and tomorrow's is another: nobody is followed about.
    """
    family = next((name for name in _FAMILIES if regex.search(name, agent)), "other")
    told = f"{now:%Y-%m-%d}|{_network(address)}|{family}"
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


def throttle(client: str, *, now: datetime) -> None:
    """Turn a client away that knocks several times a second, before anything is looked up.

    Each process counts for itself, and forgets it all with its end: this only keeps others served.
    """
    with _lock:
        if len(_knocks) > MOST_KNOWN:
            _knocks.clear()
        since, knocks, until = _knocks.get(client, (now, 0, now))
        if now - since >= WITHIN:
            since, knocks = now, 0
        if knocks >= MOST_KNOCKS:
            until = now + BLOCKED
        _knocks[client] = (since, knocks + 1, until)
    if until > now:
        raise TooManyReportsError(
            _("So many requests came from here."), remedy=_("Wait ten minutes.")
        )


def check_client(client: str, *, now: datetime) -> None:
    """Refuse a client that has told too much lately."""
    lately = Report.objects.filter(client=client, received_at__gt=now - A_DAY)
    if lately.filter(received_at__gt=now - AN_HOUR).count() >= PER_HOUR:
        raise TooManyReportsError(
            _("So many reports came from here within an hour."), remedy=_("Wait.")
        )
    if lately.count() >= PER_DAY:
        raise TooManyReportsError(
            _("So many reports came from here today."), remedy=_("Tell the next one tomorrow.")
        )


def is_limited(campaign: Campaign, *, tag: str, client: str, now: datetime) -> bool:
    """Tell whether a report is looked at before it counts, and switch a burst on where one begins."""
    door = PublicDoor.objects.filter(campaign=campaign).first()
    if door and door.burst_until and door.burst_until > now:
        return True
    spam = Report.objects.filter(
        client=client, state="closed_spam", received_at__gt=now - SPAM_REMEMBERED
    )
    if client and spam.count() >= MOST_SPAM:
        return True
    today = Report.objects.filter(campaign=campaign, tag=tag, received_at__gt=now - A_DAY)
    if today.count() < BURST:
        return False
    PublicDoor.objects.filter(campaign=campaign).update(burst_until=now + BURST_LASTS)
    return True


def forget_clients(now: datetime) -> int:
    """Forget which client told what after thirty days; the numbers stay."""
    old = Report.objects.filter(received_at__lt=now - CLIENT_KEPT).exclude(client="")
    return old.update(client="")
