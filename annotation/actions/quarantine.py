"""Quarantined answers: read again as people and labels change, laid aside, never deleted."""

import logging
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from annotation.actions.answers import NONSENSE, Outcome, settle, store
from annotation.actions.light import take_again
from annotation.gateways import DeskAnnotation
from annotation.models import CampaignLanguage, Item, QuarantinedAnswer

logger = logging.getLogger(__name__)


def lay_aside(answer: QuarantinedAnswer, *, now: datetime) -> bool:
    """Note that a person has looked at it; true for the first who does."""
    waiting = QuarantinedAnswer.objects.filter(pk=answer.pk, resolved_at=None)
    return waiting.update(resolved_at=now) == 1


def requalify(home: CampaignLanguage, *, now: datetime) -> int:
    """Read the quarantine again: what fits by now is stored as if it had just been told."""
    resolved = 0
    aside = home.quarantine.filter(resolved_at=None).order_by("desk_updated_at", "pk")
    for row in list(aside.select_related("item", "annotator")):
        try:
            with transaction.atomic():
                CampaignLanguage.objects.select_for_update().get(pk=home.pk)
                resolved += _requalify(home, row=row, now=now)
        except NONSENSE:
            logger.exception("Row %s of the quarantine of %s could not be read.", row.pk, home)
    return resolved


def _requalify(home: CampaignLanguage, *, row: QuarantinedAnswer, now: datetime) -> bool:
    if row.uid is not None:
        return take_again(home, row=row, now=now)
    try:
        told = DeskAnnotation(**row.payload)
    except TypeError:
        return False
    # An answer from a desk of the past goes by the number that we gave it.
    number = row.desk_annotation_id or 0
    told = replace(told, id=number, task_id=told.task_id if number > 0 else 0)
    item = row.item or _item_named(home, uid=told.uid)
    if store(home, item=item, told=told, now=now, again=True) == Outcome.QUARANTINED:
        return False
    QuarantinedAnswer.objects.filter(pk=row.pk).update(resolved_at=now)
    if item is not None:
        item.refresh_from_db()
        settle(item, now=now)
    return True


def _item_named(home: CampaignLanguage, *, uid: str) -> Item | None:
    try:
        return home.items.filter(uid=UUID(str(uid))).first()
    except ValueError:
        return None
