"""Distillation: a student learns from what its teacher says of the pool, language by language."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from annotation.errors import ConflictError
from annotation.models import Sample
from learning.models import ModelVersion
from training.actions.checkpoints import Kept
from training.actions.claims import Claim
from training.actions.datasets import lineage
from training.actions.gold_marks import GoldMarks
from training.models import Reading, SnapshotRow, TrainingRun

if TYPE_CHECKING:
    from learning.networks import Network
    from training.methods.lessons import Lessons


# One text of the pool in so many is never read by a student: only from these is gold asked for
# when a student is judged, who would know all others from school.
KEPT_FROM_STUDENTS = 5
# Texts that the teacher is asked about between two signs of life.
AT_ONCE = 2_000


@dataclass(frozen=True)
class Texts:
    """What a student reads: N texts, and what people agreed on, where they did."""

    texts: list[str]
    tags: list[str]
    agreed: list[list[float] | None]
    weights: list[float]


def distilled(
    claim: Claim, *, folder: Path, should_stop: Callable[[], bool]
) -> tuple["Network", dict[str, Any]]:
    """Return the student, and how it did in school."""
    from learning.inference import device
    from training.actions.evaluation import dev_items, dev_measure
    from training.methods.compression import Softened
    from training.methods.lessons import Job
    from training.methods.loop import fit

    run, told = claim.run, claim.run.settings
    reading = read_for(run)
    lessons = _lessons(claim, reading)
    student = _student(run)
    student.module.to(device())
    job = Job(
        lessons=lessons,
        measure=dev_measure(run.campaign, beat=claim.beat),
        recipe=_recipe(student, told),
        seed=run.seed,
        snapshot=_mark(run, reading),
        items=dev_items(run.campaign),
    )
    softened: Any = Softened(student, temperature=told["temperature"])
    learned = fit(
        softened,
        job=job,
        folder=folder,
        watch=claim.see,
        should_stop=should_stop,
        elsewhere=Kept(claim),
    )
    student.module.eval()
    claim.run.step = learned.steps
    return student, {"steps": learned.steps, "dev": learned.dev, "texts": len(reading.texts)}


def read_for(run: TrainingRun) -> Texts:
    """Return what the student reads; a run that is taken up again reads the same.

    What was chosen at first is written down. Only what was taken back since is left out.
    """
    known = Reading.objects.filter(run=run).first()
    if known is None:
        known, _ = Reading.objects.get_or_create(run=run, defaults={"samples": _chosen(run)})
    agreed = SnapshotRow.objects.filter(snapshot=run.snapshot)
    targets = {
        sample: (target, weight)
        for sample, target, weight in agreed.values_list("sample", "target", "weight")
    }
    found = Texts([], [], [], [])
    for start in range(0, len(known.samples), AT_ONCE):
        some = known.samples[start : start + AT_ONCE]
        ready = Sample.objects.ready().select_related("language").in_bulk(some)
        for pk in some:
            if pk in ready:
                target, weight = targets.get(pk, (None, 1.0))
                _add(found, ready[pk], agreed=target, weight=weight)
    if not found.texts:
        raise ConflictError(
            f"{run.campaign} has no texts for a student to read.", remedy="Import some first."
        )
    return found


def _chosen(run: TrainingRun) -> list[int]:
    """Choose what to read: the label store, and an equal part of the pool a language.

    Nothing that examines is read, nor anything near it.
    """
    marks = GoldMarks.of(run.campaign)
    rows = SnapshotRow.objects.filter(snapshot=run.snapshot).select_related("sample")
    found = [row.sample_id for row in rows.order_by("sample_id") if not marks.near(row.sample)]
    taken = set(found)
    for home in run.campaign.languages.filter(active=True).order_by("pk"):
        pool = run.campaign.samples.pool().filter(
            language=home.language_id, created_at__lte=run.created_at
        )
        free = (s for s in pool.order_by("uid").iterator() if not for_gold(s.uid))
        some = islice(free, run.settings["texts"])
        found += [s.pk for s in some if s.pk not in taken and not marks.near(s)]
    return found


def _mark(run: TrainingRun, reading: Texts) -> str:
    """Return what a checkpoint must have learned from: the snapshot, and these very texts."""
    texts = hashlib.sha256("\0".join(reading.texts).encode())
    return f"{run.snapshot.digest}:{texts.hexdigest()}"


def for_gold(uid: UUID) -> bool:
    """Tell whether a text of the pool is kept from students."""
    return uid.int % KEPT_FROM_STUDENTS == 0


def studied(version: ModelVersion) -> bool:
    """Tell whether the version, or one that it was made from, learned from a teacher."""
    return TrainingRun.objects.filter(
        candidate__in=lineage(version), kind=TrainingRun.Kind.DISTIL
    ).exists()


def _add(reading: Texts, sample: Sample, *, agreed: list[float] | None, weight: float) -> None:
    reading.texts.append(sample.text)
    reading.tags.append(sample.language.tag)
    reading.agreed.append(agreed)
    reading.weights.append(weight)


def _lessons(claim: Claim, reading: Texts) -> "Lessons":
    import numpy as np

    from learning.inference import logits_of
    from training.methods.compression import lesson_targets
    from training.methods.lessons import Lessons

    run, said = claim.run, []
    for start in range(0, len(reading.texts), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        said.append(logits_of(run.base, texts=reading.texts[part], languages=reading.tags[part]))
        claim.beat()
    teacher = np.concatenate(said)
    temperature = float(run.settings["temperature"])
    return Lessons(
        texts=reading.texts,
        languages=reading.tags,
        targets=lesson_targets(teacher, agreed=reading.agreed, temperature=temperature),
        weights=np.array(reading.weights, np.float32),
        # Nothing counts as fresh, so all of it is drawn evenly by language.
        fresh=np.zeros(len(reading.texts), np.bool_),
    )


def _student(run: TrainingRun) -> "Network":
    from learning.gateways.weights import open_weights
    from learning.networks.opening import load_network, open_network
    from training.methods.compression import student_of

    teacher = load_network(open_weights(run.base.path, digest=run.base.digest))
    if run.settings["student"] == "starter":
        if teacher.kind.startswith("starter"):
            raise ConflictError(
                "The teacher is a starter already.", remedy="Prune or quantise it instead."
            )
        return open_network("starter", labels=teacher.labels, seed=run.seed)
    config = getattr(teacher.module, "config", None)
    half = max(1, int(getattr(config, "num_hidden_layers", 2)) // 2)
    return student_of(teacher, layers=int(run.settings["layers"]) or half)


def _recipe(student: "Network", told: dict[str, Any]) -> Any:
    """Return the student's own recipe: all of it new, so no champion is held on to."""
    from training.methods.recipes import Recipe

    asked = {name: told[name] for name in ("epochs", "batch")}
    if told["lr"]:
        asked["lr"] = told["lr"]
    return Recipe.of(student.settings().get("recipe", {}), asked | {"method": "er"})
