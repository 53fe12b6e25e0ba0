"""Answers as the light page gives them."""

import uuid
from typing import Any

from django.utils import timezone

from annotation.actions.handouts import reserve
from annotation.actions.light import Receipt, take_answer
from annotation.models import Annotator, CampaignLanguage, Item, Reservation
from tests.fakes import FakeLabelingDesk


def fetch(
    who: Annotator, home: CampaignLanguage, desk: FakeLabelingDesk | None, **over: Any
) -> list[Item]:
    """What somebody is handed, in order."""
    now = over.pop("now", timezone.now())
    return [one.item for one in reserve(who, home=home, desk=desk, now=now, **over)]


def give(who: Annotator, item: Item, label: str = "", **told: Any) -> Receipt:
    """Answer an item under a number of its own."""
    now = told.pop("now", timezone.now())
    told = {"uid": str(uuid.uuid4()), "item": str(item.uid), "label": label} | told
    return take_answer(who, home=item.campaign_language, told=told, now=now)


def held(who: Annotator) -> int:
    """How many items are reserved for somebody now."""
    return Reservation.objects.held(now=timezone.now()).filter(annotator=who).count()
