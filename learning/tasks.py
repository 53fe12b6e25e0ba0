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


def enqueue_scoring(*, scoring_id: int) -> None:
    """Enqueue the shards of a scoring that wait for a worker; free to call at any time."""
    from learning.actions import scoring
    from learning.models import Scoring

    work = Scoring.objects.get(pk=scoring_id)
    for shard_id in scoring.reclaim_shards(work, now=timezone.now()):
        score_shard.delay(shard_id=shard_id)
