"""Merging: reports that say the same become followers of one, and can be taken apart again."""

from datetime import datetime

from django.db import transaction

from annotation.actions.reports.table import PEOPLE, SYSTEM, Actor
from annotation.actions.reports.transitions import transition
from annotation.actions.reports.weighing import lock_family, look, weigh
from annotation.models import Report, ReportState, User
from annotation.models.report_parts import ReportGlance
from annotation.models.reports import Reason

State = ReportState


@transaction.atomic
def merge(report: Report, *, into: Report, actor: Actor, now: datetime) -> Report:
    """Put a report, and whoever follows it, to another one; nothing is deleted.

    One of us who does so had both texts before them: that is a look at either.
    """
    lock_family(report, into)
    target = Report.objects.get(pk=into.pk)
    for follower in list(report.followers.order_by("pk")):
        transition(
            follower, to=State.MERGED, actor=SYSTEM, now=now, reason=Reason.DUPLICATE, target=target
        )
    transition(
        report, to=State.MERGED, actor=actor, now=now, reason=Reason.DUPLICATE, target=target
    )
    if not (actor.by in PEOPLE and look(target)):
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
