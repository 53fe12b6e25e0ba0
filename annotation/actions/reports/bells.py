"""Bells: browsers that ring when something becomes of a report; gone when nobody listens."""

import hashlib
import json
import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from annotation.actions.reports.hearing import is_quiet
from annotation.actions.reports.letters import follow_address, interface_of
from annotation.actions.reports.sealed import seal, unseal
from annotation.errors import InvalidInputError, TransientError
from annotation.gateways.push import Bell, GoneError, Ringer, checked
from annotation.models import (
    Report,
    ReportBell,
    ReportRing,
    ReportState,
    ReportWish,
)
from annotation.models.reports import Reason

logger = logging.getLogger(__name__)
State = ReportRing.State
MOST = 5
# What nobody could be told for so long is no news any more.
STALE = timedelta(days=3)


@transaction.atomic
def hang(report: Report, *, bell: Bell, interface: str, now: datetime) -> ReportBell:
    """Have a browser ring for a report; the same browser twice is one."""
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if held.state == ReportState.WITHDRAWN:
        raise InvalidInputError(_("It was taken back."))
    told = json.dumps([bell.endpoint, bell.p256dh, bell.auth])
    checked(bell)
    mark = _mark(bell.endpoint)
    if held.bells.exclude(digest=mark).count() >= MOST:
        raise InvalidInputError(_("Five browsers ring for it already."))
    values = {"sealed": seal(told), "interface": interface[:35], "made_at": now}
    return ReportBell.objects.update_or_create(report=held, digest=mark, defaults=values)[0]


def take_down(report: Report, *, endpoint: str) -> int:
    """Have a browser ring no more for a report."""
    return report.bells.filter(digest=_mark(endpoint)).delete()[0]


def ring_all(now: datetime, *, ringer: Ringer) -> int:
    """Ring for what waits, of each report the newest step alone; return how many were told.

    Not in somebody's quiet hours. A bell that nobody listens to is taken down; a service that is
    away is asked again at the next round.
    """
    newest: dict[int, ReportRing] = {}
    waiting = ReportRing.objects.filter(state=State.WAITING).order_by("pk")
    for row in waiting.select_related("bell__report__wish", "event"):
        older = newest.get(row.bell_id)
        if older is not None:
            _leave(older)
        newest[row.bell_id] = row
    return sum(_ring(row, ringer=ringer, now=now) for row in newest.values())


def _ring(row: ReportRing, *, ringer: Ringer, now: datetime) -> bool:
    if row.created_at < now - STALE:
        _leave(row)
        return False
    wish = getattr(row.bell.report, "wish", None) or ReportWish()
    if is_quiet(wish, now=now) or not _claim(row, now=now):
        return False
    ours = ReportRing.objects.filter(pk=row.pk, state=State.CLAIMED)
    try:
        ringer.ring(_opened(row.bell), told=told_by(row), now=now)
    except TransientError as error:
        # It did not go: a service that answers no, or not at all, has passed nothing on.
        ours.update(state=State.WAITING, error=str(error)[:300])
        return False
    except GoneError as error:
        logger.info("%s is taken down: %s", row.bell, error)
        row.bell.delete()
        return False
    return bool(ours.update(state=State.SENT, sent_at=now, error=""))


def told_by(row: ReportRing) -> bytes:
    """Return what a browser shows: how the report stands, and where it is followed."""
    report = row.bell.report
    with translation.override(row.bell.interface or interface_of(report)):
        words = [str(ReportState(row.event.to_state).label)]
        if row.event.reason:
            words.append(str(Reason(row.event.reason).label))
        told = {
            "title": _("News of your report"),
            "body": " ".join(words),
            "tag": f"report-{report.uid.hex[:12]}",
            "url": follow_address(report),
        }
    return json.dumps(told, ensure_ascii=False).encode()


def _claim(row: ReportRing, *, now: datetime) -> bool:
    waiting = ReportRing.objects.filter(pk=row.pk, state=State.WAITING)
    return bool(waiting.update(state=State.CLAIMED, claimed_at=now))


def _leave(row: ReportRing) -> None:
    ReportRing.objects.filter(pk=row.pk, state=State.WAITING).update(state=State.DROPPED)


def _opened(bell: ReportBell) -> Bell:
    try:
        endpoint, p256dh, auth = json.loads(unseal(bell.sealed))
    except ValueError:
        raise GoneError("It was sealed with another key.") from None
    return Bell(endpoint, p256dh, auth)


def _mark(endpoint: str) -> str:
    return hashlib.sha256(endpoint.encode()).hexdigest()
