"""Answers from the light page: stored at once, once, whichever door and however often they come.

Every answer carries a number that was made where it was given, and how often it was changed
there. The same again answers the same; a change is a revision; what does not fit is kept aside.
"""

import hashlib
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import cast

from django.db import transaction
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from annotation.actions.answers import NONSENSE, keepable, settle
from annotation.actions.numbers import Held, answer_under
from annotation.actions.reservations import give_again, let_go
from annotation.actions.revisions import Said, label_of, note_revision, revise, said_by
from annotation.actions.standings import WAITS, may_answer
from annotation.errors import NotFoundError
from annotation.methods.texts import storable
from annotation.models import (
    Annotation,
    Annotator,
    AnswerNumber,
    CampaignLanguage,
    Item,
    QuarantinedAnswer,
    Reservation,
)
from annotation.objectives import LONGEST_NOTE, objective, read_form
from annotation.permissions import team_of

logger = logging.getLogger(__name__)
Reason = QuarantinedAnswer.Reason
State = Annotation.State
Told = Mapping[str, object]

STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
MOST_EDITS = 1_000_000
# Nobody looks at one text for a day: beyond it a clock has jumped.
LONGEST_LOOK_S = 86_400.0
NUMBERED_BY_US = uuid.UUID("7b0c1fd2-6b86-4a3c-8f0b-6f2f8e0f5c11")


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
    uid = _number_of(told, annotator=annotator)
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


def _number_of(told: Told, *, annotator: Annotator) -> uuid.UUID:
    """The answer's own number; what came without one is known by what it says."""
    try:
        return uuid.UUID(str(told.get("uid", "")))
    except ValueError:
        return uuid.uuid5(NUMBERED_BY_US, f"{annotator.pk} {_digest(told)}")


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
    said = _read(home, item=lease.item, told=told)
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
    if held is not None and held.has_heard(said, edit=_edit(told)):
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
    given = _given_at(lease, told=told, now=now)
    # On one device its own count tells what came last, between two only their clocks do.
    behind = not held.spoke_last and given < (held.annotation.given_at or given)
    held.note(edit=_edit(told), given_at=given)
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
    given, before = _given_at(lease, told=told, now=now), said_by(live)
    AnswerNumber.objects.update_or_create(
        uid=uid, defaults={"annotation": live, "edit": _edit(told), "given_at": given}
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
    revise(live, said=said, updated_at=now.strftime(STAMP), lead_seconds=_seconds(told))


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
        edit=_edit(told),
        given_at=_given_at(lease, told=told, now=now),
        desk_updated_at=now.strftime(STAMP),
        lead_seconds=_seconds(told),
        guideline_version=_guideline(lease, told=told),
    )
    note_revision(annotation)


def _read(home: CampaignLanguage, *, item: Item, told: Told) -> Said:
    """What was said, or why it does not fit the question."""
    label, flag, note = (told.get(name) or "" for name in ("label", "flag", "note"))
    if not isinstance(label, str) or not isinstance(flag, str) or not isinstance(note, str):
        return _unfit(Reason.MALFORMED, "Label, flag and note are texts.")
    note = storable(note.strip())
    if told.get("take_back") is True:
        return Said(State.DELETED)
    if len(note) > LONGEST_NOTE:
        return _unfit(Reason.MALFORMED, f"The note has more than {LONGEST_NOTE} characters.")
    if flag and (label or told.get("fields")):
        return _unfit(Reason.MALFORMED, "A label and a flag were both given.")
    if flag:
        if flag not in Annotation.Flag.values:
            return _unfit(Reason.UNKNOWN_FIELD, f"There is no flag “{storable(flag)[:100]}”.")
        return Said(State.SKIPPED, flag=flag, note=note)
    return _answered(home, item=item, told=told, note=note)


def _answered(home: CampaignLanguage, *, item: Item, told: Told, note: str) -> Said:
    fields = _fields(told)
    if fields is None:
        return _unfit(Reason.MALFORMED, "The fields of an answer are lists of texts by name.")
    name = home.campaign.objective
    keys = list(home.campaign.labels.values_list("key", flat=True))
    text = item.sample.text if objective(name).READS_TEXT else ""
    parsed = read_form(name, fields, keys=keys, text=text)
    if parsed.reason:
        return _unfit(parsed.reason, parsed.detail)
    return Said(State.ANSWERED, answer=parsed.answer, note=note)


def _fields(told: Told) -> dict[str, list[str]] | None:
    """What a form sent, if only the label that was pressed; None if no form could have sent it."""
    fields = told.get("fields") or {"label": [told.get("label") or ""]}
    fits = isinstance(fields, dict) and all(
        isinstance(name, str)
        and isinstance(given, list)
        and all(isinstance(one, str) for one in given)
        for name, given in fields.items()
    )
    return cast("dict[str, list[str]]", fields) if fits else None


def _unfit(reason: str, detail: str) -> Said:
    return Said(State.DELETED, reason=reason, detail=detail)


def _edit(told: Told) -> int:
    edit = told.get("edit")
    return min(max(edit, 0), MOST_EDITS) if isinstance(edit, int) else 0


def _seconds(told: Told) -> float | None:
    seconds = told.get("lead_seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    # Compared before it is made a float: a number may be too long for one.
    return float(seconds) if 0 <= seconds <= LONGEST_LOOK_S else None


def _given_at(lease: Reservation, *, told: Told, now: datetime) -> datetime:
    """When it was given by the giver's clock, as far as that can be true."""
    try:
        given = parse_datetime(str(told.get("given_at", "")))
    except ValueError:
        given = None
    if given is None or not is_aware(given):
        return now
    return min(max(given, lease.created_at), now)


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
        digest=_digest(told),
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


def _digest(told: Told) -> str:
    text = json.dumps(keepable(dict(told)), sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
