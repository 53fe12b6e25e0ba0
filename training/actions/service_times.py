"""Service: how long reports of each language wait, from their events alone; parity of service.

A clock stands still while nobody of ours can do anything: while we asked something back, or it is
on hold. Reports that were spam, taken back or told by others too do not count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from annotation.actions.reports.queue import UNSEEN
from annotation.methods.report_clocks import running
from annotation.models import Campaign, Report, ReportEvent, ReportState
from annotation.models.reports import CLOSED, OPEN, Severity
from training.methods.waits import Median, is_slow, median_wait

State = ReportState
# Of half a year, the newest: what was long ago says nothing of the service of today.
LOOKED_BACK = timedelta(days=183)
MOST = 3000
ALARM_AFTER = timedelta(days=30)
DAY = 86_400.0
APART = (State.NEW, State.MERGED, State.WITHDRAWN, State.CLOSED_SPAM)
# What each wait ends with.
CONFIRMED = (State.CONFIRMED,)
FIXED = (State.RELEASED, State.CLOSED_FIXED)
DECIDED = (*CONFIRMED, *CLOSED)


@dataclass(frozen=True)
class Service:
    """How reports of one language of a campaign fare; medians are in days."""

    open: int = 0
    urgent: int = 0
    reports: int = 0
    fixed: int = 0
    reopened: int = 0
    decided: Median | None = None
    confirmed: Median | None = None
    mended: Median | None = None
    slow: bool = False


@dataclass
class _Told:
    """One report with its steps, as far as they are looked at."""

    state: str
    severity: int
    steps: list[tuple[str, float]] = field(default_factory=list)


def service_of(campaigns: Sequence[Campaign], *, now: datetime) -> dict[tuple[int, int], Service]:
    """Return how reports fare by campaign and language; two queries, however many there are.

    A language is slow if half of its reports wait more than twice as long for a decision as half of
    all do, today and thirty days ago alike.
    """
    told = _read(campaigns, now=now)
    all_reports = [one for those in told.values() for one in those]
    moments = (now, now - ALARM_AFTER)
    of_all = [_wait(all_reports, DECIDED, now=moment).value for moment in moments]
    found = {}
    for place, those in told.items():
        own = [_wait(those, DECIDED, now=moment) for moment in moments]
        slow = all(is_slow(o.value, of_all=a) for o, a in zip(own, of_all, strict=True))
        found[place] = _summed(those, own[0], now=now, slow=slow)
    return found


Told = dict[tuple[int, int], list[_Told]]


def _read(campaigns: Sequence[Campaign], *, now: datetime) -> Told:
    reports = (
        Report.objects.filter(campaign__in=campaigns, language__isnull=False)
        .filter(received_at__gte=now - LOOKED_BACK)
        .exclude(state__in=APART)
        .order_by("-received_at")
        .values_list("pk", "campaign", "language", "state", "severity", "unseen_since")[:MOST]
    )
    found: Told = {}
    each: dict[int, _Told] = {}
    for pk, campaign, language, state, severity, unseen in reports:
        each[pk] = _Told(state, min(severity, UNSEEN) if unseen else severity)
        found.setdefault((campaign, language), []).append(each[pk])
    if not each:
        return found
    events = ReportEvent.objects.filter(
        report__campaign__in=campaigns, report__received_at__gte=now - LOOKED_BACK
    ).order_by("report", "number")
    for pk, state, at in events.values_list("report", "to_state", "at"):
        if pk in each:
            each[pk].steps.append((state, at.timestamp()))
    return found


def _wait(those: Iterable[_Told], ends: Sequence[str], *, now: datetime) -> Median:
    """Return the median of days until a report came to one of these states, as seen at that time."""
    moment = now.timestamp()
    waited, done = [], []
    for one in those:
        steps = [step for step in one.steps if step[1] <= moment]
        if not steps:
            continue
        end = next((k for k, (state, _at) in enumerate(steps) if state in ends), None)
        over = end is not None
        # What was closed otherwise waits no more, and was not done either.
        shut = next((k for k, (state, _at) in enumerate(steps) if state in CLOSED), None)
        last = end if end is not None else shut
        seen = steps if last is None else steps[: last + 1]
        until = moment if last is None else seen[-1][1]
        waited.append(running(seen, now=until) / DAY)
        done.append(over)
    return median_wait(waited, done=done)


def _summed(those: Sequence[_Told], decided: Median, *, now: datetime, slow: bool) -> Service:
    waiting = [one for one in those if one.state in OPEN]
    return Service(
        open=len(waiting),
        urgent=sum(one.severity >= Severity.HIGH for one in waiting),
        reports=len(those),
        fixed=sum(one.state in FIXED for one in those),
        reopened=sum(any(state == State.REOPENED for state, _ in one.steps) for one in those),
        decided=decided,
        confirmed=_wait(those, CONFIRMED, now=now),
        mended=_wait(those, FIXED, now=now),
        slow=slow,
    )
