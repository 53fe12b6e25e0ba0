"""Objections: what people say of a text instead of answering it leads somewhere.

*Wrong language* is set aside once two people say so, *offensive* at once, until a coordinator has
decided. *Other dialect* and *unclear* wait for a coordinator, who notes the dialect or mends the
guideline. *Can't judge* only goes to the next person.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Annotation, Item, Objection, Sample, User, Withdrawal

Flag = Annotation.Flag
State = Objection.State
# So many people must say so before a text is set aside without a coordinator.
VOICES_TO_SET_ASIDE = {Flag.WRONG_LANGUAGE: 2, Flag.OFFENSIVE: 1}
SILENT = (Flag.NONE, Flag.CANNOT_JUDGE)
LONGEST_DIALECT = 80


def note_objections(sample_id: int, *, now: datetime) -> None:
    """Bring the objections to a text in step with what people say of it now; safe to repeat."""
    if not _flagged(sample_id).exists() and not Objection.objects.filter(sample=sample_id).exists():
        return
    with transaction.atomic():
        sample = Sample.objects.select_for_update().get(pk=sample_id)
        voices = dict(
            _flagged(sample_id)
            .order_by()
            .values("flag")
            .annotate(voices=Count("annotator", distinct=True))
            .values_list("flag", "voices")
        )
        held = {objection.kind: objection for objection in sample.objections.all()}
        for kind in sorted(voices.keys() | held.keys()):
            objection = held.get(kind) or Objection(sample=sample, kind=kind, opened_at=now)
            _hear(objection, voices=voices.get(kind, 0), now=now)
        _follow(sample, now=now)


def keep_text(objection: Objection, *, by: User, now: datetime, why: str = "") -> Objection:
    """Decide that people go on being asked about the text."""
    return _decide(objection, State.KEPT, by=by, now=now, why=why)


def set_text_aside(objection: Objection, *, by: User, now: datetime, why: str = "") -> Objection:
    """Decide that nobody is asked about the text, and nothing learns from it, until undone."""
    return _decide(objection, State.SET_ASIDE, by=by, now=now, why=why)


def note_dialect(objection: Objection, *, dialect: str, by: User, now: datetime) -> Objection:
    """Say which dialect a text is in; the text stays."""
    dialect = dialect.strip()
    if not dialect or len(dialect) > LONGEST_DIALECT:
        raise InvalidInputError(
            _("A dialect's name has 1 to %d characters.") % LONGEST_DIALECT,
            remedy=_("Write the name that its speakers use."),
        )
    with transaction.atomic():
        Sample.objects.filter(pk=objection.sample_id).update(dialect=dialect)
        return _decide(objection, State.KEPT, by=by, now=now, why=dialect)


def open_again(objection: Objection, *, by: User, now: datetime) -> Objection:
    """Undo a decision: the objection stands where the voices put it."""
    with transaction.atomic():
        sample = Sample.objects.select_for_update().get(pk=objection.sample_id)
        objection = Objection.objects.get(pk=objection.pk)
        if objection.state in (State.KEPT, State.SET_ASIDE):
            objection.state, objection.set_aside_at = State.OPEN, None
            objection.decided_by, objection.decided_at, objection.decision = by, now, ""
            _hear(objection, voices=objection.voices, now=now)
            _follow(sample, now=now)
        return objection


def flagged() -> QuerySet[Annotation]:
    """What people who count say of texts instead of answering them."""
    said = Annotation.objects.filter(state=Annotation.State.SKIPPED, annotator__active=True)
    return said.exclude(flag__in=SILENT)


def _flagged(sample_id: int) -> QuerySet[Annotation]:
    return flagged().filter(item__sample=sample_id)


def _hear(objection: Objection, *, voices: int, now: datetime) -> None:
    """Count the voices; what a coordinator has decided they do not change."""
    objection.voices = voices
    if objection.state == State.DROPPED and voices:
        objection.state = State.OPEN
    elif objection.state == State.OPEN and not voices:
        objection.state, objection.set_aside_at = State.DROPPED, None
    enough = VOICES_TO_SET_ASIDE.get(Flag(objection.kind))
    if objection.state == State.OPEN and enough is not None:
        objection.set_aside_at = (objection.set_aside_at or now) if voices >= enough else None
    objection.save()


def _decide(objection: Objection, state: State, *, by: User, now: datetime, why: str) -> Objection:
    with transaction.atomic():
        sample = Sample.objects.select_for_update().get(pk=objection.sample_id)
        objection = Objection.objects.get(pk=objection.pk)
        if objection.state == state:
            return objection
        if objection.state != State.OPEN:
            raise ConflictError(
                _("It was decided meanwhile: %s.") % objection.get_state_display(),
                remedy=_("Open it again first, if that was wrong."),
            )
        objection.state = state
        aside = state == State.SET_ASIDE
        objection.set_aside_at = (objection.set_aside_at or now) if aside else None
        objection.decided_by, objection.decided_at = by, now
        objection.decision = why.strip()[:300]
        objection.save()
        _follow(sample, now=now)
        return objection


def _follow(sample: Sample, *, now: datetime) -> None:
    """Give the text and its items the place that its objections earn it."""
    since = sample.objections.exclude(set_aside_at=None).order_by("set_aside_at").first()
    if since is not None and sample.withdrawn_at is None:
        Sample.objects.filter(pk=sample.pk).update(withdrawn_at=since.set_aside_at)
        Item.objects.open().filter(sample=sample).update(state=Item.State.WITHDRAWN)
    # What its owner took back never returns.
    taken_back = Withdrawal.objects.filter(sample=sample, annotator=None).exists()
    if since is None and sample.withdrawn_at is not None and not taken_back:
        Sample.objects.filter(pk=sample.pk).update(withdrawn_at=None)
        _ask_again(sample)


def _ask_again(sample: Sample) -> None:
    """Owe the newest item of a text to the desk again, if it still wants answers."""
    item = sample.items.filter(state=Item.State.WITHDRAWN).order_by("-pk").first()
    if item is None or sample.items.exclude(state=Item.State.WITHDRAWN).exists():
        return
    answers = item.annotations.answered().values("annotator").distinct().count()
    if answers < item.wanted:
        # What was taken off the desk meanwhile is pushed anew, what is there still stays.
        item.state = Item.State.PUSHED if item.desk_task_id else Item.State.QUEUED
    else:
        item.state = Item.State.ANSWERED
    item.save(update_fields=["state"])
