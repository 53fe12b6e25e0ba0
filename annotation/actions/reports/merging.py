"""Merging: reports that say the same become followers of one, and can be taken apart again."""

from datetime import datetime

from django.db import transaction

from annotation.actions.reports.table import SYSTEM, Actor
from annotation.actions.reports.transitions import transition
from annotation.methods import report_priority
from annotation.models import Report, ReportState, User
from annotation.models.report_parts import ReportGlance
from annotation.models.reports import Reason

State = ReportState


@transaction.atomic
def merge(report: Report, *, into: Report, actor: Actor, now: datetime) -> Report:
    """Put a report, and whoever follows it, to another one; nothing is deleted."""
    lock_family(report, into)
    target = Report.objects.get(pk=into.pk)
    for follower in list(report.followers.order_by("pk")):
        transition(
            follower, to=State.MERGED, actor=SYSTEM, now=now, reason=Reason.DUPLICATE, target=target
        )
    transition(
        report, to=State.MERGED, actor=actor, now=now, reason=Reason.DUPLICATE, target=target
    )
    weigh(target)
    return target


@transaction.atomic
def unmerge(report: Report, *, actor: Actor, now: datetime) -> Report:
    """Take a report apart from the one it was put to; it waits for speakers by itself."""
    lock_family(report)
    target = report.duplicate_of
    transition(report, to=State.AWAITING_TRIAGE, actor=actor, now=now, reason=Reason.APART)
    if target is not None:
        weigh(target)
    weigh(report)
    return report


def lock_family(*reports: Report) -> None:
    """Hold reports with all that belong to them, in one order whoever asks: nobody waits in a ring."""
    own = [one.pk for one in reports]
    above = [one.duplicate_of_id for one in reports if one.duplicate_of_id]
    family = Report.objects.filter(pk__in=[*own, *above]) | Report.objects.filter(
        duplicate_of__in=own
    )
    list(family.order_by("pk").select_for_update().values_list("pk", flat=True))


def weigh(report: Report) -> None:
    """Count the different people and networks behind a report anew, and how bad it is with them.

    Clients are forgotten after a month; what was counted before stays.
    """
    rows = Report.objects.filter(pk=report.pk) | Report.objects.filter(duplicate_of=report)
    told = list(
        rows.values_list(
            "client", "origin__network", "user", "reasons", "severity_told", "consent_test"
        )
    )
    # A person counts once wherever they tell it from, and so does a network, whatever its browsers.
    known = {user or network or client for client, network, user, *_ in told}
    unknown = sum(not (user or network or client) for client, network, user, *_ in told)
    number = max(1, len(known - {""}) + unknown)
    severity = max(
        report_priority.severity_of(reasons, told=how, reporters=1 if report.frozen else number)
        for _, _, _, reasons, how, _ in told
    )
    Report.objects.filter(pk=report.pk).update(
        reporters=number, severity=max(severity, report.severity)
    )
    report.refresh_from_db()


def look_at_both(report: Report, other: Report, *, user: User, now: datetime) -> None:
    """Remember that somebody had both texts before them."""
    ReportGlance.objects.get_or_create(report=report, other=other, user=user, defaults={"at": now})


def hand_on(report: Report, *, now: datetime) -> None:
    """Let the oldest follower of a report that goes take its place for the others."""
    followers = list(report.followers.order_by("pk"))
    if not followers:
        return
    heir, *others = followers
    transition(heir, to=State.AWAITING_TRIAGE, actor=SYSTEM, now=now, reason=Reason.APART)
    for other in others:
        transition(
            other, to=State.MERGED, actor=SYSTEM, now=now, reason=Reason.DUPLICATE, target=heir
        )
    weigh(heir)
