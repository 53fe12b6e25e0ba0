"""Doors for workers: ids in, one action, then what follows.

The timetable's tick only asks for a look at each running campaign; every heavy task asks for
one at its end too, so that nothing waits for the tick. Messages are thrown away when they are
old: what is due is in the database, and is sent again from there.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from celery import current_app, shared_task
from celery.signals import worker_process_init, worker_ready, worker_shutting_down
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from annotation.actions.leases import kept
from training.actions.dispatches import RESEND, Work, due, forget, still_at

logger = logging.getLogger(__name__)

_leaving = threading.Event()
_telling = threading.Lock()
# Seconds; what no worker took by then is claimed anew.
COUNT_WAITS = 3000


@worker_shutting_down.connect
def leave(**_: object) -> None:
    """Have the training that runs in this worker write a checkpoint and give its run back."""
    _leaving.set()


@worker_ready.connect
@worker_process_init.connect
def stay(**_: object) -> None:
    """A worker that has just started is not leaving."""
    _leaving.clear()


@shared_task
def tick(**_: object) -> None:
    """Have every running campaign looked at, and find work whose worker was lost."""
    from annotation.actions import health
    from annotation.actions.imports import reclaim_imports
    from annotation.models import Campaign
    from training.actions.compressions import due_compressions
    from training.actions.ended_consents import due_honours
    from training.actions.estimates import due_estimates
    from training.actions.figures import due_figures
    from training.actions.gold_answers import tend_elsewhere
    from training.actions.wishes import due_measurements
    from training.actions.writing_comparisons import due_comparisons

    now = timezone.now()
    health.beat(health.TIMETABLE, now=now)
    health.beat(health.DEFAULT_QUEUE, now=now)
    lost = [Work("annotation.tasks.run_import", {"import_id": pk}) for pk in reclaim_imports(now)]
    pulses = [Work("training.tasks.pulse"), Work("annotation.tasks.attend")]
    apart = [*due_compressions(now=now), *tend_elsewhere(now=now), *due_measurements(now=now)]
    apart += [*due_figures(), *due_comparisons(now=now)]
    send(due([*pulses, *lost, *due_honours(), *due_estimates(), *apart], now=now))
    for campaign in Campaign.objects.running():
        _send(Work("training.tasks.advance", {"campaign_id": campaign.pk}), seconds=_patience())


@shared_task
def pulse(**_: object) -> None:
    """Show that the worker of heavy work is alive."""
    from annotation.actions import health

    health.beat(health.GPU_QUEUE, now=timezone.now())


@shared_task
def advance(*, campaign_id: int, **_: object) -> None:
    """Do what is due in one campaign and hand the heavy part to the workers."""
    from annotation.models import Campaign
    from training.actions import cycle

    campaign = Campaign.objects.filter(pk=campaign_id).first()
    if campaign:
        now = timezone.now()
        works = cycle.advance(campaign, now=now)
        scoring = [work for work in works if work.task == SCORE]
        others = [work for work in works if work.task != SCORE]
        # Shards are leased when they are given out; everything else remembers its message.
        send([*scoring, *due(others, now=now)], then=campaign_id)


SCORE = "learning.tasks.score_shard"
# Tasks below this app, after which the campaign is looked at again at once.
FOLLOWED = (SCORE, "learning.tasks.look_closer")


@shared_task
def prepare(*, campaign_id: int, **_: object) -> None:
    """Make a campaign's first version."""
    from annotation.models import Campaign
    from learning.actions.versions import initial_version

    with _at_work("training.tasks.prepare", {"campaign_id": campaign_id}):
        initial_version(Campaign.objects.get(pk=campaign_id))
    _done("training.tasks.prepare", {"campaign_id": campaign_id}, campaign_id=campaign_id)


@shared_task
def train(*, run_id: int, **_: object) -> None:
    """Train a run that waits for a worker, unless this worker is about to leave."""
    from training.actions import launching

    with _at_work("training.tasks.train", {"run_id": run_id}):
        run = launching.train(run_id, now=timezone.now, should_stop=_leaving.is_set)
    if not run.failed_launches:  # else it is tried again when its message has become old
        _done("training.tasks.train", {"run_id": run_id}, campaign_id=run.campaign_id)


@shared_task
def judge(*, run_id: int, **_: object) -> None:
    """Hold a run's candidate against what serves."""
    from training.actions import gates

    with _at_work("training.tasks.judge", {"run_id": run_id}):
        gate = gates.try_to_judge(run_id, now=timezone.now())
    if gate:
        _done("training.tasks.judge", {"run_id": run_id}, campaign_id=gate.run.campaign_id)


@shared_task
def measure(*, version_id: int, **_: object) -> None:
    """Measure a version on the gold of today, at somebody's wish."""
    from training.actions.wishes import measure_asked

    measure_asked(version_id, now=timezone.now)


@shared_task
def write_comparison(*, comparison_id: int, **_: object) -> None:
    """Have two generators write what people are to compare, at somebody's wish."""
    from training.actions import writing_comparisons

    kwargs = {"comparison_id": comparison_id}
    with _at_work(writing_comparisons.TASK, kwargs):
        writing_comparisons.write_comparison(comparison_id, now=timezone.now)
    forget(Work(writing_comparisons.TASK, kwargs))


@shared_task
def take_figures(*, version_id: int, **_: object) -> None:
    """Take the figures of a version that serves, for the pages that show where languages stand."""
    from learning.models import ModelVersion
    from training.actions import figures

    kwargs = {"version_id": version_id}
    with _at_work(figures.TASK, kwargs):
        figures.take_figures(ModelVersion.objects.get(pk=version_id), now=timezone.now())
    forget(Work(figures.TASK, kwargs))


@shared_task
def honour(*, annotator_id: int, **_: object) -> None:
    """Take back what somebody gave who lets models learn no more."""
    from training.actions import ended_consents

    ended_consents.honour(annotator_id, now=timezone.now())
    forget(Work("training.tasks.honour", {"annotator_id": annotator_id}))


@shared_task
def estimate_anew(*, withdrawal_id: int, **_: object) -> None:
    """Fit what others' answers amount to without those that were taken back."""
    from training.actions import estimates

    kwargs = {"withdrawal_id": withdrawal_id}
    with _at_work("training.tasks.estimate_anew", kwargs):
        estimates.estimate_anew(withdrawal_id, now=timezone.now())
    forget(Work("training.tasks.estimate_anew", kwargs))


@shared_task
def send_letters(**_: object) -> None:
    """Send the weekly letters that are due, each once."""
    from training.actions import letters

    letters.send_letters(timezone.now())


@shared_task
def tell_webhooks(**_: object) -> None:
    """Tell programs elsewhere what happened since; one thread of a worker is enough for that."""
    from annotation.actions import webhooks
    from annotation.gateways.outside import post
    from training.actions.news import NEWS

    if not _telling.acquire(blocking=False):
        return
    try:
        now = timezone.now()
        webhooks.gather(news=NEWS, now=now)
        webhooks.send_due(post=post, clock=timezone.now)
        webhooks.forget_old(now=now)
    finally:
        _telling.release()


@shared_task
def renew_counts(**_: object) -> None:
    """Have counted anew what takes too long to be counted at a look."""
    from training.actions import counts

    for campaign, name in counts.claim_counts(timezone.now()):
        renew_count.apply_async(kwargs={"campaign_id": campaign, "name": name}, expires=COUNT_WAITS)


@shared_task
def renew_count(*, campaign_id: int, name: str, **_: object) -> None:
    """Do one count; another that fails does not keep it."""
    from training.actions import counts

    counts.renew_count(campaign_id, name=name, now=timezone.now())


@shared_task
def tend_report_fixes(**_: object) -> None:
    """Take reports on that the loop has done something for."""
    from training.actions import report_care

    report_care.tend(timezone.now())


@shared_task
def look_at_report_fixes(**_: object) -> None:
    """Have a worker that can hold a network come, where there is a report to take on."""
    from training.actions import report_care

    if report_care.is_anything_due():
        tend_report_fixes.apply_async(expires=120)


def send(works: Sequence[Work], *, then: int | None = None) -> None:
    """Hand work to the workers; a broker that is away costs a warning, and time."""
    for work in works:
        lease = settings.ENV.lease_seconds if work.task == SCORE else RESEND.total_seconds()
        _send(work, seconds=lease, then=then)


def _at_work(task: str, kwargs: Mapping[str, Any]) -> AbstractContextManager[object]:
    """Keep a message from being sent again while this worker is at it, however long that takes."""
    work = Work(task, kwargs)
    return kept(lambda: still_at(work, now=timezone.now()), seconds=RESEND.total_seconds())


def _done(task: str, kwargs: Mapping[str, Any], *, campaign_id: int) -> None:
    forget(Work(task, kwargs))
    if not _leaving.is_set():
        send([Work("training.tasks.advance", {"campaign_id": campaign_id})])


def _send(work: Work, *, seconds: float, then: int | None = None) -> None:
    options: dict[str, Any] = {}
    if work.task in FOLLOWED and then is not None:
        options["link"] = advance.si(campaign_id=then)
    try:
        current_app.send_task(work.task, kwargs=dict(work.kwargs), expires=seconds, **options)
    except OperationalError as error:
        logger.warning("%s could not be sent: %s. It will be sent again.", work.key, error)


def _patience() -> float:
    return 2 * float(settings.ENV.tick_seconds)
