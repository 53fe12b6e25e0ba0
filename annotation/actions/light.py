"""Answers from the light page: stored at once, once, whichever door and however often they come.

Every answer carries a number that was made where it was given, and how often it was changed
there. The same again answers the same; a change is a revision; what does not fit is kept aside.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from annotation.actions.answers import NONSENSE, keepable, settle
from annotation.actions.numbers import Held, answer_under
from annotation.actions.reservations import give_again, let_go
from annotation.actions.revisions import Said, label_of, note_revision, revise, said_by
from annotation.actions.standings import WAITS, may_answer
from annotation.actions.told import (
    Told,
    digest_of,
    edit_of,
    given_at,
    number_of,
    read_told,
    seconds_of,
)
from annotation.errors import NotFoundError
from annotation.methods.texts import storable
from annotation.models import (
    Annotation,
    Annotator,
    AnswerNumber,
    CampaignLanguage,
    QuarantinedAnswer,
    Reservation,
)
from annotation.permissions import team_of

logger = logging.getLogger(__name__)
Reason = QuarantinedAnswer.Reason
State = Annotation.State

STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


class Outcome(StrEnum):
    """What became of one answer."""

    STORED = "stored"
    REVISED = "revised"
    SAME = "same"
    REFUSED = "refused"


@dataclass(frozen=True)
class Receipt:
    """What the giver of an answer is told."""

    uid: str
    outcome: Outcome
    reason: str = ""
    detail: str = ""


def take_answer(
    annotator: Annotator, *, home: CampaignLanguage, told: Told, now: datetime
) -> Receipt:
    """Store one answer once; raise if its item was never this person's to answer.

    What cannot be used is quarantined with a reason, which the receipt tells as well.
    """
    uid = number_of(told, annotator=annotator)
    with transaction.atomic():
        CampaignLanguage.objects.select_for_update().get(pk=home.pk)
        lease = _lease_of(annotator, home=home, told=told, uid=uid)
        return _take_safely(lease, home=home, told=told, uid=uid, now=now)


def take_again(home: CampaignLanguage, *, row: QuarantinedAnswer, now: datetime) -> bool:
    """Read a light answer from the quarantine once more; true if it fits by now."""
    if row.annotator is None or row.uid is None:
        return False
    try:
        lease = _lease_of(row.annotator, home=home, told=row.payload, uid=row.uid)
    except NotFoundError:
        return False
    receipt = _take_safely(lease, home=home, told=row.payload, uid=row.uid, now=now)
    if receipt.outcome == Outcome.REFUSED:
        return False
    QuarantinedAnswer.objects.filter(pk=row.pk).update(resolved_at=now)
    return True


def _lease_of(
    annotator: Annotator, *, home: CampaignLanguage, told: Told, uid: uuid.UUID
) -> Reservation:
    """The last lease that somebody had of the item: without one it is not theirs to answer."""
    missing = NotFoundError(
        "This text was not given to you.", remedy="Open the page again for those that are."
    )
    try:
        item = uuid.UUID(str(told.get("item", "")))
    except ValueError:
        raise missing from None
    given = Reservation.objects.filter(
        item__uid=item, item__campaign_language=home, annotator=annotator
    )
    lease = given.select_related("item__campaign_language", "annotator").order_by("-pk").first()
    held = answer_under(uid)
    if lease is None or (held is not None and held.annotation.annotator_id != annotator.pk):
        raise missing
    return lease


def _take_safely(
    lease: Reservation, *, home: CampaignLanguage, told: Told, uid: uuid.UUID, now: datetime
) -> Receipt:
    try:
        with transaction.atomic():
            return _take(lease, home=home, told=told, uid=uid, now=now)
    except (*NONSENSE, RecursionError) as error:
        logger.exception("Answer %s of %s could not be read.", uid, home)
        broken = Said(State.DELETED, reason=Reason.MALFORMED, detail=type(error).__name__)
        return _quarantine(lease, home=home, told=told, uid=uid, said=broken)


def _take(
    lease: Reservation, *, home: CampaignLanguage, told: Told, uid: uuid.UUID, now: datetime
) -> Receipt:
    keys = list(home.campaign.labels.values_list("key", flat=True))
    said = read_told(home, item=lease.item, told=told, keys=keys)
    held = answer_under(uid)
    if held is not None and held.annotation.item_id != lease.item_id:
        detail = "Its number was used for an answer on another text."
        said = Said(State.DELETED, reason=Reason.MALFORMED, detail=detail)
    elif not team_of(home.campaign, home.language).filter(pk=lease.annotator_id).exists():
        detail = f"The account is not in the {home.language.tag} team."
        said = Said(said.state, reason=Reason.UNKNOWN_PERSON, detail=detail)
    elif held is None and not may_answer(lease.annotator, home.campaign):
        said = Said(said.state, reason=Reason.NOT_QUALIFIED, detail=WAITS)
    if said.reason:
        return _quarantine(lease, home=home, told=told, uid=uid, said=said)
    outcome = _put_down(lease, held=held, said=said, told=told, uid=uid, now=now)
    QuarantinedAnswer.objects.filter(uid=uid, resolved_at=None).update(resolved_at=now)
    if outcome != Outcome.SAME:
        lease.item.refresh_from_db()
        if said.state == State.DELETED:
            settle(lease.item, now=now)
            give_again(lease, now=now)
        else:
            let_go(lease, ended=Reservation.Ended.ANSWERED, now=now)
            settle(lease.item, now=now)
    return Receipt(str(uid), outcome)


def _put_down(
    lease: Reservation,
    *,
    held: Held | None,
    said: Said,
    told: Told,
    uid: uuid.UUID,
    now: datetime,
) -> Outcome:
    """Store what is new, as a revision wherever this person has answered the item already."""
    if held is not None and held.has_heard(said, edit=edit_of(told)):
        return Outcome.SAME
    silent = held is None or held.annotation.state == State.DELETED
    if silent and said.state == State.DELETED:
        return Outcome.SAME
    if silent and (elsewhere := _live_answer(lease, uid=uid)) is not None:
        _join(elsewhere, lease, said=said, told=told, uid=uid, now=now)
        return Outcome.STORED
    if held is None:
        _create(lease, said=said, told=told, uid=uid, now=now)
        return Outcome.STORED
    given = given_at(lease, told=told, now=now)
    # On one device its own count tells what came last, between two only their clocks do.
    behind = not held.spoke_last and given < (held.annotation.given_at or given)
    held.note(edit=edit_of(told), given_at=given)
    if behind or said_by(held.annotation) == said:
        return Outcome.SAME
    _say(held.annotation, said=said, told=told, given=given, now=now)
    return Outcome.REVISED


def _live_answer(lease: Reservation, *, uid: uuid.UUID) -> Annotation | None:
    """What this person says of the item under another number: one text is answered once."""
    live = Annotation.objects.filter(item=lease.item_id, annotator=lease.annotator_id)
    live = live.filter(source=Annotation.Source.LIGHT, state__in=(State.ANSWERED, State.SKIPPED))
    return live.exclude(uid=uid).select_related("item__campaign_language").order_by("pk").first()


def _join(
    live: Annotation,
    lease: Reservation,
    *,
    said: Said,
    told: Told,
    uid: uuid.UUID,
    now: datetime,
) -> None:
    """Take an answer from a second device into the one that is there; whichever is newer holds."""
    given, before = given_at(lease, told=told, now=now), said_by(live)
    AnswerNumber.objects.update_or_create(
        uid=uid, defaults={"annotation": live, "edit": edit_of(told), "given_at": given}
    )
    if before == said:
        return
    held_since, seconds = live.given_at, live.lead_seconds
    _say(live, said=said, told=told, given=given, now=now)
    if held_since is not None and given < held_since:
        # It was said before what holds: it is kept among the revisions, and holds no longer.
        live.given_at = held_since
        revise(live, said=before, updated_at=now.strftime(STAMP), lead_seconds=seconds)


def _say(live: Annotation, *, said: Said, told: Told, given: datetime, now: datetime) -> None:
    live.given_at = given
    revise(live, said=said, updated_at=now.strftime(STAMP), lead_seconds=seconds_of(told))


def _create(lease: Reservation, *, said: Said, told: Told, uid: uuid.UUID, now: datetime) -> None:
    annotation = Annotation.objects.create(
        item=lease.item,
        annotator=lease.annotator,
        uid=uid,
        source=Annotation.Source.LIGHT,
        state=said.state,
        label=label_of(lease.item, said=said),
        answer=said.answer,
        flag=said.flag,
        note=said.note,
        edit=edit_of(told),
        given_at=given_at(lease, told=told, now=now),
        desk_updated_at=now.strftime(STAMP),
        lead_seconds=seconds_of(told),
        guideline_version=_guideline(lease, told=told),
    )
    note_revision(annotation)


def _guideline(lease: Reservation, *, told: Told) -> int:
    """The guideline that was on the screen; if that cannot be, the one the item came with."""
    version = told.get("guideline_version")
    known = lease.item.campaign_language.guidelines
    if isinstance(version, int) and known.filter(version=version).exists():
        return version
    return lease.guideline_version


def _quarantine(
    lease: Reservation, *, home: CampaignLanguage, told: Told, uid: uuid.UUID, said: Said
) -> Receipt:
    """Keep it whole, once, with the reason it is not taken for."""
    detail = storable(said.detail)[:300]
    QuarantinedAnswer.objects.get_or_create(
        uid=uid,
        digest=digest_of(told),
        defaults={
            "campaign_language": home,
            "item": lease.item,
            "annotator": lease.annotator,
            "reason": said.reason,
            "detail": detail,
            "payload": keepable(dict(told)),
        },
    )
    return Receipt(str(uid), Outcome.REFUSED, reason=said.reason, detail=detail)
