"""Claims of shards: a shard is with one worker at a time, and a lost worker costs one attempt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet

from annotation.actions.leases import Lease, lapsed
from annotation.errors import is_out_of_room
from learning.models import Scoring, ScoringShard

Clock = Callable[[], datetime]
Status = ScoringShard.Status

MOST_ATTEMPTS = 5

log = structlog.get_logger(__name__)


@dataclass
class ShardClaim:
    """One attempt at a shard, whose number is the fencing token."""

    shard: ScoringShard
    attempt: int
    now: Clock
    seen: datetime
    lease: Lease = field(default_factory=Lease)

    def mine(self) -> "QuerySet[ScoringShard]":
        """Return the shard as long as it is with us."""
        return ScoringShard.objects.filter(
            pk=self.shard.pk, status=Status.RUNNING, attempts=self.attempt
        )

    def renew(self) -> bool:
        """Prolong the lease; False if somebody else has claimed the shard since."""
        return self.mine().update(lease_until=self.now() + lease_time()) == 1

    def holds(self) -> bool:
        """Tell whether to go on; the database is asked a few times a lease."""
        moment = self.now()
        held = not self.lease.lost
        if held and moment - self.seen >= lease_time() / 4:
            self.seen = moment
            held = self.renew()
        if not held:
            log.warning("scoring.shard_lost", shard_id=self.shard.pk, attempt=self.attempt)
        return held

    def give_back(self, error: Exception) -> None:
        """Keep what went wrong; the next attempt waits for a lease's time, the last one fails.

        A full disk passes, and costs no attempt.
        """
        full = is_out_of_room(error)
        over = self.attempt >= MOST_ATTEMPTS and not full
        log.warning(
            "scoring.shard_failed",
            shard_id=self.shard.pk,
            attempt=self.attempt,
            error=str(error),
        )
        self.mine().update(
            status=Status.FAILED if over else Status.QUEUED,
            attempts=self.attempt - full,
            lease_until=None if over else self.now() + lease_time(),
            error=f"{type(error).__name__}: {error}",
        )


def claim(shard: ScoringShard, *, now: Clock) -> ShardClaim | None:
    """Return the claim for exactly one worker; None if the shard is not to be had."""
    moment = now()
    before = ScoringShard.objects.filter(pk=shard.pk).values_list("attempts", flat=True).first()
    if before is None:
        return None
    won = (
        ScoringShard.objects.filter(pk__in=_free(moment).filter(pk=shard.pk).values("pk"))
        .filter(attempts=before)
        .update(status=Status.RUNNING, attempts=before + 1, lease_until=moment + lease_time())
    )
    return ShardClaim(shard, before + 1, now, seen=moment) if won else None


def fail_the_hopeless(scoring: Scoring, *, now: datetime) -> None:
    """Fail shards whose last attempt ended without a word: their workers were killed."""
    ScoringShard.objects.filter(
        lapsed(now), scoring=scoring, status=Status.RUNNING, attempts__gte=MOST_ATTEMPTS
    ).update(
        status=Status.FAILED,
        lease_until=None,
        error=f"The worker was lost {MOST_ATTEMPTS} times; it may lack memory.",
    )


def lease_time() -> timedelta:
    """Return for how long a shard is given to a worker that shows no sign of life."""
    return timedelta(seconds=settings.ENV.lease_seconds)


def _free(moment: datetime) -> "QuerySet[ScoringShard]":
    """Return shards that a worker may take: of work that goes on, and with nobody."""
    free = Q(status=Status.QUEUED) | (Q(status=Status.RUNNING) & lapsed(moment))
    going_on = ScoringShard.objects.filter(scoring__status=Scoring.Status.RUNNING)
    return going_on.filter(free, attempts__lt=MOST_ATTEMPTS)
