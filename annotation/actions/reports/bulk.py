"""Several reports at once: first what would happen to each, then it, then back where one erred."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.actions.reports import merging, triage
from annotation.actions.reports.table import Actor
from annotation.actions.reports.transitions import transition
from annotation.errors import InvalidInputError, VernacularError
from annotation.models import (
    Report,
    ReportEvent,
    ReportLetter,
    ReportMessage,
    ReportRing,
    ReportState,
)
from annotation.models.reports import CLOSED_UNMENDED, Reason

State = ReportState
SALT = "vernacular.reports.undo"
# Letters go out every quarter of an hour; whoever undoes a day later would contradict one.
UNDONE_WITHIN = timedelta(hours=1)
MOST = 100
HOLDS = timedelta(days=14)
# Why a coordinator closes: what they choose from for each way.
CLOSING = {
    State.CLOSED_NOT_A_DEFECT: Reason.RIGHT,
    State.CLOSED_OUT_OF_SCOPE: Reason.NOT_OURS,
    State.CLOSED_CANNOT_REPRODUCE: Reason.GONE,
    State.CLOSED_WONT_FIX: Reason.UNWISE,
    State.CLOSED_SPAM: Reason.SPAM,
}
Work = Callable[[Report, Actor, datetime], object]


@dataclass(frozen=True)
class Outcome:
    """What becomes, or would become, of one report: a state, or what stands in the way."""

    report: Report
    state: str
    problem: str = ""


def work_of(act: str) -> Work:
    """Return what an action does to a report: ``confirm``, ``ask:which_word``, ``close:closed_spam``."""
    name, _colon, what = act.partition(":")
    if name == "close" and what in CLOSED_UNMENDED:
        reason = CLOSING[State(what)]
        return lambda report, actor, now: triage.close(
            report, to=what, reason=reason, actor=actor, now=now
        )
    if name == "ask" and what in triage.QUESTIONS:
        return lambda report, actor, now: triage.ask_back(
            report, question=what, actor=actor, now=now
        )
    if act in _PLAIN:
        return _PLAIN[act]
    raise InvalidInputError(_("Choose what is to happen."))


def _hold(report: Report, actor: Actor, now: datetime) -> object:
    return triage.hold(report, reason=Reason.NOT_SOLVED, until=now + HOLDS, actor=actor, now=now)


_PLAIN: Mapping[str, Work] = {
    "confirm": lambda report, actor, now: triage.confirm(report, actor=actor, now=now),
    "look": lambda report, actor, now: triage.look_at(report, actor=actor),
    "let_through": lambda report, actor, now: triage.let_through(report, actor=actor, now=now),
    "quarantine": lambda report, actor, now: triage.quarantine(report, actor=actor, now=now),
    "hold": _hold,
    "resume": lambda report, actor, now: triage.resume(report, actor=actor, now=now),
}


def preview(reports: Iterable[Report], *, act: str, actor: Actor, now: datetime) -> list[Outcome]:
    """Tell what an action would do to each report: it is done, looked at, and not kept."""
    work = work_of(act)
    return [_tried(report, work, actor=actor, now=now) for report in reports]


def _tried(report: Report, work: Work, *, actor: Actor, now: datetime) -> Outcome:
    before = report.state
    try:
        with transaction.atomic():
            work(report, actor, now)
            state = report.state
            transaction.set_rollback(True)
    except VernacularError as error:
        state, problem = before, str(error)
    else:
        problem = ""
    report.refresh_from_db()
    return Outcome(report, state, problem)


def carry_out(reports: Iterable[Report], *, act: str, actor: Actor, now: datetime) -> list[Outcome]:
    """Do it to each report by itself: what cannot be done to one keeps no other back."""
    work, done = work_of(act), []
    for report in reports:
        try:
            work(report, actor, now)
        except VernacularError as error:
            report.refresh_from_db()
            done.append(Outcome(report, report.state, str(error)))
        else:
            report.refresh_from_db()
            done.append(Outcome(report, report.state))
    return done


def way_back(outcomes: Iterable[Outcome], *, actor: Actor) -> str:
    """Return what takes the last steps back, for whoever made them; nothing where there is no way."""
    steps = [
        (one.report.pk, one.report.events)
        for one in outcomes
        if not one.problem and _is_undone(one.report)
    ]
    if not steps or actor.user is None:
        return ""
    return signing.dumps([actor.user.pk, steps], salt=SALT, compress=True)


def steps_back(token: str, *, actor: Actor) -> list[tuple[int, int]]:
    """Return which steps of which reports a way back takes; none if it is old or another's."""
    try:
        pk, steps = signing.loads(token, salt=SALT, max_age=UNDONE_WITHIN)
    except (signing.BadSignature, TypeError, ValueError):
        return []
    ours = actor.user is not None and pk == actor.user.pk
    return [(one, number) for one, number in steps] if ours else []


def take_back(
    reports: Iterable[tuple[Report, int]], *, actor: Actor, now: datetime
) -> list[Outcome]:
    """Take the last step of each report back, unless something has followed on it since."""
    done = []
    for report, events in reports:
        try:
            _take_back(report, events=events, actor=actor, now=now)
        except VernacularError as error:
            report.refresh_from_db()
            done.append(Outcome(report, report.state, str(error)))
        else:
            report.refresh_from_db()
            done.append(Outcome(report, report.state))
    return done


@transaction.atomic
def _take_back(report: Report, *, events: int, actor: Actor, now: datetime) -> None:
    last = report.log.order_by("-number").first()
    if report.events != events or last is None or not _is_undone(report):
        raise InvalidInputError(
            _("Something has followed on it since."), remedy=_("Look at the report itself.")
        )
    # Whoever reported need not hear of what was a slip; what went out already went out.
    waiting = ReportLetter.objects.filter(event=last, state=ReportLetter.State.WAITING)
    waiting.update(state=ReportLetter.State.DROPPED)
    ReportRing.objects.filter(event=last, state=ReportRing.State.WAITING).delete()
    asked = ReportMessage.objects.filter(report=report, kind=ReportMessage.Kind.QUESTION)
    asked.filter(at=last.at).delete()
    if report.state == State.MERGED:
        merging.unmerge(report, actor=actor, now=now)
    elif report.state == State.ON_HOLD:
        triage.resume(report, actor=actor, now=now)
    elif last.from_state == State.QUARANTINED and report.state == State.AWAITING_TRIAGE:
        triage.quarantine(report, actor=actor, now=now)
    else:
        transition(
            report, to=State.AWAITING_TRIAGE, actor=actor, now=now, reason=Reason.RESUMED,
            public_note="",
        )  # fmt: skip


def _is_undone(report: Report) -> bool:
    """Whether the last step can be taken back by a step that the table has."""
    last: ReportEvent | None = report.log.order_by("-number").first()
    if last is None:
        return False
    waits = last.from_state == State.AWAITING_TRIAGE
    if report.state == State.MERGED:
        return waits
    if report.state == State.ON_HOLD:
        return True
    if report.state == State.AWAITING_TRIAGE:
        return last.from_state == State.QUARANTINED
    return waits and report.state in (State.QUARANTINED, State.NEEDS_INFO, *CLOSED_UNMENDED)
