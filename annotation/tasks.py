"""Doors for workers: ids in, one action, then what follows."""

import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from threading import BoundedSemaphore, Event
from time import monotonic
from typing import Any

from celery import current_task, shared_task
from celery.exceptions import Reject, Retry
from celery.signals import worker_process_init, worker_ready, worker_shutting_down

from annotation.alone import Alone
from annotation.asking import aside, ask_for, is_first

# Found by whoever looks for tasks here.
from annotation.report_tasks import learn_report_languages as learn_report_languages
from annotation.report_tasks import ring_report_bells as ring_report_bells
from annotation.report_tasks import send_report_letters as send_report_letters
from annotation.report_tasks import tend_reports as tend_reports

logger = logging.getLogger(__name__)
FAR_BACK = timedelta(hours=2)
# What was mirrored at the desk calls, too, and is nothing new: that costs a look now and then.
LOOKS_FAR_BACK_EVERY_S = 120
MOST_RETRIES = 4
# Seconds until a mail server that is away is tried again, then twice as long, and so on.
MAIL_PATIENCE = 30
# What the desk kept waiting so long was asked for again meanwhile.
OLD_AFTER_SECONDS = 120
# Somebody looks at a page meanwhile.
KEPT_WITHIN_SECONDS = 30
# Long files leave the desk the other threads; two that write at once would be no quicker.
IMPORTS_AT_ONCE = 1
_reading = BoundedSemaphore(IMPORTS_AT_ONCE)
_sweeping, _patrolling = Alone(), Alone()
_leaving = Event()


@worker_shutting_down.connect
def leave(**_: object) -> None:
    """Have the imports that this worker reads given back."""
    _leaving.set()


@worker_ready.connect
@worker_process_init.connect
def stay(**_: object) -> None:
    """A worker that has just started is not leaving."""
    _leaving.clear()


@shared_task
def attend(**_: object) -> None:
    """Show that the worker of what waits is alive."""
    from django.utils import timezone

    from annotation.actions import health

    health.beat(health.IO_QUEUE, now=timezone.now())


@shared_task
def forget_what_is_over(**_: object) -> None:
    """Remove what has run out and nobody needs; once a day."""
    from django.utils import timezone

    from annotation.actions import retention

    retention.forget_what_is_over(timezone.now())


@shared_task(max_retries=MOST_RETRIES, expires=OLD_AFTER_SECONDS)
def push(*, campaign_language_id: int, **_: object) -> None:
    """Prepare a language's desk project and fill it up."""
    from annotation.actions.desk import prepare_desk
    from annotation.actions.entry import keep_members
    from annotation.actions.queue import push_items

    def work(home: Any, desk: Any, now: Any) -> None:
        push_items(prepare_desk(home, desk=desk), desk=desk, now=now)
        home.refresh_from_db(fields=["desk_project_id"])
        keep_members(home, desk=desk, now=now)

    _at_the_desk(campaign_language_id, work)


@shared_task(max_retries=MOST_RETRIES, expires=OLD_AFTER_SECONDS)
def sweep(*, campaign_language_id: int, **_: object) -> None:
    """Fetch a language's answers, then fill its queue up again.

    One at a time here: who comes meanwhile is seen to by one more sweep, however many they are.
    """
    if not _sweeping.begin(campaign_language_id):
        return
    comes_again = False
    try:
        _sweep(campaign_language_id)
    except Retry:
        comes_again = True
        raise
    finally:
        if _sweeping.end(campaign_language_id) and not comes_again:
            ask_for_sweep(campaign_language_id)


def _sweep(campaign_language_id: int) -> None:
    from annotation.actions import intake
    from annotation.actions.desk import homes_to_tend
    from annotation.actions.disputes import ask_more_eyes

    def work(home: Any, desk: Any, now: Any) -> None:
        called = home.nudged_at and (home.swept_at is None or home.nudged_at > home.swept_at)
        found = intake.sweep(home, desk=desk, now=now)
        # Somebody called, and there is nothing new: its clock may have been behind for a moment.
        if not found.tasks or (called and not found.news and _may_look_far_back(home.pk)):
            intake.sweep(home, desk=desk, now=now, overlap=FAR_BACK)
        intake.requalify(home, now=now)
        ask_more_eyes(home)
        if home.pk in homes_to_tend() and home.items.filter(state="queued").exists():
            push.delay(campaign_language_id=home.pk)

    _at_the_desk(campaign_language_id, work)


_looked_far_back: dict[int, float] = {}


def _may_look_far_back(home_id: int) -> bool:
    """Whether this process has not done so a moment ago."""
    now = monotonic()
    if now - _looked_far_back.get(home_id, -LOOKS_FAR_BACK_EVERY_S) < LOOKS_FAR_BACK_EVERY_S:
        return False
    _looked_far_back[home_id] = now
    return True


@shared_task(max_retries=MOST_RETRIES, expires=OLD_AFTER_SECONDS)
def patrol(*, campaign_language_id: int, **_: object) -> None:
    """Look once more far back, where a late commit may hide, and compare all that is there."""
    from annotation.actions import intake
    from annotation.actions.entry import keep_members

    def work(home: Any, desk: Any, now: Any) -> None:
        keep_members(home, desk=desk, now=now)
        intake.sweep(home, desk=desk, now=now, overlap=FAR_BACK)
        intake.take_stock(home, desk=desk, now=now)

    if not _patrolling.begin(campaign_language_id):
        return
    try:
        _at_the_desk(campaign_language_id, work)
    finally:
        _patrolling.end(campaign_language_id)


@shared_task(max_retries=MOST_RETRIES, expires=OLD_AFTER_SECONDS)
def mirror(*, campaign_language_id: int, **_: object) -> None:
    """Put what was answered on the light page down at the desk; free what nobody keeps."""
    from annotation.actions import handouts
    from annotation.actions import mirror as mirroring
    from annotation.actions.desk import prepare_desk
    from annotation.actions.queue import push_items

    def work(home: Any, desk: Any, now: Any) -> None:
        handouts.free_expired(home, desk=desk, now=now)
        if mirroring.lacks_tasks(home):
            push_items(prepare_desk(home, desk=desk), desk=desk, now=now, record=True)
        mirroring.mirror(home, desk=desk, now=now)

    _at_the_desk(campaign_language_id, work)


@shared_task(expires=KEPT_WITHIN_SECONDS)
def keep(*, annotator_id: int, campaign_language_id: int, most: int, **_: object) -> None:
    """Have the desk keep texts for somebody on the light page, who asks again by and by."""
    from django.utils import timezone

    from annotation.actions.handouts import reserve
    from annotation.gateways.door import open_door
    from annotation.models import Annotator, CampaignLanguage

    homes = CampaignLanguage.objects.select_related("campaign", "language")
    home = homes.filter(pk=campaign_language_id).first()
    annotator = Annotator.objects.select_related("user").filter(pk=annotator_id).first()
    if home is not None and annotator is not None:
        desk = open_door(timeout=KEPT_WITHIN_SECONDS / 3)
        reserve(annotator, home=home, desk=desk, now=timezone.now(), most=most)


@shared_task(max_retries=MOST_RETRIES, expires=OLD_AFTER_SECONDS)
def let_in(*, campaign_language_id: int, **_: object) -> None:
    """Let a language's present team into its project, and nobody else."""
    from annotation.actions.entry import keep_members

    def work(home: Any, desk: Any, now: Any) -> None:
        keep_members(home, desk=desk, now=now)

    _at_the_desk(campaign_language_id, work)


@shared_task
def run_import(*, import_id: int, **_: object) -> None:
    """Read a file that is queued, or that a worker left half read; then the next that waits."""
    from django.utils import timezone

    from annotation.actions import imports

    if _leaving.is_set() or not _reading.acquire(blocking=False):
        return  # whoever ends an import, or the timetable, comes back to it
    try:
        imports.run_import(import_id, now=timezone.now, should_stop=_leaving.is_set)
    finally:
        _reading.release()
    waiting = imports.next_import()
    if waiting and not _leaving.is_set():
        run_import.delay(import_id=waiting)


@shared_task
def sweep_all(**_: object) -> None:
    """Sweep and fill every desk project, find lost imports, now and then compare all that is there."""
    from django.utils import timezone

    from annotation.actions.desk import homes_to_patrol, homes_to_sweep, homes_to_tend
    from annotation.actions.handouts import homes_with_late_leases
    from annotation.actions.imports import reclaim_imports
    from annotation.actions.mirror import homes_to_mirror
    from annotation.actions.nudges import forget_old_nudges

    now = timezone.now()
    for import_id in reclaim_imports(now):
        run_import.delay(import_id=import_id)
    for home_id in homes_to_tend():
        push.delay(campaign_language_id=home_id)
    for home_id in homes_to_sweep(now):
        sweep.delay(campaign_language_id=home_id)
    for home_id in homes_to_patrol(now):
        patrol.delay(campaign_language_id=home_id)
    for home_id in {*homes_to_mirror(), *homes_with_late_leases(now)}:
        mirror.delay(campaign_language_id=home_id)
    forget_old_nudges(now=now)


@shared_task(expires=OLD_AFTER_SECONDS)
def watch_people(**_: object) -> None:
    """Bring everybody's charts up to date, and have supervised people's items asked once more."""
    from django.utils import timezone

    from annotation.actions.second_looks import look_again
    from annotation.actions.watching import homes_to_watch, watch
    from annotation.models import CampaignLanguage

    for home in CampaignLanguage.objects.filter(pk__in=homes_to_watch()):
        watch(home, now=timezone.now())
        look_again(home)


@shared_task(max_retries=MOST_RETRIES)
def send_questions(**_: object) -> None:
    """Ask at addresses whether letters are wanted there; a mail server that is away, again soon."""
    from django.utils import timezone

    from annotation.actions.addresses import send_questions
    from annotation.errors import TransientError

    try:
        send_questions(timezone.now())
    except TransientError as error:
        logger.warning("Questions to addresses wait, since the mail server is away: %s", error)
        retries = current_task.request.retries
        if retries < MOST_RETRIES:
            _try_again_soon(MAIL_PATIENCE * 2**retries)


def questions_soon() -> None:
    """Have what waits for the mail server sent; with the broker away the timetable will."""
    aside(ask_for, send_questions, {}, 0)


def soon(task: Any, **kwargs: int) -> None:
    """Have a task begin at once, without waiting for the broker; the timetable asks for it too."""
    aside(ask_for, task, kwargs, 0)


def sweep_soon(campaign_language_id: int) -> None:
    """Have a language swept in a few seconds, without waiting for the broker.

    The first word with it costs a process seconds, for all that is imported then.
    """
    aside(ask_for_sweep, campaign_language_id)


def mirror_soon(campaign_language_id: int) -> None:
    """Have light answers mirrored in a few seconds; those that follow until then go along."""
    _ask_soon(mirror, campaign_language_id)


def push_soon(campaign_language_id: int) -> None:
    """Have the desk filled up in a few seconds, where people fetch more than lies there."""
    _ask_soon(push, campaign_language_id)


def keep_soon(annotator_id: int, campaign_language_id: int, *, most: int) -> None:
    """Have the desk asked at once to keep texts for somebody; once in a few seconds is enough."""
    kwargs = {"annotator_id": annotator_id, "campaign_language_id": campaign_language_id}
    if is_first(keep, annotator_id, campaign_language_id):
        aside(ask_for, keep, {**kwargs, "most": most}, 0)


def _ask_soon(task: Any, campaign_language_id: int) -> None:
    if is_first(task, campaign_language_id):
        kwargs = {"campaign_language_id": campaign_language_id}
        aside(ask_for, task, kwargs)


def members_soon(campaign_language_ids: Collection[int]) -> None:
    """Have the desk hear of a team that changed; the timetable tells it again."""
    if not campaign_language_ids:
        return

    def ask() -> None:
        for number in campaign_language_ids:
            ask_for(let_in, {"campaign_language_id": number})

    aside(ask)


def ask_for_sweep(campaign_language_id: int) -> bool:
    """Hand a sweep to the broker; False if the broker is away."""
    return ask_for(sweep, {"campaign_language_id": campaign_language_id})


def _at_the_desk(home_id: int, work: Callable[[Any, Any, Any], None]) -> None:
    """Work at the desk. Its being away is a state: said once, shown on the health page."""
    from django.utils import timezone

    from annotation.actions import health
    from annotation.actions.desk import compare_soon, note_desk_answers, note_desk_error
    from annotation.errors import TransientError, VernacularError
    from annotation.gateways.label_studio import open_desk
    from annotation.models import CampaignLanguage

    health.beat(health.IO_QUEUE, now=timezone.now())
    home = CampaignLanguage.objects.filter(pk=home_id).first()
    if home is None:
        return
    try:
        work(home, open_desk(), timezone.now())
    except VernacularError as error:
        health.record_failure(health.DESK, error=str(error), now=timezone.now())
        if note_desk_error(home_id, error=error, now=timezone.now()):
            logger.warning("%s: %s", home, error)
        if isinstance(error, TransientError):
            compare_soon(home_id, now=timezone.now())
        retries = current_task.request.retries
        if isinstance(error, TransientError) and retries < MOST_RETRIES:
            _try_again_soon(2 ** (retries + 1))
        return
    health.beat(health.DESK, now=timezone.now())
    if note_desk_answers(home_id):
        logger.info("%s: the desk answers again.", home)


def _try_again_soon(seconds: int) -> None:
    """Have the task at hand come again; with the broker away too, the timetable will."""
    try:
        raise current_task.retry(countdown=seconds) from None
    except Reject as error:
        logger.warning("%s could not be sent again: %s", current_task.name, error)
