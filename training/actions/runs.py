"""Training runs: opened once a round, claimed by one worker at a time, resumable."""

import hashlib
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, OperationalError, transaction

from annotation.actions.leases import kept
from annotation.errors import ConflictError, TransientError, VernacularError, is_out_of_room
from annotation.objectives import spans
from learning.actions.doubts import of_sets
from learning.actions.serving import serving_version
from learning.models import Round
from training.actions.carrying import keep_carried, keep_logits, read_carried, stored_logits
from training.actions.checkpoints import Kept, candidate_folder, forget, run_folder
from training.actions.claims import AbortedError, Claim, LostLeaseError, Now, claim_run
from training.actions.datasets import refuse_gold, take_snapshot
from training.actions.gold_marks import GoldMarks
from training.models import SnapshotRow, TrainingRun

if TYPE_CHECKING:
    from learning.networks import Network
    from training.methods.distributed import Team
    from training.methods.loop import Job, Learned, Lessons

log = logging.getLogger(__name__)

Status = TrainingRun.Status

# A run that this many workers have died on will kill the next one too.
MOST_CLAIMS = 100
# A full disk is tried so often that a night of it gives up no run.
ROOM_IN = timedelta(minutes=10)


def open_run(round_: Round, *, now: datetime) -> TrainingRun | None:
    """Open the round's only run on what is known now; None if nothing in it is fresh.

    Whoever calls second gets the run that the first one opened.
    """
    with transaction.atomic():
        moved = Round.objects.filter(pk=round_.pk, status=Round.Status.COLLECTING).update(
            status=Round.Status.TRAINING, collected_at=now
        )
        if not moved:
            return TrainingRun.objects.filter(round=round_).first()
        base = serving_version(round_.campaign)
        snapshot = take_snapshot(round_.campaign)
        if base is None or not snapshot.fresh_samples:
            transaction.set_rollback(True)
            return None
        return TrainingRun.objects.create(
            campaign=round_.campaign,
            round=round_,
            snapshot=snapshot,
            base=base,
            seed=_seed(round_),
            settings=round_.campaign.recipe,
        )


def train(run_id: int, *, now: Now, should_stop: Callable[[], bool]) -> TrainingRun:
    """Fine-tune the run's base on its snapshot and register what comes of it.

    Safe to call twice, late, or on two machines: only the newest claim can write. A worker
    that has to stop leaves a checkpoint and a queued run; an error leaves a failed one, and a
    person's wish an aborted one.
    """
    from learning.inference import device
    from training.methods import distributed

    kind = TrainingRun.objects.get(pk=run_id).kind
    if kind != TrainingRun.Kind.UPDATE and distributed.launched():
        raise ConflictError(
            f"Run {run_id} makes a network smaller, which one process does by itself.",
            remedy="Start it without a launcher.",
        )
    with distributed.joined(cuda=device().type == "cuda") as team:
        claim = _claim(run_id, now=now, team=team)
        if claim is not None and claim.follows:
            _try(claim, should_stop=should_stop)
        elif claim is not None:
            with kept(claim.renew, seconds=settings.ENV.lease_seconds) as claim.lease:
                _try(claim, should_stop=should_stop)
    return TrainingRun.objects.get(pk=run_id)


def _claim(run_id: int, *, now: Now, team: "Team") -> Claim | None:
    """Return the leader's claim, which the other processes of a run follow."""
    claim = claim_run(run_id, now=now) if team.leads else None
    token = team.told(claim.token if claim else 0)
    if claim or not token:
        return claim
    run = TrainingRun.objects.select_related("campaign", "base", "snapshot").get(pk=run_id)
    return Claim(run, token, now, follows=True)


def _try(claim: Claim, *, should_stop: Callable[[], bool]) -> None:
    """Train and see to it that the run's row says how that ended."""
    from training.methods.distributed import BrokenTeamError
    from training.methods.loop import InterruptedTrainingError

    run_id = claim.run.pk
    try:
        _train(claim, should_stop=should_stop)
    except LostLeaseError:
        log.warning("run %s was taken over by another worker", run_id)
    except AbortedError:
        _end(claim, status=Status.ABORTED)
    except (InterruptedTrainingError, BrokenTeamError) as error:
        log.warning("run %s was left with its checkpoint: %s", run_id, error)
        _give_back(claim)
    except (OperationalError, TransientError):
        # Database or storage was away: the lease runs out, and the checkpoint is taken up.
        log.exception("run %s lost what it needs", run_id)
    except Exception as error:
        if is_out_of_room(error):
            _wait_for_room(claim, error=error)
            return
        log.exception("run %s failed", run_id)
        _end(claim, status=Status.FAILED, error=readable(error))


def _wait_for_room(claim: Claim, *, error: Exception) -> None:
    """Leave the run with its checkpoint until somebody may have made room."""
    log.warning("run %s waits for room on the disk: %s", claim.run.pk, error)
    # Half a candidate would only take more of it.
    folder = candidate_folder(claim.run, token=claim.token)
    shutil.rmtree(folder, ignore_errors=True)
    until = claim.now() + max(ROOM_IN, timedelta(seconds=settings.ENV.lease_seconds))
    with suppress(DatabaseError, LostLeaseError):  # the database's disk may be the full one
        claim.write(error=f"Waiting for room on the disk: {readable(error)}", lease_until=until)


def _give_back(claim: Claim) -> None:
    """Let the next worker have the run at once, unless one has it already."""
    try:
        claim.write(status=Status.QUEUED, lease_until=None)
    except LostLeaseError:
        log.warning("run %s was taken over by another worker", claim.run.pk)


def _end(claim: Claim, **values: Any) -> None:
    """Say how the run ended, then clear up; what somebody else is at by now is left alone."""
    try:
        claim.write(finished_at=claim.now(), lease_until=None, **values)
    except LostLeaseError:
        log.warning("run %s was taken over by another worker", claim.run.pk)
        return
    if not claim.follows:
        forget(claim.run)


def readable(error: Exception) -> str:
    """Say in one line what went wrong."""
    if isinstance(error, VernacularError):
        return str(error)
    return f"{type(error).__name__}: {error}".strip().rstrip(":")[:2000]


def _train(claim: Claim, *, should_stop: Callable[[], bool]) -> None:
    from learning.gateways.weights import open_weights
    from learning.inference import device
    from learning.networks.compressed import learnable
    from learning.networks.opening import load_network
    from training.methods.loop import fit

    run, folder = claim.run, run_folder(claim.run)
    if claim.token > MOST_CLAIMS:
        raise ConflictError(f"{MOST_CLAIMS} workers gave this run up; another will not help.")
    refuse_gold(run.snapshot, marks=GoldMarks.binding(run.campaign))
    if run.kind != TrainingRun.Kind.UPDATE:
        from training.actions.compressions import compress

        compress(claim, should_stop=should_stop)
        return
    network = learnable(load_network(open_weights(run.base.path, digest=run.base.digest)))
    network.module.to(device())
    lessons = _lessons(run)
    network = _dressed(network, lessons=lessons, settings=run.settings)
    job = _job(claim, network.settings(), lessons=lessons)

    learned = fit(
        network,
        job=job,
        folder=folder,
        watch=claim.see,
        should_stop=should_stop,
        elsewhere=Kept(claim),
    )
    if claim.follows:
        return
    claim.beat(force=True)
    network.module.to("cpu")
    out = candidate_folder(run, token=claim.token)
    shutil.rmtree(out, ignore_errors=True)
    network.save(out)
    claim.beat(force=True)
    _finish(claim, out=out, job=job, learned=learned)
    forget(run)


def _finish(claim: Claim, *, out: Path, job: "Job", learned: "Learned") -> None:
    from learning.actions.versions import register_version

    run = claim.run
    version = register_version(
        run.campaign,
        folder=out,
        network=run.base.network,
        base=run.base,
        manifest=_manifest(run, job=job, learned=learned),
        confirm=claim.confirm,
    )
    claim.beat(force=True)
    keep_carried(version, carried=learned.carried, base=run.base)
    with transaction.atomic():
        claim.finish(
            candidate=version,
            step=learned.steps,
            steps_total=learned.steps,
            curve=learned.curve,
        )
        if learned.logits is not None:
            keep_logits(run, logits=job.lessons.by_text(learned.logits))


def _manifest(run: TrainingRun, *, job: "Job", learned: "Learned") -> dict[str, Any]:
    from learning.actions.versions import libraries

    return {
        "base": run.base.digest,
        "labels": run.base.manifest.get("labels", []),
        "snapshot": run.snapshot.digest,
        "samples": run.snapshot.samples,
        "fresh_samples": run.snapshot.fresh_samples,
        "seed": run.seed,
        "recipe": asdict(job.recipe),
        "steps": learned.steps,
        "share_of_new_weights": learned.share,
        "dev": learned.dev,
        "libraries": libraries(),
    }


def _dressed(network: "Network", *, lessons: "Lessons", settings: dict[str, Any]) -> "Network":
    """Return the network with adapters of the languages that bring something, if so asked."""
    from training.methods.adapters import dressed
    from training.methods.loop import Recipe

    recipe = Recipe.of(network.settings().get("recipe", {}), settings)
    pairs = zip(lessons.languages, lessons.fresh, strict=True)
    fresh = {tag for tag, new in pairs if new}
    return dressed(network, recipe=recipe, languages=sorted(fresh or set(lessons.languages)))


def _job(claim: Claim, network_settings: dict[str, Any], *, lessons: "Lessons") -> "Job":
    from training.actions.evaluation import dev_items, dev_measure
    from training.methods.loop import Job, Recipe

    run = claim.run
    return Job(
        lessons=lessons,
        measure=dev_measure(run.campaign, beat=claim.beat),
        recipe=Recipe.of(network_settings.get("recipe", {}), run.settings),
        seed=run.seed,
        snapshot=run.snapshot.digest,
        items=dev_items(run.campaign),
        carried=read_carried(run.base),
    )


def _lessons(run: TrainingRun) -> "Lessons":
    import numpy as np

    from training.methods.lessons import marked_lessons
    from training.methods.loop import Lessons

    rows = list(
        SnapshotRow.objects.filter(snapshot=run.snapshot)
        .order_by("sample_id")
        .values_list(
            "sample_id", "sample__text", "sample__language__tag", "target", "weight", "fresh"
        )
    )
    samples, texts, languages, targets, weights, fresh = zip(*rows, strict=True)
    stored = stored_logits(run)
    if run.campaign.objective == spans.NAME:
        beside = {
            "languages": languages,
            "weights": np.array(weights, np.float32),
            "fresh": np.array(fresh, bool),
        }
        said = [stored.get(sample) for sample in samples]
        return marked_lessons(texts, targets=targets, logits=said, **beside)
    nothing = [np.nan] * len(targets[0])
    return Lessons(
        texts=texts,
        languages=languages,
        targets=np.array(targets, np.float32),
        weights=np.array(weights, np.float32),
        fresh=np.array(fresh, bool),
        logits=np.array([stored.get(sample, nothing) for sample in samples], np.float32),
        several=of_sets(run.campaign),
    )


def _seed(round_: Round) -> int:
    name = f"{round_.campaign.seed}:{round_.campaign.slug}:{round_.number}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
