"""Claims: one worker at a time may work on a run, and whoever lost the right writes no more."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet

from annotation.actions.leases import Lease, lapsed
from annotation.errors import VernacularError
from training.models import TrainingRun

Now = Callable[[], datetime]
Status = TrainingRun.Status


class LostLeaseError(VernacularError):
    """Another worker holds the run now; whatever this one still has to say is refused."""

    code = "lost_lease"
    status = 409


class AbortedError(VernacularError):
    """Somebody wants the run to end without a candidate."""

    code = "aborted"
    status = 409


@dataclass
class Claim:
    """The right to work on a run, as long as the token is the newest and the lease holds.

    Where several processes train one run, one of them claims it and the others follow: they have
    nothing to tell and nothing to write.
    """

    run: TrainingRun
    token: int
    now: Now
    follows: bool = False
    beaten_at: datetime | None = field(default=None)
    # When and at which step this worker was first seen at it, to tell its pace.
    began: tuple[datetime, int] | None = field(default=None)
    # Kept by a thread, so that what takes long between two beats costs no claim.
    lease: Lease = field(default_factory=Lease)

    def renew(self) -> bool:
        """Make the lease last; False if the run is somebody else's now."""
        return bool(self._mine().update(lease_until=_lease(self.now())))

    def see(self, step: int, *, steps: int, curve: list[Any]) -> None:
        """Tell how far the run is and how quick."""
        now = self.now()
        self.began = self.began or (now, step)
        done = step - self.began[1]
        pace = (now - self.began[0]).total_seconds() / done if done else None
        self.beat(force=step == steps, step=step, steps_total=steps, curve=curve, pace=pace)

    def beat(self, *, force: bool = False, **progress: Any) -> None:
        """Renew the lease and tell how far the run is; raise if it is somebody else's now."""
        if self.follows:
            return
        if self.lease.lost:
            raise LostLeaseError(f"{self.run} is not ours any more.")
        now = self.now()
        rest = timedelta(seconds=settings.ENV.lease_seconds / 20)
        if not force and self.beaten_at and now - self.beaten_at < rest:
            return
        self.beaten_at = now
        self.write(lease_until=_lease(now), **progress)
        if TrainingRun.objects.filter(pk=self.run.pk, abort_asked_at__isnull=False).exists():
            raise AbortedError(f"{self.run} was aborted.")

    def write(self, **values: Any) -> None:
        """Change the run's row if this claim still holds, else raise."""
        if self.follows:
            return
        if not self._mine().update(**values):
            raise LostLeaseError(f"{self.run} is not ours any more.")

    def confirm(self) -> None:
        """Raise if the run is not ours; inside a transaction it stays ours until that is over."""
        self.write(lease_until=_lease(self.now()))

    def finish(self, **values: Any) -> None:
        """Say that the run has its candidate, unless somebody asked meanwhile to abort it."""
        mine = self._mine()
        over = {"status": Status.FINISHED, "finished_at": self.now(), "lease_until": None}
        if mine.filter(abort_asked_at=None).update(**over, **values):
            return
        if mine.exists():
            raise AbortedError(f"{self.run} was aborted.")
        raise LostLeaseError(f"{self.run} is not ours any more.")

    def _mine(self) -> "QuerySet[TrainingRun]":
        return TrainingRun.objects.filter(pk=self.run.pk, token=self.token, status=Status.RUNNING)


def claim_run(run_id: int, *, now: Now) -> Claim | None:
    """Claim a queued run, or one whose worker has gone silent; None if there is nothing to do."""
    run = TrainingRun.objects.select_related("campaign", "base", "snapshot").get(pk=run_id)
    claimed = TrainingRun.objects.filter(_free(now()), pk=run_id, token=run.token).update(
        status=Status.RUNNING,
        token=F("token") + 1,
        lease_until=_lease(now()),
        started_at=run.started_at or now(),
        error="",
        failed_launches=0,
    )
    return Claim(run, run.token + 1, now) if claimed else None


def claimable(run_id: int, *, now: Now) -> bool:
    """Tell whether anybody may claim the run at the moment."""
    return TrainingRun.objects.filter(_free(now()), pk=run_id).exists()


def _free(now: datetime) -> Q:
    return Q(status=Status.QUEUED) | (Q(status=Status.RUNNING) & lapsed(now))


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.ENV.lease_seconds)
