"""Doors for workers: ids in, one action, then what follows is enqueued."""

from celery import shared_task
from django.utils import timezone


@shared_task
def score_shard(*, shard_id: int, **_: object) -> None:
    """Score one shard, then give out as many as may be given out."""
    from learning.actions import scoring

    shard = scoring.score_shard(shard_id, now=timezone.now)
    enqueue_scoring(scoring_id=shard.scoring_id)


@shared_task
def find_duplicates(*, search_id: int, **_: object) -> None:
    """Search one language for texts that say nearly the same."""
    from learning.actions import duplicates

    duplicates.find_duplicates(search_id, now=timezone.now)


@shared_task
def look_closer(*, look_id: int, **_: object) -> None:
    """Look closely at a round's shortlist."""
    from learning.actions import looks

    looks.look_closer(look_id, now=timezone.now)


@shared_task
def answer_trial(*, trial_id: int, **_: object) -> None:
    """Answer a visitor's text; whoever has written one asks for the next that came meanwhile."""
    from learning.actions import trying
    from learning.actions.served_writing import writes

    now = timezone.now()
    trial = trying.answer_trial(trial_id, now=now)
    if trial is None or trial.claimed_at != now or not writes(trial.campaign):
        return
    if (waiting := trying.next_written(now=timezone.now())) is not None:
        answer_trial.delay(trial_id=waiting)


@shared_task
def reproduce_reports(**_: object) -> None:
    """Ask the serving versions what they say now of reported texts, and find which say the same."""
    from learning.actions import report_comparing, report_reproducing

    report_reproducing.reproduce_due(now=timezone.now())
    report_comparing.compare_due(now=timezone.now())


@shared_task
def tend_trials(**_: object) -> None:
    """Forget old trials, give out those whose message was lost, and have reports asked again."""
    from learning.actions import report_comparing, report_reproducing, trying

    for trial_id in trying.tend_trials(now=timezone.now()):
        answer_trial.delay(trial_id=trial_id)
    if report_reproducing.is_anything_due() or report_comparing.is_anything_due():
        reproduce_reports.apply_async(expires=60)


def enqueue_scoring(*, scoring_id: int) -> None:
    """Enqueue the shards of a scoring that wait for a worker; free to call at any time."""
    from learning.actions import scoring
    from learning.models import Scoring

    work = Scoring.objects.get(pk=scoring_id)
    for shard_id in scoring.reclaim_shards(work, now=timezone.now()):
        score_shard.delay(shard_id=shard_id)
