"""Aborts: a person ends a training run that should not go on; what people answered is kept."""

from datetime import datetime

from django.db.models import Q

from annotation.actions.leases import lapsed
from annotation.errors import ConflictError
from annotation.models import User
from learning.actions.round_words import ABORTED, SOMEBODY
from training.models import TrainingRun

Status = TrainingRun.Status


def abort_run(run: TrainingRun, *, actor: User | None, now: datetime) -> TrainingRun:
    """End a run without a candidate: at once if nobody is at it, else when its worker next looks.

    Asked twice it is the same wish. The round closes, and its answers are new to the next run.
    """
    current = TrainingRun.objects.filter(pk=run.pk)
    wish = {"abort_asked_at": now, "abort_asked_by": actor}
    current.filter(status__in=(Status.QUEUED, Status.RUNNING), abort_asked_at__isnull=True).update(
        **wish
    )
    nobody = Q(status=Status.QUEUED) | (Q(status=Status.RUNNING) & lapsed(now))
    current.filter(nobody, abort_asked_at__isnull=False).update(
        status=Status.ABORTED, lease_until=None, finished_at=now
    )
    run = current.get()
    if run.abort_asked_at is None:
        raise ConflictError(
            f"{run} is over already: {run.get_status_display()}.",
            remedy="A candidate that should not serve is kept from it by its gate, or rolled back.",
        )
    return run


def abort_note(run: TrainingRun) -> str:
    """Say who ended the run, for the round's note."""
    who = run.abort_asked_by
    return ABORTED % {"who": who.get_full_name() or who.username if who else SOMEBODY}
