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
from annotation.models import Campaign, PublicDoor, Report, ReportOrigin, User

AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
PER_HOUR, PER_DAY = 5, 20
# Of one network, whatever browsers it says to use: a school or an office may share one.
NETWORK_PER_HOUR, NETWORK_PER_DAY = 20, 80
# Whoever was refused is refused for so long without being looked up again.
REMEMBERED = timedelta(minutes=1)
# What one process takes in within a minute from people it does not know.
MOST_TAKEN = 600
# Of somebody with an account; what they tell needs no look before it counts.
TRUSTED_AFTER = 3
# So many in one language a day, and every further one is looked at before it counts.
BURST = 200
BURST_LASTS = timedelta(hours=6)
# So long a person needs at least; in a burst whoever sends forms by program has to hold each open.
LEAST_SECONDS, LEAST_IN_A_BURST = 2, 10
CLIENT_KEPT = timedelta(days=30)
SPAM_REMEMBERED, MOST_SPAM = timedelta(days=30), 3
# Three hundred within a minute, and ten minutes of nothing.
MOST_KNOCKS, WITHIN, BLOCKED = 300, timedelta(minutes=1), timedelta(minutes=10)
MOST_KNOWN = 100_000
_knocks: dict[str, tuple[datetime, int, datetime]] = {}
_refused: dict[str, datetime] = {}
_taken: list[datetime] = []
_repeats: dict[str, list[datetime]] = {}
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
    network = f"{now:%Y-%m-%d}|{_network(address)}"
    return f"{_keyed(network)[:31]}.{_keyed(f'{network}|{family}')[:32]}"


def network_of(client: str) -> str:
    """Return what of a client is the same whatever browser it says to be."""
    return client.partition(".")[0]


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


def throttle(client: str, *, now: datetime) -> None:
    """Turn a client away that knocks several times a second, before anything is looked up.

    Each process counts for itself, and forgets it all with its end: this only keeps others served.
    """
    network = network_of(client)
    with _lock:
        if len(_knocks) > MOST_KNOWN:
            _knocks.clear()
        since, knocks, until = _knocks.get(network, (now, 0, now))
        if now - since >= WITHIN:
            since, knocks = now, 0
        if knocks >= MOST_KNOCKS:
            until = now + BLOCKED
        _knocks[network] = (since, knocks + 1, until)
        refused = _refused.get(client, now) > now or _refused.get(network, now) > now
    if until > now:
        raise TooManyReportsError(
            _("So many requests came from here."), remedy=_("Wait ten minutes.")
        )
    if refused:
        raise TooManyReportsError(
            _("So many reports came from here within an hour."), remedy=_("Wait.")
        )


def forget() -> None:
    """Forget who knocked, who was refused and what was taken in: as a process that just began."""
    with _lock:
        for kept in (_knocks, _refused, _taken, _repeats):
            kept.clear()


def check_client(client: str, *, now: datetime) -> None:
    """Refuse a client, or a network, that has told too much lately."""
    network = network_of(client)
    own = Report.objects.filter(client=client).values_list("received_at", flat=True)
    near = ReportOrigin.objects.filter(network=network).values_list("at", flat=True)
    for who, told, hourly, daily in (
        (client, own.filter(received_at__gt=now - A_DAY), PER_HOUR, PER_DAY),
        (network, near.filter(at__gt=now - A_DAY), NETWORK_PER_HOUR, NETWORK_PER_DAY),
    ):
        moments = list(told)
        if sum(at > now - AN_HOUR for at in moments) >= hourly:
            _remember(who, now=now)
            raise TooManyReportsError(
                _("So many reports came from here within an hour."), remedy=_("Wait.")
            )
        if len(moments) >= daily:
            _remember(who, now=now)
            raise TooManyReportsError(
                _("So many reports came from here today."), remedy=_("Tell the next one tomorrow.")
            )


def _remember(who: str, *, now: datetime) -> None:
    with _lock:
        if len(_refused) > MOST_KNOWN:
            _refused.clear()
        _refused[who] = now + REMEMBERED


def count_repeat(client: str, *, now: datetime) -> None:
    """Have whoever sends the very same again and again wait as if all of it had been taken in."""
    with _lock:
        if len(_repeats) > MOST_KNOWN:
            _repeats.clear()
        lately = [at for at in _repeats.get(client, ()) if abs(now - at) < AN_HOUR]
        _repeats[client] = [*lately, now][-PER_HOUR:]
        many = len(lately) + 1 >= PER_HOUR
    if many:
        _remember(client, now=now)


def check_process(now: datetime) -> None:
    """Take in no more within a minute than this process and those who look after it can bear.

    Nothing is lost by it: a form keeps what was told and is sent again, a program hears when.
    """
    with _lock:
        _taken[:] = [at for at in _taken if abs(now - at) < WITHIN]
        if len(_taken) < MOST_TAKEN:
            _taken.append(now)
            return
    raise TooManyReportsError(
        _("Very many reports come in at the moment."),
        remedy=_("Nothing is lost: send this one again in a minute."),
    )


def is_bursting(campaign: Campaign, *, now: datetime) -> bool:
    """Tell whether so much comes in that all of it is looked at before it counts."""
    return PublicDoor.objects.filter(campaign=campaign, burst_until__gt=now).exists()


def least_seconds(campaign: Campaign, *, now: datetime) -> int:
    """Return for how long a form has to be open before it is sent."""
    return LEAST_IN_A_BURST if is_bursting(campaign, now=now) else LEAST_SECONDS


def is_trusted(user: User | None) -> bool:
    """Tell whether speakers confirmed enough of what somebody with an account has told."""
    if user is None:
        return False
    right = Report.objects.filter(user=user, log__to_state="confirmed").distinct()
    return right.count() >= TRUSTED_AFTER


def is_limited(
    campaign: Campaign, *, tag: str, client: str, now: datetime, user: User | None = None
) -> bool:
    """Tell whether a report is looked at before it counts, and switch a burst on where one begins.

    Whoever has told what was right several times goes by; whoever told junk several times does not.
    """
    junk = Report.objects.filter(state="closed_spam", received_at__gt=now - SPAM_REMEMBERED)
    own = junk.filter(user=user) if user else junk.filter(client=client)
    if (user or client) and own.count() >= MOST_SPAM:
        return True
    if is_trusted(user):
        return False
    if is_bursting(campaign, now=now):
        return True
    today = Report.objects.filter(campaign=campaign, tag=tag, received_at__gt=now - A_DAY)
    if today.count() < BURST:
        return False
    PublicDoor.objects.filter(campaign=campaign).update(burst_until=now + BURST_LASTS)
    return True


def forget_clients(now: datetime) -> int:
    """Forget which client told what after thirty days; the numbers stay."""
    old = Report.objects.filter(received_at__lt=now - CLIENT_KEPT).exclude(client="")
    ReportOrigin.objects.filter(at__lt=now - CLIENT_KEPT).delete()
    return old.update(client="")
