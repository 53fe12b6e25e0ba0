"""What was sent against what is stored, after :mod:`benchmarks.chaos`: nothing lost, nothing double."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chaos_people import Ledger


def settled(ledger: Ledger) -> bool:
    """Whether all that was heard has come home, and nothing is read in any more."""
    from annotation.models import SampleImport

    reading = SampleImport.objects.filter(status__in=("queued", "running"))
    if reading.exists() or ledger.unheard:
        return False
    return set(ledger.answers) <= set(_stored())


def wrong(ledger: Ledger, *, backups: Path) -> list[str]:
    """Everything that is not as it was sent; an empty list is what is wanted."""
    from django.db import connection

    connection.close()  # what was open may not have outlived the server
    looks = (_answers, _files, _leases, _runs, _doubles, _models)
    found = [line for look in looks for line in look(ledger)]
    return [*found, *_backups(backups)]


def counts(ledger: Ledger) -> dict[str, int]:
    """What was looked at, so that an empty list of wrongs says how much it stands for."""
    from annotation.models import AnnotationRevision, Sample
    from learning.models import Deployment, ModelVersion, Prediction, Round
    from training.models import GateRun, TrainingRun

    return {
        "answers": len(ledger.answers),
        "said_again": ledger.said_again,
        "tries": ledger.tries,
        "files": len(ledger.files),
        "revisions": AnnotationRevision.objects.count(),
        "samples": Sample.objects.count(),
        "predictions": Prediction.objects.count(),
        "rounds": Round.objects.count(),
        "runs": TrainingRun.objects.count(),
        "gates": GateRun.objects.count(),
        "versions": ModelVersion.objects.count(),
        "promotions": Deployment.objects.filter(kind="promotion").count(),
        "backups": sum(code == 0 for code in ledger.backups),
        "backups_refused": sum(code != 0 for code in ledger.backups),
    }


def _stored() -> dict[tuple[str, str], list[str]]:
    from annotation.models import Annotation

    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    rows = Annotation.objects.answered().values_list(
        "annotator__user__username", "item__uid", "label__key"
    )
    for person, item, label in rows:
        told[person, str(item)].append(label)
    return told


def _answers(ledger: Ledger) -> Iterator[str]:
    """Each exactly once, as it was said, with one revision; nothing that nobody sent."""
    from annotation.models import Annotation, AnnotationRevision, QuarantinedAnswer

    stored = _stored()
    for key, label in ledger.answers.items():
        if key in ledger.unheard and key not in stored:
            continue
        if stored.get(key) != [label]:
            yield f"answer {key}: sent {label!r}, stored {stored.get(key)}"
    for key in set(stored) - set(ledger.answers):
        yield f"answer {key}: stored, and nobody sent it"
    live = Annotation.objects.answered().count()
    if AnnotationRevision.objects.count() != live:
        yield f"{AnnotationRevision.objects.count()} revisions of {live} answers"
    aside = QuarantinedAnswer.objects.filter(resolved_at=None)
    for row in aside:
        yield f"in quarantine: {row.reason} {row.detail}"
    strange = Annotation.objects.exclude(uid=None).exclude(uid__in=ledger.numbers).count()
    if strange:
        yield f"{strange} answers under numbers that nobody gave"


def _files(ledger: Ledger) -> Iterator[str]:
    """Each file once, each row of it once."""
    from annotation.models import Sample, SampleImport

    jobs = Counter(SampleImport.objects.values_list("filename", flat=True))
    for name, rows in ledger.files.items():
        if jobs[name] != 1:
            yield f"file {name}: {jobs[name]} imports"
        kept = Counter(Sample.objects.filter(text__in=rows).values_list("text", flat=True))
        if kept != Counter(rows):
            yield f"file {name}: {len(rows)} rows sent, {kept.total()} kept"
    for job in SampleImport.objects.exclude(status="done"):
        yield f"file {job.filename}: {job.status} {job.error}"


def _leases(_ledger: Ledger) -> Iterator[str]:
    """No text with more people at a time than it wants, and no more answers than were wanted."""
    from annotation.models import Item, Reservation

    held: dict[int, list[Any]] = defaultdict(list)
    rows = Reservation.objects.filter(pending=False).values_list(
        "item", "annotator", "created_at", "released_at", "until", "ended"
    )
    for item, annotator, since, released, until, ended in rows:
        if ended != Reservation.Ended.TAKEN:
            held[item].append((since, released or until, annotator))
    wanted = dict(Item.objects.values_list("pk", "wanted"))
    for item, leases in held.items():
        for since, _, annotator in leases:
            others = {who for a, b, who in leases if who != annotator and a <= since < b}
            if len(others) >= wanted[item]:
                yield f"item {item}: leased to {annotator} while {sorted(others)} held it"


def _runs(_ledger: Ledger) -> Iterator[str]:
    """Nothing failed or stopped for good: whatever was hurt was done in the end."""
    from annotation.models import Campaign
    from learning.models import Round, ScoringShard
    from training.models import TrainingRun

    for round_ in Round.objects.filter(status="failed"):
        yield f"round {round_.number} failed: {round_.note}"
    for run in TrainingRun.objects.filter(status="failed"):
        yield f"run {run.pk} failed: {run.error}"
    for run in TrainingRun.objects.filter(status="finished", candidate=None):
        yield f"run {run.pk} is finished without a candidate"
    for shard in ScoringShard.objects.filter(status="failed"):
        yield f"shard {shard}: {shard.error}"
    for campaign in Campaign.objects.exclude(status="running"):
        yield f"campaign {campaign.slug} is {campaign.status}"


def _doubles(_ledger: Ledger) -> Iterator[str]:
    """One run a round, one candidate a run, one verdict a look, one move of the pointer a promotion."""
    from learning.models import Deployment
    from training.models import GateRun, TrainingRun

    made = TrainingRun.objects.exclude(candidate=None)
    for name, rows in {
        "runs of one round": TrainingRun.objects.values_list("round", flat=True),
        "runs with one candidate": made.values_list("candidate", flat=True),
        "verdicts of one look": GateRun.objects.values_list("run", "look"),
        "deployments of one version": Deployment.objects.values_list("version", flat=True),
    }.items():
        for key, times in Counter(rows).items():
            if times > 1:
                yield f"{times} {name} ({key})"
    looks: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for run, look, verdict in GateRun.objects.order_by("look").values_list(
        "run", "look", "verdict"
    ):
        looks[run].append((look, verdict))
    for run, told in looks.items():
        # Only what was held is looked at again.
        if [look for look, _ in told] != [*range(1, len(told) + 1)]:
            yield f"run {run} was looked at as {told}"
        if any(verdict != "HOLD" for _, verdict in told[:-1]):
            yield f"run {run} was looked at after its verdict: {told}"


def _models(_ledger: Ledger) -> Iterator[str]:
    """What is stored under a version is what its weights say, bit by bit as far as it is kept."""
    from learning.actions.scoring import rounded
    from learning.gateways.weights import open_weights
    from learning.inference import logits_of
    from learning.models import ModelVersion, Prediction

    for version in ModelVersion.objects.filter(pruned_at=None):
        open_weights(version.path, digest=version.digest)
        mine = Prediction.objects.filter(version=version).order_by("sample__digest")
        rows = list(mine.values_list("sample__text", "sample__language__tag", "logits")[:200])
        if not rows:
            continue
        fresh = logits_of(version, texts=[r[0] for r in rows], languages=[r[1] for r in rows])
        apart = np.abs(rounded(fresh) - np.array([r[2] for r in rows])).max()
        if apart > 1e-3:
            yield f"{version}: predictions are {apart:.4f} from what its weights say"


def _backups(folder: Path) -> Iterator[str]:
    """Whatever calls itself a backup is whole."""
    from annotation.errors import VernacularError
    from config.backup import manifest

    for point in manifest.points(folder) if folder.exists() else ():
        try:
            manifest.check(point)
        except VernacularError as error:
            yield f"backup {point.name}: {error}"
