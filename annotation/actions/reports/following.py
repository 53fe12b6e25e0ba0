"""Following: what whoever reported may do with the secret link, as often as they like."""

from datetime import datetime

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from annotation.actions.reports.merging import hand_on
from annotation.actions.reports.table import REPORTER, Actor
from annotation.actions.reports.transitions import StepError, transition
from annotation.actions.reports.triage import follow_better
from annotation.actions.reports.weighing import lock_family
from annotation.errors import InvalidInputError
from annotation.methods.private import masked
from annotation.methods.texts import unstorable
from annotation.models import (
    Report,
    ReportArrival,
    ReportBell,
    ReportContact,
    ReportImprint,
    ReportLetter,
    ReportLikeness,
    ReportMask,
    ReportMessage,
    ReportOrigin,
    ReportOriginal,
    ReportState,
    ReportVote,
    ReportWish,
    Reproduction,
    Workaround,
)
from annotation.models.reports import TEXTS, Reason

State = ReportState
LONGEST = 2_000
APPEALABLE = (State.CLOSED_NOT_A_DEFECT, State.CLOSED_OUT_OF_SCOPE, State.CLOSED_WONT_FIX)
ANSWERABLE = (State.NEEDS_INFO, State.CLOSED_CANNOT_REPRODUCE)


@transaction.atomic
def withdraw(report: Report, *, now: datetime, actor: Actor = REPORTER) -> Report:
    """Take a report back, from whatever state: its words are erased, that it was stays.

    Whoever told the same keeps theirs: the oldest of them takes its place.
    """
    lock_family(report)
    held = Report.objects.get(pk=report.pk)
    if held.state == State.WITHDRAWN:
        return held
    hand_on(held, now=now)
    erase(held, now=now)
    transition(held, to=State.WITHDRAWN, actor=actor, now=now)
    report.refresh_from_db()
    return report


def erase(report: Report, *, now: datetime) -> None:
    """Erase all that whoever reported has written, and all that a model said to it."""
    blank: dict[str, object] = dict.fromkeys(TEXTS, "")
    Report.objects.filter(pk=report.pk).update(
        **blank, digest="", dialect="", client="", user=None, erased_at=now
    )
    report.brigades.clear()
    Workaround.objects.filter(report=report, ended_at=None).update(ended_at=now)
    waiting = ReportLetter.objects.filter(report=report, state=ReportLetter.State.WAITING)
    waiting.update(state=ReportLetter.State.DROPPED)
    erase_around(Report.objects.filter(pk=report.pk))


def erase_around(gone: "QuerySet[Report]") -> int:
    """Erase what hangs on reports that were taken back and says something of them; how much was left.

    Asked every night of all of them: an older release may have left what this one erases.
    """
    hangs: tuple[tuple[type[Model], Q], ...] = (
        (ReportContact, Q()),
        (ReportWish, Q()),
        (ReportBell, Q()),
        (ReportOriginal, Q()),
        (ReportMessage, Q()),
        (ReportOrigin, Q()),
        (ReportArrival, Q()),
        (ReportImprint, Q()),
        (ReportLikeness, Q()),
        (ReportMask, Q()),
        (ReportVote, Q(voter=None)),
    )
    pks = gone.values("pk")
    left = sum(
        model._default_manager.filter(only, report__in=pks).delete()[0] for model, only in hangs
    )
    left += ReportLikeness.objects.filter(other__in=pks).delete()[0]
    left += ReportVote.objects.filter(report__in=pks).exclude(note="").update(note="")
    left += Workaround.objects.filter(report__in=pks).exclude(note="").update(note="")
    asked = Reproduction.objects.filter(report__in=pks).exclude(label="", told={})
    return left + asked.update(label="", told={})


@transaction.atomic
def answer(report: Report, *, text: str, now: datetime) -> Report:
    """Keep what whoever reported answers to our question; that opens the report again."""
    text = text.strip()
    if not text or unstorable(text) or len(text) > LONGEST:
        raise InvalidInputError(
            _("Write your answer."), remedy=_("At most 2,000 characters of plain text.")
        )
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if held.state not in ANSWERABLE:
        raise StepError(_("Nobody asks anything at the moment."))
    # Nobody screens it any more before speakers read it.
    kept = masked(text)
    ReportMessage.objects.create(report=held, kind=ReportMessage.Kind.ANSWER, text=kept, at=now)
    transition(
        held, to=State.AWAITING_TRIAGE, actor=REPORTER, now=now, reason=Reason.ANSWERED, client=""
    )
    report.refresh_from_db()
    return report


@transaction.atomic
def appeal(report: Report, *, now: datetime) -> Report:
    """Have a closed report looked at once more; once."""
    transition(
        report, to=State.AWAITING_TRIAGE, actor=REPORTER, now=now, reason=Reason.APPEAL, client=""
    )
    return report


@transaction.atomic
def say_if_better(report: Report, *, verdict: str, now: datetime) -> ReportVote:
    """Keep whether whoever reported finds it better; a later word takes the earlier's place."""
    if verdict not in ReportVote.Verdict.values:
        raise InvalidInputError(_("Say yes, no, or that you cannot tell."))
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if held.state not in (State.RELEASED, State.CLOSED_FIXED):
        raise StepError(_("It is not mended yet."))
    said = ReportVote.objects.update_or_create(
        report=held,
        about=ReportVote.About.BETTER,
        voter=None,
        defaults={"verdict": verdict, "at": now},
    )[0]
    # A speaker may have said so before.
    follow_better(held, now=now)
    report.refresh_from_db()
    return said
