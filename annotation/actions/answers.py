"""One answer as the desk tells it becomes ours: stored, revised, or kept aside with a reason."""

import logging
from datetime import datetime
from enum import StrEnum
from math import isfinite

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from annotation.actions.copies import as_given, is_gone, number_of_copy, original_of, take_copy
from annotation.actions.objections import note_objections
from annotation.actions.reservations import note_as_answered
from annotation.actions.revisions import Said, label_of, note_revision, revise
from annotation.actions.standings import WAITS, counting, may_answer
from annotation.gateways import DeskAnnotation, DeskTask
from annotation.methods.texts import storable
from annotation.models import (
    Annotation,
    Annotator,
    CampaignLanguage,
    Item,
    QuarantinedAnswer,
)
from annotation.objectives import objective
from annotation.permissions import team_of

logger = logging.getLogger(__name__)
Reason = QuarantinedAnswer.Reason
State = Annotation.State
FLAGS = frozenset(flag for flag in Annotation.Flag.values if flag)
# What an answer that makes no sense may raise on its way through us.
NONSENSE = (ValueError, TypeError, KeyError, ValidationError, DataError, IntegrityError)
# Answers are a few levels deep; below this one there is nothing to keep.
DEEPEST = 40


class Outcome(StrEnum):
    """What became of one answer."""

    STORED = "stored"
    REVISED = "revised"
    SAME = "same"
    QUARANTINED = "quarantined"


def store(
    home: CampaignLanguage,
    *,
    item: Item | None,
    told: DeskAnnotation,
    now: datetime,
    again: bool = False,
) -> Outcome:
    """Store one answer once; one that cannot be used is quarantined, and never stops the rest.

    ``again`` reads an answer that was in quarantine, whose time stamp we therefore know.
    """
    try:
        with transaction.atomic():
            return _store(home, item=item, told=told, now=now, again=again)
    except (*NONSENSE, RecursionError) as error:
        logger.exception("Answer %s of %s could not be read.", told.id, home)
        broken = Said(State.DELETED, reason=Reason.MALFORMED, detail=type(error).__name__)
        return _quarantine(home, item=item, told=told, said=broken)


def tombstone_missing(item: Item, *, task: DeskTask) -> int:
    """Mark as deleted what we hold of a task and the task holds no more."""
    present = [told.id for told in task.annotations]
    held = item.annotations.filter(desk_task_id=task.id).exclude(
        state__in=(State.DELETED, State.WITHDRAWN)
    )
    missing = list(held.exclude(desk_annotation_id__in=present))
    gone = [a for a in missing if a.uid is None or is_gone(a, updated_at=task.updated_at)]
    for annotation in gone:
        revise(annotation, said=Said(State.DELETED), updated_at=task.updated_at)
    return len(gone)


def forget_missing(item: Item, *, task: DeskTask, now: datetime) -> None:
    """Close the quarantine of answers that the desk holds no more."""
    present = [told.id for told in task.annotations]
    aside = QuarantinedAnswer.objects.filter(
        item=item, resolved_at=None, payload__task_id=task.id, desk_updated_at__lte=task.updated_at
    )
    # What a desk of the past told has a number below zero; the present one knows nothing of it.
    aside = aside.filter(desk_annotation_id__gt=0)
    aside.exclude(desk_annotation_id__in=present).update(resolved_at=now)


def settle(item: Item, *, now: datetime) -> None:
    """Give an item the state that its answers earn it."""
    answers = item.annotations.answered().values("annotator").distinct().count()
    state = item.state
    if answers >= item.wanted:
        state = Item.State.ANSWERED
    elif _nobody_is_left(item):
        state = Item.State.ANSWERED if answers else Item.State.WITHDRAWN
    elif item.desk_task_id is None and state in (Item.State.PUSHED, Item.State.ANSWERED):
        # What never was at the desk cannot have vanished from it: it is owed again.
        state = Item.State.WITHDRAWN if item.pushed_at else _open_again(item, Item.State.QUEUED)
    elif state == Item.State.ANSWERED:
        state = _open_again(item, Item.State.PUSHED)
    if state != item.state:
        item.state = state
        item.answered_at = now if state == Item.State.ANSWERED else None
        item.save(update_fields=["state", "answered_at"])
    note_objections(item.sample_id, now=now)


def _open_again(item: Item, state: Item.State) -> Item.State:
    """The state of an item that wants answers again, unless its sample is asked elsewhere."""
    leased = Item.objects.open().filter(sample=item.sample_id).exclude(pk=item.pk).exists()
    return Item.State.WITHDRAWN if leased else state


def _nobody_is_left(item: Item) -> bool:
    """Whether everybody in the team has answered or skipped the item."""
    home = item.campaign_language
    team = counting(home.campaign, team_of(home.campaign, home.language))
    heard = item.annotations.exclude(state=State.DELETED).values("annotator")
    return team.exists() and not team.exclude(pk__in=heard).exists()


def _store(
    home: CampaignLanguage, *, item: Item | None, told: DeskAnnotation, now: datetime, again: bool
) -> Outcome:
    held = _held(item, told=told)
    said = _read(home, item=item, told=told)
    if held is not None and (item is None or held.item_id != item.pk):
        # Another desk counts anew, or a task was renamed: the person has taken nothing back.
        detail = f"We hold another item's answer under number {told.id}."
        said = Said(said.state, reason=Reason.UNKNOWN_ITEM, detail=detail)
        return _quarantine(home, item=item, told=told, said=said)
    if held is not None and held.source == Annotation.Source.LIGHT:
        return _store_copy(home, original=held, told=told, said=said, now=now)
    if held is not None and (
        held.state == State.WITHDRAWN or _is_old_news(held, told=told, said=said, again=again)
    ):
        # What was taken back stays so, whatever the desk goes on telling of it.
        return Outcome.SAME
    annotator = _annotator(home, told=told)
    said = _judge(home, item=item, held=held, annotator=annotator, said=said)
    if said.reason or item is None or annotator is None:
        if held is not None and held.state != State.DELETED:
            # The person has replaced what we hold; it is no longer what they say.
            revise(held, said=Said(State.DELETED), updated_at=told.updated_at)
        return _quarantine(home, item=item, told=told, said=said)
    _close_quarantine(told, now=now)
    if held is None:
        _create(item, annotator=annotator, told=told, said=said, now=now)
        return Outcome.STORED
    revise(held, said=said, updated_at=told.updated_at, lead_seconds=told.lead_seconds)
    return Outcome.REVISED


def _store_copy(
    home: CampaignLanguage,
    *,
    original: Annotation,
    told: DeskAnnotation,
    said: Said,
    now: datetime,
) -> Outcome:
    """Take what the desk holds of a light answer, if it is fit to be one."""
    # Whether it counts was decided when it was given; here it only has to be the same person.
    speakers = Annotator.objects.filter(pk=original.annotator_id, active=True)
    if not speakers.filter(user__desk_user_id=told.user_id, user__desk_user_id__gt=0).exists():
        detail = "The desk names another person for an answer that was given on the light page."
        said = Said(said.state, reason=Reason.UNKNOWN_PERSON, detail=detail)
    if said.reason:
        # Ours is the record: it stands, and whoever looks at the quarantine decides.
        return _quarantine(home, item=original.item, told=told, said=said)
    edited = take_copy(original, told=told, said=said)
    _close_quarantine(told, now=now)
    return Outcome.REVISED if edited else Outcome.SAME


def _held(item: Item | None, *, told: DeskAnnotation) -> Annotation | None:
    """What we hold of an answer, be it from the time before a lost desk came back."""
    held = Annotation.objects.filter(desk_annotation_id=told.id).first()
    held = held or original_of(item, told=told)
    if held is not None or item is None or told.user_id is None or told.id < 0:
        return held
    past = item.annotations.filter(
        desk_annotation_id__lt=0, annotator__user__desk_user_id=told.user_id
    )
    held = past.filter(desk_updated_at=told.updated_at).first() or past.order_by("-pk").first()
    if held is not None:
        held.desk_annotation_id, held.desk_task_id = told.id, told.task_id
        held.save(update_fields=["desk_annotation_id", "desk_task_id"])
    return held


def _read(home: CampaignLanguage, *, item: Item | None, told: DeskAnnotation) -> Said:
    keys = list(home.campaign.labels.values_list("key", flat=True))
    kind = objective(home.campaign.objective)
    text = item.sample.text if item and kind.READS_TEXT else ""
    parsed = kind.parse(told.result, keys=keys, flags=FLAGS, text=text)
    if told.skipped:
        # Whoever skips there says no more than that; a flag of the light page lies there so, too.
        flag = parsed.flag if number_of_copy(told) else ""
        return Said(State.SKIPPED, flag=flag, note=parsed.note)
    if parsed.flag:
        return Said(State.SKIPPED, flag=parsed.flag, note=parsed.note)
    why = {"reason": parsed.reason, "detail": parsed.detail}
    return Said(State.ANSWERED, answer=parsed.answer, note=parsed.note, **why)


def _is_old_news(held: Annotation, *, told: DeskAnnotation, said: Said, again: bool) -> bool:
    if told.updated_at != held.desk_updated_at:
        return told.updated_at < held.desk_updated_at
    if held.state == State.DELETED:
        return not again
    return held.state == said.state and held.answer == said.answer


def _annotator(home: CampaignLanguage, *, told: DeskAnnotation) -> Annotator | None:
    """Who in the campaign's team has the account, if anybody has."""
    if told.user_id is None:
        return None
    team = team_of(home.campaign, home.language)
    return team.filter(user__desk_user_id=told.user_id).first()


def _judge(
    home: CampaignLanguage,
    *,
    item: Item | None,
    held: Annotation | None,
    annotator: Annotator | None,
    said: Said,
) -> Said:
    if item is None:
        return Said(said.state, reason=Reason.UNKNOWN_ITEM, detail="No item of ours has that uid.")
    if annotator is None:
        detail = f"The account is not in the {home.language.tag} team."
        return Said(said.state, reason=Reason.UNKNOWN_PERSON, detail=detail)
    if held is not None and held.annotator_id != annotator.pk:
        detail = "The desk now names another person for an answer that we hold."
        return Said(said.state, reason=Reason.UNKNOWN_PERSON, detail=detail)
    if held is None and not may_answer(annotator, home.campaign):
        return Said(said.state, reason=Reason.NOT_QUALIFIED, detail=WAITS)
    return said


def _close_quarantine(told: DeskAnnotation, *, now: datetime) -> None:
    """What was kept aside of an answer is over once it fits."""
    QuarantinedAnswer.objects.filter(
        desk_annotation_id=told.id, desk_updated_at__lte=told.updated_at, resolved_at=None
    ).update(resolved_at=now)


def _quarantine(
    home: CampaignLanguage, *, item: Item | None, told: DeskAnnotation, said: Said
) -> Outcome:
    detail = storable(said.detail)[:300]
    row, created = QuarantinedAnswer.objects.get_or_create(
        desk_annotation_id=told.id,
        desk_updated_at=told.updated_at,
        defaults={
            "campaign_language": home,
            "item": item,
            "reason": said.reason,
            "detail": detail,
            "payload": keepable(vars(told)),
        },
    )
    if not created and row.resolved_at is None and row.reason != said.reason:
        row.reason, row.detail = said.reason, detail
        row.save(update_fields=["reason", "detail"])
    return Outcome.QUARANTINED if created or row.resolved_at is None else Outcome.SAME


def keepable(value: object, *, depth: int = 0) -> object:
    """What was told, in what a database can hold as JSON."""
    if depth > DEEPEST:
        return "…"
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): keepable(part, depth=depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [keepable(part, depth=depth + 1) for part in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def _create(
    item: Item, *, annotator: Annotator, told: DeskAnnotation, said: Said, now: datetime
) -> None:
    # A copy of a light answer that we hold no more: our database is older than the desk's.
    number = number_of_copy(told)
    ours = {} if number is None else as_given(number, told=told, now=now)
    if number is not None:
        note_as_answered(item, annotator, now=now)
    annotation = Annotation.objects.create(
        item=item,
        annotator=annotator,
        desk_annotation_id=told.id,
        desk_task_id=told.task_id,
        state=said.state,
        label=label_of(item, said=said),
        answer=said.answer,
        flag=said.flag,
        note=said.note,
        desk_updated_at=told.updated_at,
        lead_seconds=told.lead_seconds,
        guideline_version=_guideline(item, told=told),
        **ours,
    )
    note_revision(annotation)


def _guideline(item: Item, *, told: DeskAnnotation) -> int:
    """The guideline that was at the desk when the answer was given there, by the desk's clock.

    That clock is taken to agree with ours, but for answers that it puts before the item came there.
    A form is taken to be there as soon as it is made, and read by whoever has the text open.
    """
    forms = item.campaign_language.desk_configs.order_by("version")
    given = _moment(told.updated_at)
    if item.desk_config is None or given is None:
        return item.desk_config.guideline_version if item.desk_config else 0
    since = max(given, item.pushed_at or given)
    shown = forms.filter(created_at__lte=since).last() or forms.first()
    return shown.guideline_version if shown else 0


def _moment(stamp: str) -> datetime | None:
    try:
        moment = parse_datetime(stamp)
    except ValueError:
        return None
    return moment if moment is not None and is_aware(moment) else None
