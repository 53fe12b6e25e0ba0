"""One step of a report: checked against the table, written once, told to whom it concerns."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from annotation.actions.reports.table import PEOPLE, RULES, Actor, Step
from annotation.actions.reports.weighing import lock_family, look
from annotation.errors import ConflictError
from annotation.methods import report_clocks as clocks
from annotation.models import (
    Report,
    ReportBell,
    ReportContact,
    ReportEvent,
    ReportLetter,
    ReportRing,
    ReportState,
)
from annotation.models.reports import CLOSED, Reason

State = ReportState
# After these whoever reported hears of it.
TOLD = frozenset(
    {
        State.RECEIVED,
        State.NEEDS_INFO,
        State.CONFIRMED,
        State.TRAINING,
        State.ON_HOLD,
        State.RELEASED,
        State.REOPENED,
        State.MERGED,
        *CLOSED,
    }
)
CONTACT_AFTER = timedelta(days=90)
# What a step may change beside the state.
COLUMNS = frozenset(
    {
        "severity", "planned", "hold_until", "attempts", "coordinator", "public_note", "reporters",
        "client",
    }
)  # fmt: skip


class StepError(ConflictError):
    """A report cannot go there now; the message says what is missing."""

    code = "report_step"


@transaction.atomic
def transition(
    report: Report,
    *,
    to: str,
    actor: Actor,
    now: datetime,
    reason: str = "",
    target: Report | None = None,
    **changes: object,
) -> ReportEvent:
    """Move a report one step, alone with its row; whoever saw an older state is told so.

    The event is written and the database itself moves the state; letters wait in the outbox of
    the same transaction.
    """
    if actor.by in PEOPLE:
        # Their look is at all that say the same.
        lock_family(report)
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if held.state != report.state or held.events != report.events:
        raise StepError(
            f"{report} is {held.state} by now.", remedy="Look at it again, then decide."
        )
    step = Step(to, actor, now, reason, target)
    _check(held, step)
    if unknown := set(changes) - COLUMNS:
        raise TypeError(f"no column of a step: {sorted(unknown)}")
    return _write(held, step, changes=changes, seen=report)


def _check(report: Report, step: Step) -> None:
    rule = RULES.get((report.state, step.to))
    if rule is None or step.actor.by not in rule.who:
        raise StepError(
            f"{report} cannot go from {report.state} to {step.to} by {step.actor.by}.",
            remedy="Choose one of the steps on its page.",
        )
    own = step.actor.user is not None and step.actor.user.pk == report.user_id
    if own and step.actor.by in (ReportEvent.By.COORDINATOR, ReportEvent.By.ADMIN):
        raise StepError(_("This report is yours: somebody else decides it."))
    if step.reason not in Reason.values:
        raise StepError(f"There is no reason {step.reason!r}.", remedy="Choose one of the list.")
    if missing := rule.guard(report, step):
        raise StepError(str(missing))


def _write(report: Report, step: Step, *, changes: dict[str, object], seen: Report) -> ReportEvent:
    event = ReportEvent(
        report=report,
        number=report.events + 1,
        from_state=report.state,
        to_state=step.to,
        by=step.actor.by,
        actor=step.actor.user,
        reason=step.reason,
        target=step.target,
        at=_no_earlier(report, step.now),
        previous=report.last_hash,
    )
    event.hash = hash_of(event)
    if changes:
        Report.objects.filter(pk=report.pk).update(**changes)
        for name, value in changes.items():
            setattr(report, name, value)
    try:
        with transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError as error:
        # What the table of the steps cannot see, the database does: other apps' proofs, too.
        raise StepError(f"{report} cannot go to {step.to}: {error}.") from error
    if step.actor.by in PEOPLE:
        look(report)
    Report.objects.filter(pk=report.pk).update(due_at=due_of(report))
    if event.from_state in CLOSED and step.to not in CLOSED:
        # It is open again, and whoever told it wants to hear how it ends.
        ReportContact.objects.filter(report=report).update(expires_at=None)
    if step.to in TOLD:
        _tell(report, event, now=step.now)
    seen.refresh_from_db()
    return event


def _no_earlier(report: Report, now: datetime) -> datetime:
    """Return now, or the last event's moment where a clock has been put back since."""
    last = report.log.order_by("-number").values_list("at", flat=True).first()
    return now if last is None else max(last, now)


def hash_of(event: ReportEvent) -> str:
    """Return the hash of an event and, through the one before, of all that went before it."""
    facts = [
        event.report_id,
        event.number,
        event.from_state,
        event.to_state,
        event.by,
        event.actor_id,
        event.reason,
        event.target_id,
        event.at.astimezone(UTC).isoformat(),
        event.previous,
    ]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def broken_link(report: Report) -> int:
    """Return the number of the first event that is not what was written, or 0; -1: some are gone."""
    previous, number = "", 0
    for number, event in enumerate(report.log.order_by("number"), start=1):
        if event.number != number or event.previous != previous or event.hash != hash_of(event):
            return number
        previous = event.hash
    return 0 if (report.events, report.last_hash) == (number, previous) else -1


def due_of(report: Report) -> datetime | None:
    """Return when something must have followed, computed from the events alone."""
    rows = list(report.log.order_by("number").values_list("from_state", "to_state", "at"))
    events = [(state, at.timestamp()) for _, state, at in rows]
    if events and events[-1][0] == State.ON_HOLD and report.hold_until is not None:
        return report.hold_until
    alarmed = clocks.has_alarmed([(was, state) for was, state, _ in rows])
    moment = clocks.due(events, severity=report.severity, alarmed=alarmed)
    return None if moment is None else datetime.fromtimestamp(moment, UTC)


def _tell(report: Report, event: ReportEvent, *, now: datetime) -> None:
    """Put what is to be told into the outbox, for whoever reported and whoever told the same."""
    if event.to_state in CLOSED:
        family = [report.pk, *report.followers.values_list("pk", flat=True)]
        contacts = ReportContact.objects.filter(report__in=family)
        contacts.update(expires_at=now + CONTACT_AFTER)
    heard = ReportContact.objects.filter(report=report) | ReportContact.objects.filter(
        report__duplicate_of=report
    )
    ReportLetter.objects.bulk_create(
        [ReportLetter(report_id=pk, event=event) for pk in heard.values_list("report", flat=True)],
        ignore_conflicts=True,
    )
    bells = ReportBell.objects.filter(report=report) | ReportBell.objects.filter(
        report__duplicate_of=report
    )
    ReportRing.objects.bulk_create(
        [ReportRing(bell_id=pk, event=event) for pk in bells.values_list("pk", flat=True)],
        ignore_conflicts=True,
    )
