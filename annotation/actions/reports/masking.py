"""Masking by hand: a moderator says which words are private; names have no form that a machine knows."""

import json
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import regex
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from annotation.actions.reports.sealed import ORIGINAL_KEPT, TEXTS, keyed, seal, unseal
from annotation.actions.reports.told import WRITING
from annotation.actions.reports.transitions import StepError
from annotation.errors import InvalidInputError
from annotation.methods.private import hand_masked
from annotation.models import (
    Report,
    ReportImprint,
    ReportLikeness,
    ReportMask,
    ReportOriginal,
    ReportState,
    User,
)

State = ReportState
MOST_WORDS, LONGEST_WORD = 40, 200
# Before a machine has read it nobody sees it, and what was taken back is empty.
CLOSED_TO_ALL = (State.NEW, State.RECEIVED, State.SCREENED, State.WITHDRAWN)


def words_of(told: str) -> list[str]:
    """Return what somebody typed, one a line, the longest first: a name before a part of it."""
    found = {unicodedata.normalize("NFC", line.strip()) for line in told.splitlines()}
    return sorted((one for one in found if regex.search(r"\w", one)), key=len, reverse=True)


@transaction.atomic
def mask_words(report: Report, *, told: str, user: User, now: datetime) -> list[ReportMask]:
    """Put a mask for words wherever a report, its answers, or what was written for it says them.

    All who told the same are masked with it. What stood there is sealed, and opened as any original
    is: by two together, until it expires.
    """
    words = words_of(told)
    if not words or len(words) > MOST_WORDS or len(words[0]) > LONGEST_WORD:
        raise InvalidInputError(
            _("Write the words that nobody else shall read."),
            remedy=_("One name a line, at most 40 lines of at most 200 characters."),
        )
    family, together = _family(report, user=user), uuid4()
    each = [_mask(one, words=words, by=user, together=together, now=now) for one in family]
    made = [one for one in each if one is not None]
    if not made:
        raise InvalidInputError(
            _("These words are not in the report."), remedy=_("Write them as they stand there.")
        )
    report.refresh_from_db()
    return made


def masks_of_the_same(report: Report) -> list[ReportMask]:
    """Return the masks that stand where others told the very same, the oldest first, each once."""
    same = {report.digest, keyed(report.digest)} - {""}
    rows = ReportMask.objects.filter(
        undone_at=None, report__campaign=report.campaign_id, report__digest__in=same
    ).exclude(report=report)
    return list({one.together or one.pk: one for one in rows.order_by("pk")}.values())


def mask_alike(report: Report, *, masks: Iterable[ReportMask], now: datetime) -> None:
    """Mask a newcomer as those were that told the same; nothing where the words are forgotten."""
    for one in masks:
        kept = json.loads(unseal(one.sealed) or "{}")
        if words := kept.get("words"):
            told = _mask(report, words=words, by=one.by, together=one.together, now=now)
            report.refresh_from_db()
            if told is not None:
                _seal_digest(told, digest=kept["digest"])


@transaction.atomic
def undo_mask(report: Report, *, user: User, now: datetime) -> list[ReportMask]:
    """Put back what stood there before the newest mask; for whoever masked it, or two who read it."""
    # All that were masked with it, too, in one order.
    together = ReportMask.objects.filter(together__in=report.masks.values("together"))
    near = Q(pk=report.pk) | Q(pk__in=together.values("report"))
    list(
        Report.objects.filter(near).order_by("pk").select_for_update(no_key=True).values_list("pk")
    )
    held = _held(report, user=user)
    group = _newest(held)
    standing = [one for one in group if one.expires_at > now and unseal(one.sealed)]
    if not standing:
        raise StepError(_("Nothing was masked by hand, or what stood there is gone."))
    original = ReportOriginal.objects.filter(report=held, agreed_by__isnull=False).first()
    readers = (original.asked_by_id, original.agreed_by_id) if original else ()
    if user.pk != standing[0].by_id and user.pk not in readers:
        raise StepError(
            _("Somebody else masked it: they can undo it, or two who read the original together.")
        )
    for one in standing:
        kept = json.loads(unseal(one.sealed))
        _say(one.report, _still(one.report, kept), masked=kept["masked"])
        _find_by(one.report, digest=kept.get("digest", one.report.digest))
        if not kept["original"]:
            ReportOriginal.objects.filter(report=one.report).delete()
        one.sealed, one.undone_by, one.undone_at = "", user, now
        one.save(update_fields=["sealed", "undone_by", "undone_at"])
    report.refresh_from_db()
    return standing


def standing_masks(report: Report) -> "QuerySet[ReportMask]":
    """Return the masks that somebody put and nobody took back, the oldest first."""
    return report.masks.filter(undone_at=None).order_by("pk")


def forget_masked(now: datetime) -> int:
    """Forget what stood under masks whose time is over; the masks stay."""
    over = ReportMask.objects.filter(expires_at__lte=now).exclude(sealed="")
    return over.update(sealed="")


def _held(report: Report, *, user: User) -> Report:
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if held.user_id == user.pk:
        raise StepError(_("This report is yours: somebody else decides it."))
    if held.state in CLOSED_TO_ALL:
        raise StepError(_("There is nothing to mask."))
    return held


def _family(report: Report, *, user: User) -> list[Report]:
    """Hold a report with all that tell the same, in one order whoever asks.

    One on its way is held, too: a machine may be reading it at this moment.
    """
    told = Report.objects.get(pk=report.pk)
    family = _lock_alike(told)
    # What was put to another while we waited belongs there now.
    while told.duplicate_of_id != (
        top := Report.objects.values_list("duplicate_of", flat=True).get(pk=told.pk)
    ):
        told.duplicate_of_id = top
        family = _lock_alike(told)
    _held(report, user=user)
    return family


def _lock_alike(told: Report) -> list[Report]:
    top = told.duplicate_of_id or told.pk
    near = Q(pk=top) | Q(duplicate_of=top)
    known = set(Report.objects.filter(near).values_list("digest", flat=True)) - {""}
    same = Q(campaign=told.campaign_id, digest__in={*known, *map(keyed, known)})
    rows = Report.objects.filter(near | same).exclude(state=State.WITHDRAWN)
    return list(rows.select_for_update(no_key=True).order_by("pk"))


def _mask(
    report: Report, *, words: list[str], by: User, together: UUID | None, now: datetime
) -> ReportMask | None:
    """Put a mask for words in one report; nothing where it does not say them."""
    before = _said(report)
    after, places = _masked(before, words)
    if not places:
        return None
    whole = "\n\x1e\n".join(getattr(report, name) for name in TEXTS)
    ReportOriginal.objects.filter(report=report, expires_at__lte=now).delete()
    original, made = ReportOriginal.objects.get_or_create(
        report=report, defaults={"sealed": seal(whole), "expires_at": now + ORIGINAL_KEPT}
    )
    kept = {
        "said": before,
        "masked": report.masked,
        "original": not made,
        "words": words,
        "digest": report.digest,
    }
    _say(report, after, masked=True)
    if _lead(before) != _lead(after):
        _find_by(report, digest=keyed(report.digest))
    return ReportMask.objects.create(
        report=report,
        together=together,
        places=places,
        sealed=seal(json.dumps(kept)),
        by=by,
        at=now,
        expires_at=original.expires_at,
    )


def _lead(said: dict[str, Any]) -> str:
    """Return the text that a report's digest is of."""
    return str(said["texts"]["input_text"] or said["texts"]["description"])


def _find_by(report: Report, *, digest: str) -> None:
    """Change what the very same text is found by; it stays where one place told it twice meanwhile."""
    with suppress(IntegrityError), transaction.atomic():
        Report.objects.filter(pk=report.pk).update(digest=digest)


def _seal_digest(mask: ReportMask, *, digest: str) -> None:
    """Have a mask of a newcomer put back what the others are found by, which came keyed already."""
    kept = json.loads(unseal(mask.sealed)) | {"digest": digest}
    mask.sealed = seal(json.dumps(kept))
    mask.save(update_fields=["sealed"])


def _newest(report: Report) -> list[ReportMask]:
    """Return the newest mask of a report with those that were put together with it.

    Where a later one lies upon any of these, that is the newest.
    """
    last = standing_masks(report).last()
    while last is not None:
        group = ReportMask.objects.filter(pk=last.pk)
        if last.together is not None:
            group = ReportMask.objects.filter(together=last.together, undone_at=None)
        reports = (
            Report.objects.filter(masks__in=group).order_by("pk").select_for_update(no_key=True)
        )
        tops = [standing_masks(one).last() for one in reports]
        found = list(group.order_by("pk").select_related("report__campaign"))
        later = [one for one in tops if one is not None and one not in found]
        if not later:
            return found
        last = max(later, key=lambda one: one.pk)
    return []


def _said(report: Report) -> dict[str, Any]:
    """Return all that was told, and what was written for it, as it is kept sealed."""
    writes = report.campaign.objective in WRITING
    return {
        "texts": {name: getattr(report, name) for name in TEXTS},
        "answers": {str(one.pk): one.text for one in report.messages.exclude(text="")},
        # Where answers are marks in a text, their words stand in the name; labels are no text.
        "written": {
            str(one.pk): [one.label, one.told] if writes else [None, _name(one.told)]
            for one in report.reproductions.all()
        },
        "notes": {
            "public": report.public_note,
            "votes": dict(report.votes.exclude(note="").values_list("pk", "note")),
            "workarounds": dict(report.workarounds.values_list("pk", "note")),
        },
    }


def _still(report: Report, kept: dict[str, Any]) -> dict[str, Any]:
    """Return what stood under a mask, less the notes that somebody has changed or erased since."""
    said: dict[str, Any] = kept["said"]
    left, now = _masked(said, kept.get("words", []))[0], _said(report)

    def same(kind: str, key: str) -> bool:
        there = {str(pk): text for pk, text in now["notes"][kind].items()}
        return bool(there.get(key) == left["notes"][kind][key])

    if "notes" not in said:
        return said
    notes = {
        kind: {key: text for key, text in said["notes"][kind].items() if same(kind, key)}
        for kind in ("votes", "workarounds")
    }
    public = said["notes"]["public"]
    if now["notes"]["public"] == left["notes"]["public"]:
        notes["public"] = public
    return said | {"notes": notes}


def _name(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key == "name"}


def _masked(said: Any, words: Iterable[str]) -> tuple[Any, int]:
    """Return the same with masks in every text of it, and how many there are."""
    if isinstance(said, str):
        return hand_masked(said, words=words)
    if isinstance(said, dict):
        found = {key: _masked(value, words) for key, value in said.items()}
        return {key: one for key, (one, _) in found.items()}, sum(n for _, n in found.values())
    if isinstance(said, list):
        each = [_masked(value, words) for value in said]
        return [one for one, _ in each], sum(n for _, n in each)
    return said, 0


def _say(report: Report, said: dict[str, Any], *, masked: bool) -> None:
    # What was sealed by an older release has no notes.
    notes = said.get("notes", {})
    public = notes.get("public", report.public_note)
    Report.objects.filter(pk=report.pk).update(**said["texts"], public_note=public, masked=masked)
    for pk, text in notes.get("votes", {}).items():
        report.votes.filter(pk=pk).update(note=text)
    for pk, text in notes.get("workarounds", {}).items():
        report.workarounds.filter(pk=pk).update(note=text)
    for pk, text in said["answers"].items():
        report.messages.filter(pk=pk).update(text=text)
    for pk, (label, told) in said["written"].items():
        row = report.reproductions.filter(pk=pk).first()
        if row is not None:
            row.told = row.told | told
            row.label = row.label if label is None else label[:200]
            row.save(update_fields=["label", "told"])
    # Nearly the words themselves can be read out of it: a worker makes it anew.
    ReportImprint.objects.filter(report=report).delete()
    ReportLikeness.objects.filter(Q(report=report) | Q(other=report)).delete()
