"""Knocks: what one process remembers of who comes too often, so that refusing costs next to nothing.

Nothing here looks anything up: the database is asked once (``limits``), and what it said is known
until it is over. Each process counts for itself and forgets it all with its end, for all of this only
keeps others served; what holds for good is counted in the database.
"""

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Any

logger = logging.getLogger(__name__)
AN_HOUR, A_MINUTE, A_DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
PER_HOUR, PER_DAY = 5, 20
# Three hundred within a minute, and ten minutes of nothing.
MOST_KNOCKS, BLOCKED = 300, timedelta(minutes=10)
# What one process takes in within a minute from people it does not know, at most; and from how many
# on it asks networks to wait that told something within the hour, so that all others still get in.
MOST_TAKEN, CROWD = 600, 120
# A form that was sent already is looked up so often, where its maker is refused all else.
LOOKED_UP = 3
# What is not even a report costs a look each time: so many an hour of a client, then it rests. Its
# whole network, where neighbours tell too, rests after so many more, whatever browsers they say.
MOST_FAILED, NETWORK_FAILED, RESTS = 20, 200, timedelta(minutes=10)
# A form that was opened here is mended and sent again so often before that counts as well.
MENDED = 10
# A cookie may be made up: so many are asked for a minute where others of the network are refused,
# and whoever one of ours belongs to is looked at so often.
ASKED_FOR, COOKIES = 120, 10
MOST_KNOWN = 100_000


class Why(StrEnum):
    """What somebody is refused for."""

    KNOCKS = "knocks"
    HOUR = "hour"
    DAY = "day"
    CROWD = "crowd"


@dataclass(frozen=True)
class Wait:
    """What somebody is refused for, and until when."""

    why: Why
    until: datetime

    def seconds(self, now: datetime) -> int:
        """Return after how many seconds it is worth coming again."""
        return max(1, int((self.until - now).total_seconds()) + 1)


@dataclass
class _Sent:
    """A form that somebody sent lately, and how often it was looked up since."""

    at: datetime
    key: str
    looked_up: int = 0


_knocks: dict[str, tuple[datetime, int, datetime]] = {}
_waits: dict[str, Wait] = {}
_sent: dict[str, list[_Sent]] = {}
_taken: list[datetime] = []
_lately: dict[str, datetime] = {}
_failed: dict[str, list[datetime]] = {}
_mended: dict[str, int] = {}
_asked_for: dict[str, tuple[datetime, int]] = {}
_cookies: dict[str, tuple[datetime, int]] = {}
_turned: list[datetime] = []
_lock = Lock()


def network_of(client: str) -> str:
    """Return what of a client is the same whatever browser it says to be."""
    return client.partition(".")[0]


def forget() -> None:
    """Forget who knocked, who was refused and what was taken in: as a process that just began."""
    with _lock:
        for kept in (_knocks, _waits, _sent, _taken, _lately, _failed, _mended, _turned):
            kept.clear()
        for asked in (_asked_for, _cookies):
            asked.clear()


def knock(client: str, *, now: datetime) -> Wait | None:
    """Count somebody who comes to the door; a wait where they come several times a second."""
    network = network_of(client)
    with _lock:
        _bound(_knocks)
        since, knocks, until = _knocks.get(network, (now, 0, now))
        if now - since >= A_MINUTE:
            since, knocks = now, 0
        if knocks >= MOST_KNOCKS:
            until = now + BLOCKED
        _knocks[network] = (since, knocks + 1, until)
    return Wait(Why.KNOCKS, until) if until > now else None


def refused(client: str, *, now: datetime, key: str = "") -> Wait | None:
    """Return for how long somebody waits who told too much, or who adds to a crowd.

    Whoever sends a form once more that came in already gets its link, and is not refused.
    """
    network = network_of(client)
    with _lock:
        if key and _came_in(client, key):
            return None
        for who in (client, network):
            wait = _waits.get(who)
            if wait is not None and wait.until > now:
                return wait
        return _in_a_crowd(network, now=now)


def _came_in(client: str, key: str) -> bool:
    for one in _sent.get(client, ()):
        if one.key == key and one.looked_up < LOOKED_UP:
            one.looked_up += 1
            return True
    return False


def _in_a_crowd(network: str, *, now: datetime) -> Wait | None:
    _taken[:] = [at for at in _taken if abs(now - at) < A_MINUTE]
    told = _lately.get(network)
    again = told is not None and abs(now - told) < AN_HOUR
    if len(_taken) >= MOST_TAKEN or (again and len(_taken) >= CROWD):
        return Wait(Why.CROWD, _taken[0] + A_MINUTE)
    return None


def take_in(client: str, *, now: datetime) -> Wait | None:
    """Count a report that is about to be kept, or tell for how long it has to wait."""
    network = network_of(client)
    with _lock:
        wait = _in_a_crowd(network, now=now)
        if wait is None:
            _bound(_lately)
            _taken.append(now)
            _lately[network] = now
    return wait


def note_sent(client: str, *, key: str, now: datetime) -> None:
    """Remember a form that was sent, taken in or not: so many an hour, and its sender waits.

    What was taken back counts, and so does what was told before.
    """
    with _lock:
        _bound(_sent)
        lately = [one for one in _sent.get(client, ()) if abs(now - one.at) < AN_HOUR]
        if key not in (one.key for one in lately):
            lately.append(_Sent(now, key))
        _sent[client] = lately[-PER_HOUR:]
        if len(lately) >= PER_HOUR:
            _waits[client] = Wait(Why.HOUR, lately[-PER_HOUR].at + AN_HOUR)


def note_failed(client: str, *, now: datetime, form: str = "") -> None:
    """Count what was sent and could not be taken: after many, its client rests for a while.

    Whoever mends a ``form`` that they were given here does what they were asked to, some times.
    """
    with _lock:
        if form and _is_mended(form):
            return
        for who, most in ((client, MOST_FAILED), (network_of(client), NETWORK_FAILED)):
            _bound(_failed)
            lately = [at for at in _failed.get(who, ()) if abs(now - at) < AN_HOUR]
            # After a rest it begins anew: one more mistake is no second rest.
            _failed[who] = [] if len(lately) + 1 >= most else [*lately, now]
            if not _failed[who]:
                _let_wait(who, Wait(Why.KNOCKS, now + RESTS))


def _is_mended(form: str) -> bool:
    _bound(_mended)
    _mended[form] = _mended.get(form, 0) + 1
    return _mended[form] <= MENDED


def _let_wait(who: str, wait: Wait) -> None:
    """Refuse somebody for so long, and never for less than they wait already."""
    _bound(_waits)
    known = _waits.get(who)
    if known is None or known.until < wait.until:
        _waits[who] = wait


def remember(who: str, *, wait: Wait) -> None:
    """Refuse a client, or a network, from memory until its wait is over."""
    with _lock:
        _bound(_waits)
        _waits[who] = wait


def may_be_asked_for(client: str, *, now: datetime) -> bool:
    """Whether it is asked for a cookie if it is one of ours; a network's cookies may all be made up."""
    return _is_within_a_minute(_asked_for, network_of(client), most=ASKED_FOR, now=now)


def may_be_looked_at(cookie: str, *, now: datetime) -> bool:
    """Whether somebody whose cookie is one of ours is looked at though others are refused."""
    return _is_within_a_minute(_cookies, cookie, most=COOKIES, now=now)


def _is_within_a_minute(
    counted: dict[str, tuple[datetime, int]], who: str, *, most: int, now: datetime
) -> bool:
    with _lock:
        _bound(counted)
        since, seen = counted.get(who, (now, 0))
        if abs(now - since) >= A_MINUTE:
            since, seen = now, 0
        counted[who] = (since, seen + 1)
    return seen < most


def note_turned_away(now: datetime) -> None:
    """Tell the log once a minute how many were turned away: a line for each would be a second flood."""
    with _lock:
        _turned.append(now)
        number = len(_turned)
        if now - _turned[0] < A_MINUTE:
            return
        _turned.clear()
    logger.warning("%d reports were turned away within a minute", number)


def _bound(known: MutableMapping[str, Any]) -> None:
    """Keep memory small, whoever fills it: it is only ever a shorter way to say no."""
    if len(known) > MOST_KNOWN:
        known.clear()
