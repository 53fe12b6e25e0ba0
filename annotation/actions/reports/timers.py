"""Timers: whatever nobody does in time is done here, so that no report waits for ever."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from annotation.actions.reports.limits import forget_clients
from annotation.actions.reports.masking import forget_masked
from annotation.actions.reports.screening import let_out, merge_identical, screen
from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import CONTACT_AFTER, StepError, transition
from annotation.actions.reports.triage import follow_better, hold, resume
from annotation.actions.reports.welfare import forget_sights
from annotation.methods import junk
from annotation.methods.report_clocks import has_alarmed
from annotation.models import (
    Report,
    ReportBell,
    ReportContact,
    ReportOriginal,
    ReportState,
    Workaround,
)
from annotation.models.reports import CLOSED, OPEN, Reason

logger = logging.getLogger(__name__)
State = ReportState
AT_ONCE = 500
HOLDS_FOR = timedelta(days=14)
LOOKS_AGAIN = timedelta(days=7)


def tend(now: datetime) -> int:
    """Do what is due on every report, each by itself; safe to run twice and on two machines."""
    forget_clients(now)
    forget_sights(now)
    ReportContact.objects.filter(expires_at__lt=now).delete()
    over = ReportBell.objects.filter(
        report__state__in=CLOSED, report__since__lt=now - CONTACT_AFTER
    )
    over.delete()
    ReportOriginal.objects.filter(expires_at__lt=now).delete()
    forget_masked(now)
    Workaround.objects.filter(ended_at=None, expires_at__lt=now).update(ended_at=now)
    due = Report.objects.filter(state__in=OPEN, due_at__lte=now).order_by("due_at")[:AT_ONCE]
    waiting = Report.objects.filter(state__in=(State.RECEIVED, State.SCREENED))[:AT_ONCE]
    done = let_out(now)
    for report in {one.pk: one for one in [*waiting, *due]}.values():
        try:
            done += fire(report, now=now)
        except StepError as error:
            logger.info("%s stays as it is: %s", report, error)
    return done


def fire(report: Report, *, now: datetime) -> bool:
    """Do what follows when nobody did anything in time."""
    before = report.events
    _TIMERS[report.state](report, now)
    report.refresh_from_db()
    return report.events != before


def _release_or_drop(report: Report, now: datetime) -> None:
    spam = report.spam >= junk.JUNK
    to = State.CLOSED_SPAM if spam else State.AWAITING_TRIAGE
    transition(report, to=to, actor=SYSTEM, now=now, reason=Reason.SPAM if spam else Reason.OVERDUE)
    if not spam:
        merge_identical(report, now=now)


def _alarm_or_give_up(report: Report, now: datetime) -> None:
    steps = list(report.log.order_by("number").values_list("from_state", "to_state"))
    if has_alarmed(steps):
        transition(report, to=State.CLOSED_WONT_FIX, actor=SYSTEM, now=now, reason=Reason.NO_READER)
    else:
        transition(report, to=State.AWAITING_TRIAGE, actor=SYSTEM, now=now, reason=Reason.OVERDUE)


def _close_or_watch(report: Report, now: datetime) -> None:
    if follow_better(report, now=now):
        return
    try:
        transition(report, to=State.CLOSED_FIXED, actor=SYSTEM, now=now, reason=Reason.STEADY)
    except StepError:
        Report.objects.filter(pk=report.pk, events=report.events).update(due_at=now + LOOKS_AGAIN)


def _hold_for(reason: str) -> Callable[[Report, datetime], None]:
    def timer(report: Report, now: datetime) -> None:
        hold(report, reason=reason, until=now + HOLDS_FOR, actor=SYSTEM, now=now)

    return timer


def _collect_again(report: Report, now: datetime) -> None:
    transition(report, to=State.COLLECTING, actor=SYSTEM, now=now, reason=Reason.RESUMED)


def _train_or_hold(report: Report, now: datetime) -> None:
    try:
        transition(report, to=State.TRAINING, actor=SYSTEM, now=now)
    except StepError:
        _hold_for(Reason.FEW_EXAMPLES)(report, now)


def _stop_asking(report: Report, now: datetime) -> None:
    transition(
        report, to=State.CLOSED_CANNOT_REPRODUCE, actor=SYSTEM, now=now, reason=Reason.NO_ANSWER
    )


def _begin(report: Report, now: datetime) -> None:
    transition(report, to=State.COLLECTING, actor=SYSTEM, now=now)


_TIMERS: dict[str, Callable[[Report, datetime], object]] = {
    State.RECEIVED: lambda report, now: screen(report, now=now),
    State.SCREENED: lambda report, now: screen(report, now=now),
    State.QUARANTINED: _release_or_drop,
    State.NEEDS_INFO: _stop_asking,
    State.AWAITING_TRIAGE: _alarm_or_give_up,
    State.CONFIRMED: _begin,
    State.COLLECTING: _train_or_hold,
    State.TRAINING: _hold_for(Reason.NO_RUN),
    State.VERIFYING: _hold_for(Reason.NOT_VERIFIED),
    State.FIX_PENDING_RELEASE: _hold_for(Reason.NOT_RELEASED),
    State.RELEASED: _close_or_watch,
    State.REOPENED: _collect_again,
    State.ON_HOLD: lambda report, now: resume(report, actor=SYSTEM, now=now),
}
