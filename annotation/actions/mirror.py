"""Mirroring: what was answered on the light page lies at the desk as well, sooner or later.

Ours is the record. An answer is put down there under its own number, so that saying it twice
changes nothing; what was changed here since is changed there. A desk that is away is asked again.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from annotation.errors import DeskRefusedError
from annotation.gateways import LabelingDesk
from annotation.models import Annotation, CampaignLanguage, Item
from annotation.objectives import objective

logger = logging.getLogger(__name__)
State = Annotation.State
BATCH = 500


@dataclass
class MirrorResult:
    """What mirroring did: answers that lie at the desk now, and those that it would not take."""

    mirrored: int = 0
    refused: int = 0


def mirror(
    campaign_language: CampaignLanguage, *, desk: LabelingDesk, now: datetime
) -> MirrorResult:
    """Put light answers down at the desk, and what was changed in them; safe to run twice."""
    home = CampaignLanguage.objects.select_related("campaign").get(pk=campaign_language.pk)
    result = MirrorResult()
    if home.desk_project_id is None:
        return result
    _forget_unsaid(home)
    waiting = to_mirror(home).filter(
        item__desk_task_id__isnull=False, annotator__user__desk_user_id__isnull=False
    )
    for annotation in waiting.select_related("item__sample", "annotator__user", "label")[:BATCH]:
        try:
            number = _put_down(annotation, home=home, desk=desk)
        except DeskRefusedError as error:
            logger.warning("%s: answer %s is not mirrored: %s", home, annotation.uid, error)
            result.refused += 1
            continue
        _note(annotation, number=number)
        result.mirrored += 1
    return result


def to_mirror(home: CampaignLanguage) -> "QuerySet[Annotation]":
    """Light answers whose last word the desk has not heard."""
    light = Annotation.objects.filter(source=Annotation.Source.LIGHT)
    return light.filter(item__campaign_language=home, mirrored_revision__lt=F("revision"))


def homes_to_mirror() -> list[int]:
    """The campaign languages with answers that the desk has not heard."""
    light = Annotation.objects.filter(source=Annotation.Source.LIGHT)
    behind = light.filter(mirrored_revision__lt=F("revision")).values("item__campaign_language")
    return list(CampaignLanguage.objects.filter(pk__in=behind).values_list("pk", flat=True))


def lacks_tasks(home: CampaignLanguage) -> bool:
    """Whether something was answered that the desk has no task of yet."""
    return to_mirror(home).filter(item__desk_task_id=None).exists()


def _forget_unsaid(home: CampaignLanguage) -> None:
    """What was taken back before the desk heard of it is none of the desk's business."""
    unsaid = to_mirror(home).filter(
        desk_annotation_id=None, state__in=(State.DELETED, State.WITHDRAWN)
    )
    unsaid.update(mirrored_revision=F("revision"))


def _put_down(annotation: Annotation, *, home: CampaignLanguage, desk: LabelingDesk) -> int:
    kind = objective(home.campaign.objective)
    # Skipped there as well: what holds no label must not use up an answer that is wanted.
    skipped = annotation.state != State.ANSWERED
    said: dict[str, Any] = {
        "unique_id": str(annotation.uid),
        "result": kind.result_of(
            annotation.answer,
            flag=annotation.flag,
            note=annotation.note,
            text=annotation.item.sample.text,
        ),
        "lead_seconds": annotation.lead_seconds,
        "skipped": skipped,
    }
    number = annotation.desk_annotation_id
    if number is None:
        number = desk.submit_answer(
            home.desk_project_id or 0,
            annotation.item.desk_task_id or 0,
            user_id=annotation.annotator.user.desk_user_id or 0,
            **said,
        )
        if annotation.revision == 1:
            return number
    # An answer that was there already may still say what we said at first.
    if annotation.state != State.WITHDRAWN:
        desk.revise_answer(number, **said)
    return number


@transaction.atomic
def _note(annotation: Annotation, *, number: int) -> None:
    """Note what the desk has heard; a sweep may have found the copy before."""
    CampaignLanguage.objects.select_for_update().get(pk=annotation.item.campaign_language_id)
    mine = Annotation.objects.filter(pk=annotation.pk)
    if not Annotation.objects.filter(desk_annotation_id=number).exclude(pk=annotation.pk).exists():
        task = Item.objects.get(pk=annotation.item_id).desk_task_id or 0
        mine.filter(desk_annotation_id=None).update(desk_annotation_id=number, desk_task_id=task)
    mine.filter(mirrored_revision__lt=annotation.revision).update(
        mirrored_revision=annotation.revision
    )
