"""What the light page told: read in our terms, or why it does not fit the question."""

import hashlib
import json
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol, cast

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from annotation.actions.answers import keepable
from annotation.actions.revisions import Said
from annotation.methods.texts import storable
from annotation.models import (
    Annotation,
    Annotator,
    CampaignLanguage,
    Item,
    QuarantinedAnswer,
)
from annotation.objectives import LONGEST_NOTE, objective, read_form

Reason = QuarantinedAnswer.Reason
State = Annotation.State
Told = Mapping[str, object]

MOST_EDITS = 1_000_000
# Nobody looks at one text for a day: beyond it a clock has jumped.
LONGEST_LOOK_S = 86_400.0
NUMBERED_BY_US = uuid.UUID("7b0c1fd2-6b86-4a3c-8f0b-6f2f8e0f5c11")


def number_of(told: Told, *, annotator: Annotator) -> uuid.UUID:
    """The answer's own number; what came without one is known by what it says."""
    try:
        return uuid.UUID(str(told.get("uid", "")))
    except ValueError:
        return uuid.uuid5(NUMBERED_BY_US, f"{annotator.pk} {digest_of(told)}")


def read_told(home: CampaignLanguage, *, item: Item, told: Told, keys: Collection[str]) -> Said:
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
    return _answered(home, item=item, told=told, note=note, keys=keys)


def _answered(
    home: CampaignLanguage, *, item: Item, told: Told, note: str, keys: Collection[str]
) -> Said:
    fields = _fields(told)
    if fields is None:
        return _unfit(Reason.MALFORMED, "The fields of an answer are lists of texts by name.")
    name = home.campaign.objective
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


def edit_of(told: Told) -> int:
    """How often the answer was changed where it was given."""
    edit = told.get("edit")
    return min(max(edit, 0), MOST_EDITS) if isinstance(edit, int) else 0


def seconds_of(told: Told) -> float | None:
    """How long somebody looked, as far as that can be true."""
    seconds = told.get("lead_seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    # Compared before it is made a float: a number may be too long for one.
    return float(seconds) if 0 <= seconds <= LONGEST_LOOK_S else None


class Begun(Protocol):
    """A lease, which began at some time."""

    @property
    def created_at(self) -> datetime:
        """When."""


def given_at(lease: Begun, *, told: Told, now: datetime) -> datetime:
    """When it was given by the giver's clock, as far as that can be true."""
    try:
        given = parse_datetime(str(told.get("given_at", "")))
    except ValueError:
        given = None
    if given is None or not is_aware(given):
        return now
    return min(max(given, lease.created_at), now)


def digest_of(told: Told) -> str:
    """Equal for what says the same."""
    text = json.dumps(keepable(dict(told)), sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
