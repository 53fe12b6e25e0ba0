"""Answers come home: a patrol over what changed at the desk, stored once however often it is told.

The desk's own time stamps order its events. A nudge only makes the patrol come sooner.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from annotation.actions.answers import (
    forget_missing,
    settle,
    store,
    tombstone_missing,
)
from annotation.actions.desk import our_project
from annotation.actions.quarantine import requalify
from annotation.actions.strangers import adopt_strangers
from annotation.errors import DeskRefusedError
from annotation.gateways import DeskTask, LabelingDesk
from annotation.models import Annotation, CampaignLanguage, Item, QuarantinedAnswer

__all__ = ["SweepResult", "requalify", "sweep", "take_stock"]
logger = logging.getLogger(__name__)

BEGINNING = "1970-01-01T00:00:00.000000Z"
STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
# A change that was stamped earlier may be committed later than one we have seen.
OVERLAP = timedelta(seconds=2)
# So far apart may its clock and ours be.
UNEQUAL = timedelta(minutes=2)
PAGE = 100
LARGEST_PAGE = 6400


@dataclass
class SweepResult:
    """What a sweep found: tasks read, and what became of the answers in them."""

    tasks: int = 0
    stored: int = 0
    revised: int = 0
    same: int = 0
    quarantined: int = 0
    tombstoned: int = 0
    strays: int = 0

    @property
    def news(self) -> int:
        """How much of it we did not know."""
        return self.stored + self.revised + self.quarantined + self.tombstoned


def sweep(
    campaign_language: CampaignLanguage,
    *,
    desk: LabelingDesk,
    now: datetime,
    overlap: timedelta = OVERLAP,
) -> SweepResult:
    """Fetch every task that changed since the last sweep and store what is new, page by page.

    The watermark moves only in the transaction that stored the page.
    """
    home = CampaignLanguage.objects.get(pk=campaign_language.pk)
    result = SweepResult()
    if home.desk_project_id is None:
        return result
    since, size, strays = _since(home, overlap=overlap), PAGE, set[int]()
    sure = False
    while True:
        page = desk.changed_tasks(home.desk_project_id, since=since, limit=size)
        sure = sure or _is_ours(home, page, desk=desk)
        strays |= _take_page(home, page, result=result, now=now, far_back=overlap > OVERLAP)
        if len(page) < size:
            break
        if page[-1].updated_at > since:
            since, size = page[-1].updated_at, PAGE
        elif size < LARGEST_PAGE:
            # A whole page carries one time stamp: only a longer one gets past it.
            size *= 2
        else:
            since, size = _next_stamp(since), PAGE
    if strays:
        result.strays = len(desk.delete_unanswered(home.desk_project_id, sorted(strays)))
    CampaignLanguage.objects.filter(pk=home.pk).update(swept_at=now)
    return result


def _is_ours(home: CampaignLanguage, page: list[DeskTask], *, desk: LabelingDesk) -> bool:
    """True if the project was seen to be ours; raise if another one sits under its number.

    A page of our own uids needs no proof, which saves a call on nearly every sweep.
    """
    known = home.items.filter(uid__in={uid for task in page if (uid := _uid_of(task))})
    if known.count() == len(page):
        return False
    if our_project(home, desk=desk) is None:
        raise DeskRefusedError(
            f"Project {home.desk_project_id} at the desk is not ours.",
            remedy="Nothing is taken from it; a project of our own is made again by itself.",
        )
    return True


def take_stock(
    campaign_language: CampaignLanguage, *, desk: LabelingDesk, now: datetime
) -> SweepResult:
    """Compare all that the desk holds with what we hold, whatever was stamped when.

    Of tasks that vanished the answers are tombstoned. What we never heard of is taken: a desk that breaks
    down in the middle may keep an answer without a word of it on the task, and no sweep sees that.
    """
    home = CampaignLanguage.objects.get(pk=campaign_language.pk)
    result = SweepResult()
    if home.desk_project_id is None or our_project(home, desk=desk) is None:
        return result
    # What we hold is read first, so that nothing pushed meanwhile is taken for vanished.
    held = list(home.items.filter(desk_task_id__isnull=False))
    present = set[int]()
    unheard: list[int] = []
    while page := desk.answer_ids(home.desk_project_id, after=max(present, default=0)):
        present |= set(page)
        unheard += _with_unheard(page)
    adopt_strangers(home, desk=desk, present=present)
    for first in range(0, len(unheard), PAGE):
        for task in desk.read_tasks(home.desk_project_id, unheard[first : first + PAGE]):
            _take_overlooked(home, task, result=result, now=now)
    missing = [item for item in held if item.desk_task_id not in present]
    found = desk.find_tasks(home.desk_project_id, [str(item.uid) for item in missing])
    for item in missing:
        _take_vanished(home, item, left=found.get(str(item.uid), []), result=result, now=now)
    CampaignLanguage.objects.filter(pk=home.pk).update(patrolled_at=now)
    return result


def _with_unheard(answers: dict[int, set[int]]) -> list[int]:
    """The tasks that hold an answer of which we hold nothing, neither stored nor in quarantine."""
    numbers = set[int]().union(*answers.values())
    heard = {
        number
        for kept in (Annotation, QuarantinedAnswer)
        for number in kept.objects.filter(desk_annotation_id__in=numbers)
        .order_by()
        .values_list("desk_annotation_id", flat=True)
    }
    return [task for task, ids in answers.items() if ids - heard]


@transaction.atomic
def _take_overlooked(
    home: CampaignLanguage, task: DeskTask, *, result: SweepResult, now: datetime
) -> None:
    CampaignLanguage.objects.select_for_update().get(pk=home.pk)
    result.tasks += 1
    _take_unheard(home, _item_of(home, task), task=task, result=result, now=now)


@transaction.atomic
def _take_page(
    home: CampaignLanguage,
    page: list[DeskTask],
    *,
    result: SweepResult,
    now: datetime,
    far_back: bool,
) -> set[int]:
    """Store one page and move the watermark; return doubled tasks that nobody answered."""
    # One page of a language at a time: what two sweeps bring is stored one after the other.
    CampaignLanguage.objects.select_for_update().get(pk=home.pk)
    known = _told_before(home, page, far_back=far_back)
    strays = {
        task.id
        for task in page
        if not (task.id in known and _is_as_before(task, result=result))
        and _take_task(home, task, result=result, now=now, far_back=far_back)
    }
    if page:
        home_row = CampaignLanguage.objects.filter(pk=home.pk)
        home_row.filter(swept_until__lt=page[-1].updated_at).update(swept_until=page[-1].updated_at)
    return strays


def _told_before(home: CampaignLanguage, page: list[DeskTask], *, far_back: bool) -> set[int]:
    """The tasks that hold what we stored of them, under the very stamps: with one question a table.

    Whoever reads far back, or under a clock that was ahead, reads most tasks again, and holds up all
    who answer in the language meanwhile. What is open still is settled anew by whoever reads far back.
    """
    items = home.items.filter(desk_task_id__in=[task.id for task in page])
    stamps = {
        pk: (task, stamp)
        for pk, task, stamp in items.values_list("pk", "desk_task_id", "desk_updated_at")
    }
    ours = Annotation.objects.filter(item__in=stamps, desk_annotation_id__gt=0)
    ours = ours.exclude(state__in=(Annotation.State.DELETED, Annotation.State.WITHDRAWN))
    held: dict[int | None, dict[int | None, str]] = {task: {} for task, _ in stamps.values()}
    for item, task, number, seen, stamp, uid in ours.values_list(
        "item", "desk_task_id", "desk_annotation_id", "desk_seen_at", "desk_updated_at", "uid"
    ):
        if task == stamps[item][0]:
            # What was said of an answer of the light page is ours; the desk has stamped its copy.
            held[task][number] = stamp if uid is None else seen
    told_at = dict(stamps.values())
    if far_back:
        aside = home.quarantine.filter(resolved_at=None, item__in=stamps).values("item")
        half = Q(state=Item.State.PUSHED, pk__in=ours.values("item")) | Q(pk__in=aside)
        for half_told in items.filter(half).values_list("desk_task_id", flat=True):
            told_at.pop(half_told, None)
    return {
        task.id
        for task in page
        if task.updated_at == told_at.get(task.id)
        and held[task.id] == {told.id: told.updated_at for told in task.annotations}
    }


def _is_as_before(task: DeskTask, *, result: SweepResult) -> bool:
    result.tasks += 1
    result.same += len(task.annotations)
    return True


def _take_task(
    home: CampaignLanguage, task: DeskTask, *, result: SweepResult, now: datetime, far_back: bool
) -> bool:
    """Store what one task holds; True if it is a needless double of one of our items."""
    result.tasks += 1
    item = _item_of(home, task)
    doubled = item is not None and item.desk_task_id not in (None, task.id)
    if item is not None and not doubled and not _is_news(item, task):
        if far_back:
            _take_unheard(home, item, task=task, result=result, now=now)
        return False
    for told in task.annotations:
        outcome = store(home, item=item, told=told, now=now)
        setattr(result, outcome, getattr(result, outcome) + 1)
    if item is not None:
        result.tombstoned += tombstone_missing(item, task=task)
        forget_missing(item, task=task, now=now)
        settle(item, now=now)
    return doubled and not task.annotations


def _take_unheard(
    home: CampaignLanguage, item: Item | None, *, task: DeskTask, result: SweepResult, now: datetime
) -> None:
    """Store what a task holds that we never heard of, though its stamp is older than one we saw.

    A clock that was behind for a moment stamped it, or nothing did. Nothing that is missing is taken for
    deleted.
    """
    told_of = {told.id: told for told in task.annotations}
    ours = Annotation.objects.filter(desk_annotation_id__in=told_of)
    heard = set(ours.values_list("desk_annotation_id", flat=True))
    for number in sorted(told_of.keys() - heard):
        outcome = store(home, item=item, told=told_of[number], now=now)
        setattr(result, outcome, getattr(result, outcome) + 1)
    if item is not None and told_of.keys() - heard:
        settle(item, now=now)


def _item_of(home: CampaignLanguage, task: DeskTask) -> Item | None:
    """The item of a task; one whose push we never heard back from is at the desk now."""
    uid = _uid_of(task)
    item = home.items.filter(uid=uid).first() if uid else None
    if item is not None and item.desk_task_id is None and item.state == Item.State.QUEUED:
        item.desk_task_id, item.state = task.id, Item.State.PUSHED
        item.save(update_fields=["desk_task_id", "state"])
    return item


def _uid_of(task: DeskTask) -> UUID | None:
    try:
        return UUID(task.uid)
    except ValueError:
        return None


def _is_news(item: Item, task: DeskTask) -> bool:
    """False for a page that was fetched before one that we have already stored."""
    if task.updated_at < item.desk_updated_at:
        return False
    if task.updated_at > item.desk_updated_at:
        item.desk_updated_at = task.updated_at
        item.save(update_fields=["desk_updated_at"])
    return True


@transaction.atomic
def _take_vanished(
    home: CampaignLanguage, item: Item, *, left: list[int], result: SweepResult, now: datetime
) -> None:
    """Tombstone what went with a task; the item moves to its double, if there is one."""
    swept = CampaignLanguage.objects.select_for_update().get(pk=home.pk).swept_until
    task_id = item.desk_task_id or 0
    if task_id in left:
        return
    stamps = item.annotations.values_list("desk_updated_at", flat=True)
    gone = DeskTask(id=task_id, uid=str(item.uid), updated_at=max([swept, *stamps]), annotations=())
    result.tasks += 1
    result.tombstoned += tombstone_missing(item, task=gone)
    forget_missing(item, task=gone, now=now)
    item.refresh_from_db()
    item.desk_task_id, item.desk_updated_at = (left[0] if left else None), ""
    item.save(update_fields=["desk_task_id", "desk_updated_at"])
    settle(item, now=now)


def _since(home: CampaignLanguage, *, overlap: timedelta) -> str:
    """From which stamp on to read: where the last sweep ended, by the desk's own clock.

    A stamp from after that sweep was written by a clock that was ahead. What is stamped since it was
    put right would lie before it: there our own clock says where the last sweep ended.
    """
    since = _earlier(home.swept_until, by=overlap)
    if home.swept_at is None or not home.swept_until:
        return since
    if _parsed(home.swept_until) - home.swept_at < UNEQUAL:
        return since
    return min(since, (home.swept_at.astimezone(UTC) - UNEQUAL).strftime(STAMP))


def _earlier(stamp: str, *, by: timedelta) -> str:
    if not stamp:
        return BEGINNING
    return (_parsed(stamp) - by).strftime(STAMP)


def _next_stamp(stamp: str) -> str:
    return (_parsed(stamp) + timedelta(microseconds=1)).strftime(STAMP)


def _parsed(stamp: str) -> datetime:
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
