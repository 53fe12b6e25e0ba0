"""Tasks at the desk that we do not know of: after a restore, what was asked since the backup.

They are asked and answered on, and their answers lay in quarantine for want of an item. Where the text is
one of ours the item is made again under the uid that the task bears, so that its answers come home as any,
and nobody is asked the same text once more. A text that came in after the backup waits for its file.
"""

import logging
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from annotation.actions.reservations import reserved_items
from annotation.gateways import DeskText, LabelingDesk
from annotation.methods.texts import DIVIDER, GLUE, digest
from annotation.models import CampaignLanguage, GoldItem, Item, Sample

logger = logging.getLogger(__name__)


def adopt_strangers(home: CampaignLanguage, *, desk: LabelingDesk, present: set[int]) -> int:
    """Make the items again of those tasks whose texts we have; return how many.

    ``present`` are the numbers of all tasks of our project. Safe to run twice.
    """
    held = home.items.filter(desk_task_id__isnull=False).values_list("desk_task_id", flat=True)
    strangers = sorted(present - set(held))
    if not strangers or home.desk_project_id is None:
        return 0
    told = desk.read_texts(home.desk_project_id, strangers)
    adopted = sum(_adopt(home, one) for one in told)
    if adopted:
        logger.warning("%d tasks of %s at the desk were made ours again.", adopted, home)
    return adopted


@transaction.atomic
def _adopt(home: CampaignLanguage, task: DeskText) -> bool:
    CampaignLanguage.objects.select_for_update().get(pk=home.pk)
    uid = _uid_of(task)
    # A push that is under way, or a double: both are looked after elsewhere.
    if uid is None or Item.objects.filter(uid=uid).exists():
        return False
    sample = _sample_of(home, task)
    if sample is None:
        return False
    place = {"uid": uid, "desk_task_id": task.id, "state": Item.State.PUSHED}
    asked = Item.objects.open().filter(sample=sample)
    if asked.exists():
        # It was picked anew, and nobody has seen it yet: it is the very task that lies there.
        unseen = asked.filter(state=Item.State.QUEUED, desk_task_id=None)
        free = unseen.exclude(pk__in=reserved_items(home, now=timezone.now()))
        return free.update(pushed_at=timezone.now(), **place) == 1
    Item.objects.create(
        campaign_language=home,
        sample=sample,
        kind=_kind_of(sample),
        pushed_at=timezone.now(),
        desk_config=home.desk_configs.order_by("-version").first(),
        **place,
    )
    return True


def _uid_of(task: DeskText) -> UUID | None:
    try:
        return UUID(task.uid)
    except ValueError:
        return None


def _sample_of(home: CampaignLanguage, task: DeskText) -> Sample | None:
    stored = task.text.replace(DIVIDER, GLUE)
    mine = Sample.objects.filter(campaign=home.campaign_id, language=home.language_id)
    return mine.filter(digest=digest(stored), withdrawn_at=None).order_by("pk").first()


def _kind_of(sample: Sample) -> str:
    """Why it was asked is not known any more: only what must not be learned is told apart."""
    if GoldItem.objects.filter(sample=sample).exists():
        return Item.Kind.GOLD
    return Item.Kind.REPEAT if sample.items.exists() else Item.Kind.ACQUISITION
