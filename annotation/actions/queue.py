"""The queue of record is ours; the desk holds its top slice, most useful first."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet

from annotation.actions.desk import prepare_desk
from annotation.actions.mirror import to_mirror
from annotation.actions.reservations import reserved_items
from annotation.actions.strangers import adopt_strangers
from annotation.gateways import DeskItem, LabelingDesk
from annotation.methods.texts import shown
from annotation.models import Annotation, CampaignLanguage, DeskConfig, Item

__all__ = ["PushResult", "ask_one_more", "prepare_desk", "push_items"]
logger = logging.getLogger(__name__)

BATCH = 500
# What lies there for the record is asked after everything else, should it be asked at all.
LAST = 1e9
UNSAID = (Annotation.State.DELETED, Annotation.State.WITHDRAWN)
# Neither PostgreSQL nor JSON can carry these, whatever the file that brought them claimed.
UNSENDABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class PushResult:
    """What a push did; ``busy`` means that somebody else is at it."""

    pushed: int = 0
    adopted: int = 0
    withdrawn: int = 0
    reranked: int = 0
    owed: int = 0
    busy: bool = False


def push_items(
    campaign_language: CampaignLanguage,
    *,
    desk: LabelingDesk,
    now: datetime,
    record: bool = False,
) -> PushResult:
    """Bring the desk up to date: withdraw, push what is owed, put all of it in one order.

    What was answered before the desk ever had it goes there only ``record`` by whoever puts its
    answers down at once, since until then the desk would ask it of somebody.

    Safe to run twice and after a timeout: whoever left without giving the lease back may have
    pushed more than we know, so the next one asks the desk for our uids before it pushes.
    """
    home = CampaignLanguage.objects.get(pk=campaign_language.pk)
    if home.desk_project_id is None:
        home = prepare_desk(home, desk=desk)
    in_doubt = home.pushing_until is not None
    if not _claim(home, now=now):
        return PushResult(busy=True)
    try:
        result = _push(home, desk=desk, now=now, in_doubt=in_doubt, record=record)
    except Exception:
        # Free for the next one at once, but the doubt stays.
        _lease(home).update(pushing_until=now)
        raise
    _lease(home).update(pushing_until=None)
    return result


def ask_one_more(item: Item) -> None:
    """Have one more person answer an item that has the answers it wanted."""
    item.wanted += 1
    item.state = Item.State.PUSHED if item.desk_task_id else Item.State.QUEUED
    item.answered_at = None
    item.save(update_fields=["wanted", "state", "answered_at"])


def _lease(home: CampaignLanguage) -> QuerySet[CampaignLanguage]:
    return CampaignLanguage.objects.filter(pk=home.pk, pushing_until=home.pushing_until)


def _claim(home: CampaignLanguage, *, now: datetime) -> bool:
    """True for exactly one pusher of a language at a time."""
    seconds = max(settings.ENV.lease_seconds, 4 * settings.ENV.label_studio_timeout)
    until = now + timedelta(seconds=seconds)
    free = Q(pushing_until=None) | Q(pushing_until__lte=now)
    claimed = CampaignLanguage.objects.filter(free, pk=home.pk).update(pushing_until=until)
    home.pushing_until = until
    return claimed == 1


def _push(
    home: CampaignLanguage, *, desk: LabelingDesk, now: datetime, in_doubt: bool, record: bool
) -> PushResult:
    result = PushResult(withdrawn=_withdraw(home, desk=desk))
    if in_doubt:
        # Before anything is put there: what was asked after a backup is not to be asked again.
        strange = adopt_strangers(home, desk=desk, present=desk.task_ids(_project(home)))
        result = replace(result, adopted=strange)
    _widen(home, desk=desk)
    config = home.desk_configs.order_by("-version").first()
    batch = _present_batch(home)
    # What somebody has fetched ahead is put to nobody else meanwhile, and takes no room.
    reserved = reserved_items(home, now=now)
    pushed = home.items.filter(state=Item.State.PUSHED).exclude(pk__in=reserved)
    room = settings.ENV.queue_slice - pushed.count()
    free = home.items.filter(state=Item.State.QUEUED).exclude(pk__in=reserved)
    owed = list(free.select_related("sample").order_by("priority", "pk")[: max(room, 0)])
    owed += _for_the_record(home) if record else []
    fresh: list[int] = []
    for start in range(0, len(owed), BATCH):
        some = owed[start : start + BATCH]
        if in_doubt:
            known = _adopt(home, some, desk=desk, config=config, now=now)
            some = [item for item in some if str(item.uid) not in known]
            result = replace(result, adopted=result.adopted + len(known))
        task_ids = desk.push(_project(home), [_desk_item(item, batch=batch) for item in some])
        _ask_of_several(home, some, task_ids=task_ids, desk=desk)
        _record(some, task_ids=task_ids, config=config, now=now)
        fresh += [item.pk for item in some]
    reranked = 0
    # What was adopted may have been pushed under an earlier order.
    if batch != home.desk_batch or result.adopted:
        reranked = _rerank(home, desk=desk, batch=batch, fresh=fresh)
    still_owed = home.items.filter(state=Item.State.QUEUED).count()
    return replace(result, pushed=len(fresh), reranked=reranked, owed=still_owed)


def _project(home: CampaignLanguage) -> int:
    return home.desk_project_id or 0


def _present_batch(home: CampaignLanguage) -> str:
    """The batch that orders the desk: that of the newest open item."""
    newest = home.items.open().order_by("-pk").first()
    return (newest.batch or "queue") if newest else home.desk_batch


def _desk_item(item: Item, *, batch: str) -> DeskItem:
    # No suggestion goes out: every account at the desk can read it, and it would lead people.
    return DeskItem(
        uid=str(item.uid),
        text=UNSENDABLE.sub("", shown(item.sample.text)),
        priority=item.priority if item.state == Item.State.QUEUED else LAST,
        batch=batch,
    )


def _for_the_record(home: CampaignLanguage) -> list[Item]:
    """Items that were answered on the light page before the desk ever had them."""
    unheard = to_mirror(home).exclude(state__in=UNSAID).values("item")
    done = home.items.filter(pk__in=unheard, desk_task_id=None).exclude(state=Item.State.QUEUED)
    return list(done.select_related("sample").order_by("pk")[:BATCH])


def _adopt(
    home: CampaignLanguage,
    items: Sequence[Item],
    *,
    desk: LabelingDesk,
    config: DeskConfig | None,
    now: datetime,
) -> set[str]:
    """Note the tasks that an earlier push left at the desk without telling us."""
    found = desk.find_tasks(_project(home), [str(item.uid) for item in items])
    known = [item for item in items if found.get(str(item.uid))]
    first = {uid: task_ids[0] for uid, task_ids in found.items() if task_ids}
    doubled = [task_id for task_ids in found.values() for task_id in task_ids[1:]]
    if doubled:
        desk.delete_unanswered(_project(home), doubled)
    _ask_of_several(home, known, task_ids=first, desk=desk)
    _record(known, task_ids=first, config=config, now=now)
    return {str(item.uid) for item in known}


def _ask_of_several(
    home: CampaignLanguage, items: Sequence[Item], *, task_ids: dict[str, int], desk: LabelingDesk
) -> None:
    # Until the desk has heard of answers given elsewhere, it would ask as many people too many.
    unheard = set(to_mirror(home).values_list("item", flat=True))
    more = [item for item in items if item.wanted > 1 and item.pk not in unheard]
    if more:
        desk.set_wanted(_project(home), {task_ids[str(item.uid)]: item.wanted for item in more})
        Item.objects.filter(pk__in=[item.pk for item in more]).update(desk_wanted=F("wanted"))


def _widen(home: CampaignLanguage, *, desk: LabelingDesk) -> None:
    """Tell the desk of items at it that by now want more answers than it knows of.

    Whoever says there what is wrong with a text has answered, as the desk sees it: one more then.
    One more, too, for every answer beyond the first of a person who came to it by both desks.
    """
    instead = Q(annotations__source=Annotation.Source.DESK) & ~Q(annotations__flag="")
    there = Q(annotations__desk_annotation_id__gt=0, annotations__state=Annotation.State.ANSWERED)
    at_desk = home.items.filter(state=Item.State.PUSHED, desk_task_id__isnull=False)
    wanting = at_desk.annotate(
        needed=F("wanted")
        + Count("annotations", filter=instead, distinct=True)
        + Count("annotations", filter=there, distinct=True)
        - Count("annotations__annotator", filter=there, distinct=True)
    )
    behind = wanting.filter(desk_wanted__lt=F("needed")).exclude(
        pk__in=to_mirror(home).values("item")
    )
    needed = dict(behind.values_list("desk_task_id", "needed"))
    if needed:
        desk.set_wanted(_project(home), {pk: each for pk, each in needed.items() if pk is not None})
        told = list(home.items.filter(desk_task_id__in=needed))
        for item in told:
            item.desk_wanted = needed[item.desk_task_id]
        Item.objects.bulk_update(told, ["desk_wanted"], batch_size=BATCH)


@transaction.atomic
def _record(
    items: Sequence[Item],
    *,
    task_ids: dict[str, int],
    config: DeskConfig | None,
    now: datetime,
) -> None:
    """Note where the items lie; one withdrawn meanwhile keeps its number, to be taken away."""
    for item in items:
        place = {"desk_task_id": task_ids[str(item.uid)], "desk_config": config, "pushed_at": now}
        mine = Item.objects.filter(pk=item.pk, desk_task_id=None)
        if not mine.filter(state=Item.State.QUEUED).update(state=Item.State.PUSHED, **place):
            mine.update(**place)


def _rerank(home: CampaignLanguage, *, desk: LabelingDesk, batch: str, fresh: list[int]) -> int:
    """Give older open tasks their place in the present order, which the fresh ones brought."""
    at_desk = home.items.filter(state=Item.State.PUSHED, desk_task_id__isnull=False)
    older = at_desk.exclude(pk__in=fresh).values_list("desk_task_id", "priority")
    priorities = {task_id: priority for task_id, priority in older if task_id is not None}
    if priorities or fresh:
        desk.set_priorities(_project(home), batch=batch, priorities=priorities)
        CampaignLanguage.objects.filter(pk=home.pk).update(desk_batch=batch)
    return len(priorities)


def _withdraw(home: CampaignLanguage, *, desk: LabelingDesk) -> int:
    """Take withdrawn items off the desk, except those that somebody has answered meanwhile."""
    items = home.items.filter(state=Item.State.WITHDRAWN, desk_task_id__isnull=False)
    task_ids = list(items.filter(annotations=None).values_list("desk_task_id", flat=True))
    if not task_ids:
        return 0
    gone = desk.delete_unanswered(_project(home), [i for i in task_ids if i is not None])
    items.filter(desk_task_id__in=gone).update(desk_task_id=None)
    return len(gone)
