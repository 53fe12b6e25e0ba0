"""Triage: what speakers and whoever looks after a language decide of a report."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.actions.reports.table import (
    MOST_ATTEMPTS,
    SYSTEM,
    VOTES,
    Actor,
    confirmed_no,
    votes_of,
    word_on_appeal,
)
from annotation.actions.reports.transitions import StepError, transition
from annotation.actions.reports.weighing import lock_family, look
from annotation.actions.standings import may_answer
from annotation.errors import InvalidInputError
from annotation.models import (
    Annotator,
    Campaign,
    CampaignLanguage,
    Guideline,
    Report,
    ReportMessage,
    ReportState,
    ReportVote,
    Reproduction,
    Severity,
    User,
    Workaround,
)
from annotation.models.reports import Reason

State, About = ReportState, ReportVote.About
# A fix is out, and may turn out to be none.
WATCHED = (State.RELEASED, State.CLOSED_FIXED)
QUESTIONS = {
    "which_word": gettext_lazy("Which word or which part is wrong?"),
    "what_expected": gettext_lazy("What should it say instead?"),
    "which_dialect": gettext_lazy("Which dialect or which region is it about?"),
    "where_seen": gettext_lazy("Where did you see it, and what did you type?"),
}
LONGEST_WORKAROUND = timedelta(days=90)
DEFAULT_PLAN = 30


@transaction.atomic
def ask_back(report: Report, *, question: str, actor: Actor, now: datetime) -> Report:
    """Ask whoever reported one of a few plain questions, in their language; clocks stop."""
    if question not in QUESTIONS:
        raise InvalidInputError(_("Choose one of the questions."))
    ReportMessage.objects.create(
        report=report,
        kind=ReportMessage.Kind.QUESTION,
        template=question,
        written_by=actor.user,
        at=now,
    )
    transition(report, to=State.NEEDS_INFO, actor=actor, now=now)
    return report


def close(
    report: Report, *, to: str, reason: str, actor: Actor, now: datetime, note: str = ""
) -> Report:
    """Close a report for a reason that whoever made it reads in their language."""
    transition(report, to=to, actor=actor, now=now, reason=reason, public_note=note.strip()[:500])
    return report


@transaction.atomic
def vote(
    report: Report,
    *,
    voter: User,
    verdict: str,
    now: datetime,
    about: str = About.DEFECT,
    note: str = "",
) -> ReportVote:
    """Keep what a speaker says of a report, and follow it where two agree.

    Only who answers in the language and is qualified there has a vote, and not of a report of
    their own.
    """
    if verdict not in ReportVote.Verdict.values:
        raise InvalidInputError(_("Say yes, no, or that you cannot tell."))
    lock_family(report)
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if not may_vote(held, voter):
        raise StepError(_("Speakers of the language vote, and not about a report of their own."))
    if about == About.DEFECT and _decided_before(held, voter):
        raise StepError(_("Whoever reported asked for another look: somebody else decides it."))
    home = held.campaign.languages.filter(language=held.language).first()
    newest = Guideline.objects.filter(campaign_language=home).last()
    given = ReportVote.objects.update_or_create(
        report=held,
        about=about,
        voter=voter,
        defaults={
            "verdict": verdict,
            "note": note.strip()[:500],
            "guideline_version": newest.version if newest else 0,
            "at": now,
        },
    )[0]
    if about == About.DEFECT:
        look(held)
        follow_votes(held, now=now)
    else:
        follow_better(held, now=now)
    report.refresh_from_db()
    return given


def _decided_before(report: Report, voter: User) -> bool:
    """Tell whether somebody voted before whoever reported asked for another look."""
    asked = report.log.filter(reason=Reason.APPEAL).last()
    if asked is None:
        return False
    return report.votes.filter(about=About.DEFECT, voter=voter, at__lte=asked.at).exists()


def unvoted(home: CampaignLanguage, user: User) -> "QuerySet[Report]":
    """Return what speakers are asked of and somebody neither told nor has said anything of.

    That is what was seen to happen and waits for them, and a released
     fix that whoever reported, or a speaker, does not find better.
    """
    votes = ReportVote.objects.filter(report=OuterRef("pk"))
    own = votes.filter(voter=user)
    rows = Report.objects.in_language(home.campaign, home.language).exclude(user=user)
    seen = Exists(Reproduction.objects.filter(report=OuterRef("pk")))
    doubted = Q(state__in=WATCHED) & Exists(votes.filter(about=About.BETTER, verdict="no"))
    asked = (Q(state=State.AWAITING_TRIAGE) & seen & ~Exists(own.filter(about=About.DEFECT))) | (
        doubted & ~Exists(own.filter(about=About.BETTER, at__gte=OuterRef("since")))
    )
    return rows.filter(asked)


def may_vote(report: Report, voter: User) -> bool:
    """Whether somebody is a qualified speaker of the report's language, and did not make it."""
    if report.state in (State.NEW, State.WITHDRAWN):
        return False
    if report.language_id is None or report.user_id == voter.pk:
        return False
    annotator = Annotator.objects.filter(
        user=voter, language=report.language_id, active=True, user__is_active=True
    ).first()
    return annotator is not None and may_answer(annotator, report.campaign)


def follow_votes(report: Report, *, now: datetime) -> bool:
    """Confirm or close a report that two speakers agree on; nothing where they do not yet."""
    if report.state != State.AWAITING_TRIAGE:
        return False
    votes, appealed = votes_of(report), report.log.filter(reason=Reason.APPEAL).exists()
    last = word_on_appeal(report)
    agreed = "" if appealed else _agreed(votes)
    try:
        if (last or agreed) == "yes":
            confirm(report, actor=SYSTEM, now=now)
            return True
        if (last or agreed) == "no":
            close(report, to=State.CLOSED_NOT_A_DEFECT, reason=Reason.RIGHT, actor=SYSTEM, now=now)
            return True
    except StepError:
        return False  # it was not reproduced yet; the worker that does comes back here
    return False


def _agreed(votes: dict[str, int]) -> str:
    """Return what two speakers at least, and more than not, say of a report."""
    most = "yes" if votes["yes"] > votes["no"] else "no"
    return most if votes[most] >= VOTES and votes["yes"] != votes["no"] else ""


def follow_better(report: Report, *, now: datetime) -> bool:
    """Open a report again of which two find that it is not better; nothing where they do not."""
    if report.state not in WATCHED or confirmed_no(report) < VOTES:
        return False
    reopen(report, reason=Reason.PEOPLE_SAY_NO, now=now)
    return True


def reopen(report: Report, *, reason: str, now: datetime) -> Report:
    """Open a report again, one step worse than it was; it has its tries anew."""
    transition(
        report,
        to=State.REOPENED,
        actor=SYSTEM,
        now=now,
        reason=reason,
        severity=min(Severity.CRITICAL, report.severity + 1),
        attempts=(report.attempts // MOST_ATTEMPTS + 1) * MOST_ATTEMPTS,
        client="",
    )
    return report


def confirm(report: Report, *, actor: Actor, now: datetime, severity: int | None = None) -> Report:
    """Confirm that the model is wrong: seen on the version that serves, and speakers agree."""
    worst = max(report.severity, severity or report.severity)
    transition(
        report,
        to=State.CONFIRMED,
        actor=actor,
        now=now,
        severity=Severity(worst),
        planned=report.planned or DEFAULT_PLAN,
        coordinator=actor.user or report.coordinator,
    )
    return report


def hold(report: Report, *, reason: str, until: datetime, actor: Actor, now: datetime) -> Report:
    """Put a report on hold until a day, with a reason that whoever made it reads."""
    if until <= now:
        raise InvalidInputError(_("Choose a day that is still to come."))
    transition(report, to=State.ON_HOLD, actor=actor, now=now, reason=reason, hold_until=until)
    return report


def resume(report: Report, *, actor: Actor, now: datetime) -> Report:
    """Take a report up again where it was put on hold."""
    held = report.log.filter(to_state=State.ON_HOLD).last()
    if held is None:
        raise StepError(_("It is not on hold."))
    transition(
        report,
        to=held.from_state,
        actor=actor,
        now=now,
        reason=Reason.RESUMED,
        hold_until=None,
    )
    return report


@transaction.atomic
def keep_harm_off(
    report: Report, *, note: str, until: datetime, actor: Actor, now: datetime
) -> Workaround:
    """Have the model answer no texts like this one until a day; the report stays open behind it."""
    if actor.user is None or not report.is_open:
        raise StepError(_("Only an open report can have one."))
    if not now < until <= now + LONGEST_WORKAROUND:
        raise InvalidInputError(_("Choose a day within ninety days."))
    Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    return Workaround.objects.update_or_create(
        report=report,
        ended_at=None,
        defaults={
            "note": note.strip()[:300],
            "made_by": actor.user,
            "made_at": now,
            "expires_at": until,
        },
    )[0]


def end_workaround(report: Report, *, now: datetime) -> int:
    """Let the model answer such texts again."""
    return Workaround.objects.filter(report=report, ended_at=None).update(ended_at=now)


def standing_workarounds(campaign: Campaign, *, now: datetime) -> list[Report]:
    """Return the reports whose like is not answered now."""
    rows = Workaround.objects.filter(
        report__campaign=campaign, ended_at=None, expires_at__gt=now
    ).select_related("report__language")
    return [row.report for row in rows]


def place(report: Report, *, tag: str, actor: Actor, now: datetime) -> Report:
    """Say which language a report is in that named none of ours."""
    home = report.campaign.languages.filter(language__tag=tag).first()
    if home is None or actor.user is None:
        raise InvalidInputError(_("Choose a language of the campaign."))
    Report.objects.filter(pk=report.pk, language=None).update(language=home.language)
    report.refresh_from_db()
    return report


def let_through(report: Report, *, actor: Actor, now: datetime) -> Report:
    """Let speakers see a report that a moderator has looked at."""
    transition(report, to=State.AWAITING_TRIAGE, actor=actor, now=now)
    return report


@transaction.atomic
def look_at(report: Report, *, actor: Actor) -> Report:
    """Say that a newcomer's report is an honest one: from now on it counts as any other."""
    lock_family(report)
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if actor.user is None or actor.user.pk == held.user_id:
        raise StepError(_("This report is yours: somebody else decides it."))
    if not look(held):
        raise StepError(_("Somebody has looked at it already."))
    report.refresh_from_db()
    return report


def quarantine(report: Report, *, actor: Actor, now: datetime) -> Report:
    """Hide a report from all but moderators."""
    transition(report, to=State.QUARANTINED, actor=actor, now=now, reason=Reason.SUSPECT)
    return report
