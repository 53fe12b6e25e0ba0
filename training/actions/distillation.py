"""Distillation: a student learns from what its teacher says of the pool, language by language."""

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
from training.models import SnapshotRow, TrainingRun

if TYPE_CHECKING:
    from learning.networks import Network
    from training.methods.lessons import Lessons


# One text of the pool in so many is never read by a student: only from these is gold asked for
# when a student is judged, who would know all others from school.
KEPT_FROM_STUDENTS = 5


@dataclass(frozen=True)
class Reading:
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
    lessons = _lessons(run, reading)
    student = _student(run)
    student.module.to(device())
    job = Job(
        lessons=lessons,
        measure=dev_measure(run.campaign, beat=claim.beat),
        recipe=_recipe(student, told),
        seed=run.seed,
        snapshot=run.snapshot.digest,
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


def read_for(run: TrainingRun) -> Reading:
    """Return what the student reads: an equal part of the pool a language, and the label store.

    Nothing that examines is read, nor anything near it. What came to the pool after the run was
    opened is left out, so that a run that is taken up again reads the same.
    """
    marks = GoldMarks.of(run.campaign)
    rows = SnapshotRow.objects.filter(snapshot=run.snapshot).select_related("sample__language")
    found = Reading([], [], [], [])
    taken = set()
    for row in rows.order_by("sample_id"):
        if not marks.near(row.sample):
            taken.add(row.sample_id)
            _add(found, row.sample, agreed=row.target, weight=row.weight)
    for home in run.campaign.languages.filter(active=True).order_by("pk"):
        pool = run.campaign.samples.pool().filter(
            language=home.language_id, created_at__lte=run.created_at
        )
        free = (s for s in pool.select_related("language").order_by("uid") if not for_gold(s.uid))
        for sample in islice(free, run.settings["texts"]):
            if sample.pk not in taken and not marks.near(sample):
                _add(found, sample, agreed=None, weight=1.0)
    if not found.texts:
        raise ConflictError(
            f"{run.campaign} has no texts for a student to read.", remedy="Import some first."
        )
    return found


def for_gold(uid: UUID) -> bool:
    """Tell whether a text of the pool is kept from students."""
    return uid.int % KEPT_FROM_STUDENTS == 0


def studied(version: ModelVersion) -> bool:
    """Tell whether the version, or one that it was made from, learned from a teacher."""
    return TrainingRun.objects.filter(
        candidate__in=lineage(version), kind=TrainingRun.Kind.DISTIL
    ).exists()


def _add(reading: Reading, sample: Sample, *, agreed: list[float] | None, weight: float) -> None:
    reading.texts.append(sample.text)
    reading.tags.append(sample.language.tag)
    reading.agreed.append(agreed)
    reading.weights.append(weight)


def _lessons(run: TrainingRun, reading: Reading) -> "Lessons":
    import numpy as np

    from learning.inference import logits_of
    from training.methods.compression import lesson_targets
    from training.methods.lessons import Lessons

    teacher = logits_of(run.base, texts=reading.texts, languages=reading.tags)
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
