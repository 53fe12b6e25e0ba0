"""Copies at the desk of answers that were given on the light page: ours are the record.

Whichever comes first, our note of the number or the sweep that finds the copy, an answer is held
once. A copy that says what we once said is behind, and mirroring mends it; one that says anything
else was edited by somebody there, and that is a revision.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from annotation.actions.revisions import Said, revise, said_by
from annotation.gateways import DeskAnnotation
from annotation.models import Annotation, Item

State = Annotation.State


def original_of(item: Item | None, *, told: DeskAnnotation) -> Annotation | None:
    """The light answer that an answer at the desk is a copy of, if it is one."""
    light = Annotation.objects.filter(source=Annotation.Source.LIGHT)
    try:
        found = light.filter(uid=UUID(told.unique_id)).first() if told.unique_id else None
    except ValueError:
        found = None
    if found is None and item is not None and told.skipped and told.user_id is not None:
        # A desk may hide the id of what holds no result; the person and the item name it too.
        found = light.filter(
            item=item,
            annotator__user__desk_user_id=told.user_id,
            state=State.SKIPPED,
            desk_annotation_id=None,
        ).first()
    return found


def number_of_copy(told: DeskAnnotation) -> UUID | None:
    """The number of the light answer that was put down at the desk as this one, if one was.

    Mirroring has the first region bear the number of the whole; no page at the desk does so.
    """
    first = told.result[0] if isinstance(told.result, list) and told.result else None
    named = first.get("id") if isinstance(first, dict) else None
    try:
        return UUID(told.unique_id) if told.unique_id and named == told.unique_id else None
    except ValueError:
        return None


def as_given(number: UUID, *, told: DeskAnnotation, now: datetime) -> dict[str, Any]:
    """What a light answer has beside what was said, when only its copy is left to tell of it."""
    try:
        given = parse_datetime(told.updated_at)
    except ValueError:
        given = None
    return {
        "uid": number,
        "source": Annotation.Source.LIGHT,
        "given_at": given if given is not None and is_aware(given) else now,
        "desk_seen_at": told.updated_at,
        "mirrored_revision": 1,
    }


def take_copy(original: Annotation, *, told: DeskAnnotation, said: Said) -> bool:
    """Note what the desk holds of one of our answers; true if somebody edited it there."""
    original.desk_annotation_id, original.desk_task_id = told.id, told.task_id
    seen = original.desk_seen_at and told.updated_at <= original.desk_seen_at
    if original.state == State.WITHDRAWN or seen:
        original.save(update_fields=["desk_annotation_id", "desk_task_id"])
        return False
    original.desk_seen_at = told.updated_at
    edited = False
    if _says(original, said):
        original.mirrored_revision = original.revision
    elif not _is_behind(original, said):
        edited = True
        revise(
            original,
            # A copy without a note may be older than notes are at the desk.
            said=replace(said, note=said.note or original.note),
            updated_at=told.updated_at,
            lead_seconds=told.lead_seconds,
        )
        original.mirrored_revision = original.revision
    original.save()
    return edited


def is_gone(original: Annotation, *, updated_at: str) -> bool:
    """Whether a copy that a task lacks was there before: else it may only be on its way."""
    return bool(original.desk_seen_at) and original.desk_seen_at <= updated_at


def _says(original: Annotation, said: Said) -> bool:
    ours = said_by(original)
    if ours.state == State.DELETED:
        # The desk keeps no answer that was taken back; ours lies there as skipped.
        return said.state in (State.SKIPPED, State.DELETED)
    return _same(ours, said)


def _is_behind(original: Annotation, said: Said) -> bool:
    """Whether the desk has yet to hear of our last word, and holds one from before it."""
    if original.mirrored_revision >= original.revision:
        return False
    past = original.revisions.filter(
        number__gte=original.mirrored_revision, number__lt=original.revision
    )
    return any(_same(said_by(one), said) for one in past)


def _same(ours: Said, said: Said) -> bool:
    same = (ours.state, ours.answer) == (said.state, said.answer)
    return same and said.flag in ("", ours.flag) and said.note in ("", ours.note)
