"""Concerns: an alarm is told to the person first, and privately; only people decide what follows."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.actions.standings import stand
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import CalibrationSession, Concern, DriftChart, Standing, User

Outcome = Concern.Outcome


@transaction.atomic
def open_concern(chart: DriftChart, *, confusions: list[list[int]], now: datetime) -> Concern:
    """Write the private note of an alarm; while one is open nobody gets a second."""
    there = Concern.objects.filter(
        annotator=chart.annotator_id, campaign_language=chart.campaign_language_id, closed_at=None
    ).first()
    if there is not None:
        return there
    return Concern.objects.get_or_create(
        chart=chart,
        defaults={
            "annotator_id": chart.annotator_id,
            "campaign_language_id": chart.campaign_language_id,
            "kind": chart.kind,
            "confusions": confusions,
            "opened_at": now,
        },
    )[0]


def note_read(concern: Concern, *, now: datetime) -> None:
    """Remember when a person first read their note."""
    Concern.objects.filter(pk=concern.pk, read_at=None).update(read_at=now)


@transaction.atomic
def reply_to(concern: Concern, *, says: str, now: datetime) -> Concern:
    """Keep what a person answers to their note; a later answer stands for the earlier."""
    locked = Concern.objects.select_for_update().get(pk=concern.pk)
    says = says.strip()
    if not says:
        raise InvalidInputError(_("Write what you want to say."))
    if locked.closed_at is not None:
        raise ConflictError(_("This note is closed already."))
    if locked.reply != says:
        locked.reply, locked.replied_at = says[:2000], now
        locked.save(update_fields=["reply", "replied_at"])
    note_read(locked, now=now)
    return locked


@transaction.atomic
def decide_concern(
    concern: Concern, *, outcome: str, remark: str, actor: User, now: datetime
) -> Concern:
    """Close a concern as a person decides: all is well, or one more pair of eyes from now on.

    Nobody is ever shut out by it, and nobody decides their own. The same again changes nothing.
    """
    locked = Concern.objects.select_for_update().get(pk=concern.pk)
    if locked.annotator.user_id == actor.pk:
        raise ConflictError(
            _("This note is about you: somebody else decides it."),
            remedy=_("Ask another coordinator, or an admin of the campaign."),
        )
    if outcome not in Outcome.values:
        raise InvalidInputError(_("Choose what is to follow."))
    if locked.closed_at is not None:
        if locked.outcome == outcome:
            return locked
        raise ConflictError(_("Somebody has decided that already: look at the page again."))
    locked.remark, locked.decided_by = remark.strip()[:2000], actor
    _close(locked, outcome=outcome, now=now)
    if outcome == Outcome.SUPERVISED:
        stand(
            locked.annotator,
            locked.campaign_language.campaign,
            state=Standing.State.SUPERVISED,
            reason=_("Answers have changed; decided after a talk about it."),
            now=now,
            actor=actor,
        )
    return locked


def close_well(refresher: CalibrationSession, *, now: datetime) -> None:
    """Close the concern whose refresher went well; its charts begin anew."""
    concern = Concern.objects.filter(refresher=refresher, closed_at=None).first()
    if concern is not None:
        _close(concern, outcome=Outcome.WELL, now=now)


def _close(concern: Concern, *, outcome: str, now: datetime) -> None:
    concern.outcome, concern.closed_at = Outcome(outcome), now
    concern.save(update_fields=["outcome", "closed_at", "remark", "decided_by"])
    DriftChart.objects.filter(
        annotator=concern.annotator_id,
        campaign_language=concern.campaign_language_id,
        ended_at=None,
    ).update(ended_at=now)
