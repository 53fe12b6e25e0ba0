"""Maintenance: a person says, before the gate looks, why an update need not make anything better."""

from datetime import datetime

from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import User
from training.models import Maintenance, TrainingRun

LONGEST = 500


@transaction.atomic
def declare_maintenance(
    run: TrainingRun, *, name: str, reason: str, actor: User | None = None, now: datetime
) -> Maintenance:
    """Write down who declares the run maintenance, and why; every other check stays as it is.

    After the first look it is too late: a reason that is found when the gain was not is none.
    """
    run = TrainingRun.objects.select_for_update().get(pk=run.pk)
    name, reason = name.strip(), reason.strip()
    if not name or not reason:
        raise InvalidInputError(
            "Maintenance needs a name and a reason.", remedy="Say who declares it and why."
        )
    if len(reason) > LONGEST:
        raise InvalidInputError(
            f"The reason has {len(reason)} characters.", remedy=f"Use {LONGEST} at most."
        )
    known = Maintenance.objects.filter(run=run).first()
    if known and (known.name, known.reason) == (name[:150], reason):
        return known
    if known:
        raise ConflictError(f"Run {run.pk} is declared maintenance already, by {known.name}.")
    if run.gates.exists():
        raise ConflictError(
            f"Run {run.pk} was judged already.",
            remedy="Maintenance is declared before the gate looks; a held one may get a waiver.",
        )
    return Maintenance.objects.create(
        run=run, name=name[:150], reason=reason, declared_by=actor, declared_at=now
    )
