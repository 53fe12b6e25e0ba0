"""Pruning: the bytes of versions that nothing can need any more make room; their records stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from annotation.errors import VernacularError
from learning.actions.identities import size_of
from learning.gateways.weights import (
    check_weights,
    digest_of,
    remove_weights,
    store,
    weights_dir,
)
from learning.models import Deployment, GeneratorVersion, ModelVersion, Round, Scoring
from training.models import GateRun, TrainingRun, Verdict

OPEN_RUNS = (TrainingRun.Status.QUEUED, TrainingRun.Status.RUNNING)
UNDECIDED = (Verdict.HOLD, Verdict.PASS)


@dataclass(frozen=True)
class Pruned:
    """A version whose bytes went, or would go."""

    version: ModelVersion
    size: int


@dataclass(frozen=True)
class Checked:
    """A version and what is wrong with its bytes; nothing if they are sound."""

    version: ModelVersion | GeneratorVersion
    trouble: str
    repaired: bool = False


def prunable(*, older_than: timedelta, now: datetime) -> list[ModelVersion]:
    """Return the versions whose bytes nothing can need: old, never released, and not in use.

    Whatever has ever served stays, since a rollback may want it and a gate compares with the best
    of them; so does what is being trained, judged, held, scored or waits for its promotion, and
    bytes that such a version of any campaign shares.
    """
    needed = needed_digests()
    old = ModelVersion.objects.filter(pruned_at=None, created_at__lt=now - older_than)
    return [version for version in old.order_by("pk") if version.digest not in needed]


def needed_digests() -> set[str]:
    """Return the digests that must stay."""
    runs = TrainingRun.objects.filter(status__in=OPEN_RUNS)
    unjudged = TrainingRun.objects.filter(gates=None, candidate__isnull=False)
    held = GateRun.objects.filter(verdict__in=UNDECIDED)
    scored = Scoring.objects.filter(status=Scoring.Status.RUNNING)
    needed = ModelVersion.objects.filter(
        Q(pk__in=Deployment.objects.values("version"))
        | Q(pk__in=runs.values("base"))
        | Q(pk__in=unjudged.values("candidate"))
        | Q(pk__in=held.values("candidate"))
        | Q(pk__in=scored.values("version"))
        # Rounds ask by what their version said, and gates speak of anchors.
        | Q(pk__in=Round.objects.values("version"))
    )
    # Generators lie in the same storage, and all of them stay.
    writing = GeneratorVersion.objects.values_list("digest", flat=True)
    return {*needed.values_list("digest", flat=True), *writing}


def prune(*, older_than: timedelta, now: datetime, dry_run: bool = False) -> list[Pruned]:
    """Remove the bytes of what is prunable and say so in the records; twice is once."""
    found = []
    for version in prunable(older_than=older_than, now=now):
        found.append(Pruned(version, size_of(version) or 0))
        if not dry_run and _mark(version, now=now):
            remove_weights(version.digest)
    return found


@transaction.atomic
def _mark(version: ModelVersion, *, now: datetime) -> bool:
    """Write the removal down before it happens, unless somebody began to need the bytes."""
    if version.digest in needed_digests():
        return False
    same = ModelVersion.objects.filter(digest=version.digest, pruned_at=None)
    return bool(same.update(pruned_at=now))


def check_all_weights(*, repair: bool) -> Sequence[Checked]:
    """Look at the bytes of every version that should be there; mend what a sound copy here can mend."""
    found = []
    versions = ModelVersion.objects.filter(pruned_at=None).order_by("pk")
    held: list[ModelVersion | GeneratorVersion] = [*versions]
    held.extend(GeneratorVersion.objects.order_by("pk"))
    for version in held:
        trouble, repaired = _trouble(version), False
        if trouble and repair:
            repaired = _repair(version)
        found.append(Checked(version, trouble, repaired))
    return found


def _trouble(version: ModelVersion | GeneratorVersion) -> str:
    try:
        check_weights(version.path, digest=version.digest)
    except VernacularError as error:
        return str(error)
    return ""


def _repair(version: ModelVersion | GeneratorVersion) -> bool:
    """Store this machine's copy again, if it is the right one."""
    copy = weights_dir() / version.path
    try:
        sound = copy.is_dir() and digest_of(copy) == version.digest
        return sound and store(copy) == version.digest and not _trouble(version)
    except VernacularError:
        return False
