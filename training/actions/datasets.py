"""Data sets: the exact consensus a run learns from, by revision, and never a gold item."""

import hashlib
import json
from collections.abc import Iterable, Iterator

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.errors import ConflictError
from annotation.models import Annotation, Campaign, Consensus, Consent, Sample
from learning.actions.serving import serving_version
from learning.models import ModelVersion
from training.actions.estimates import catch_up
from training.actions.gold_marks import GoldMarks
from training.actions.lineage import Origins
from training.models import DataSnapshot, SnapshotRow, TrainingRun

BATCH = 2000


@transaction.atomic
def take_snapshot(campaign: Campaign) -> DataSnapshot:
    """Write down what may be learned now; the same data gives the same row.

    A consensus counts if every answer under it still stands as it was when it was fitted, each
    from somebody who lets models learn from it, and its sample is not gold nor near gold. It is
    fresh unless the serving version, or one that it came from, learned from the very same
    revisions. What a withdrawal has left stale is fitted anew before.
    """
    Campaign.objects.select_for_update().get(pk=campaign.pk)
    catch_up(campaign, now=timezone.now())
    serving = serving_version(campaign)
    learned = _learned(serving)
    rows = [
        SnapshotRow(
            sample=said.sample,
            target=said.with_model or said.people,
            weight=said.weight,
            fresh=(said.sample_id, _key(said.revisions)) not in learned,
            revisions=said.revisions,
            aggregator=said.aggregator,
        )
        for said in _trainable(campaign)
    ]
    origins = Origins.of(campaign)
    digest = _digest(rows, origins=origins)
    known = campaign.snapshots.filter(digest=digest).first()
    return known or _write(campaign, rows=rows, digest=digest, origins=origins, against=serving)


def fresh_samples(campaign: Campaign) -> int:
    """Count the samples whose consensus the serving version has not learned from."""
    learned = _learned(serving_version(campaign))
    return sum(
        (said.sample_id, _key(said.revisions)) not in learned for said in _trainable(campaign)
    )


def refuse_gold(snapshot: DataSnapshot, *, marks: GoldMarks) -> None:
    """Raise if a snapshot holds gold or its like; called before anything is learned."""
    leaked = gold_leaks(SnapshotRow.objects.filter(snapshot=snapshot), marks=marks)
    if leaked:
        raise ConflictError(
            f"{len(leaked)} training samples are gold or share its text or group.",
            remedy="Take a new snapshot; the next round does.",
        )


def gold_leaks(rows: "QuerySet[SnapshotRow]", *, marks: GoldMarks) -> list[int]:
    """Return the ids of training samples that gold must not meet."""
    samples = Sample.objects.filter(pk__in=rows.values("sample")).order_by()
    few = samples.only("pk", "digest", "group", "text")
    return sorted(s.pk for s in few.iterator(chunk_size=BATCH) if marks.near(s))


def lineage(version: ModelVersion | None) -> list[int]:
    """Return the ids of the version and of everything that it was fine-tuned from, newest first."""
    if version is None:
        return []
    bases = dict(
        ModelVersion.objects.filter(campaign=version.campaign_id).values_list("pk", "base_id")
    )
    chain: dict[int, None] = {}
    at: int | None = version.pk
    while at is not None and at not in chain:
        chain[at] = None
        at = bases.get(at)
    return list(chain)


def lineage_rows(version: ModelVersion | None) -> "QuerySet[SnapshotRow]":
    """Return the rows that the version or one of its ancestors was the first to learn from.

    What a snapshot repeats, an ancestor has learned as it is, so its own row speaks for it: there
    are as many as there are answers that were ever learned, however many runs learned them again.
    """
    runs = TrainingRun.objects.filter(candidate__in=lineage(version))
    # A set of one, as SQLite finds no index for a column that is said to be true and no more.
    rows = SnapshotRow.objects.filter(snapshot__in=runs.values("snapshot"), fresh__in=(True,))
    return rows.order_by()


def _learned(version: ModelVersion | None) -> set[tuple[int, str]]:
    rows = lineage_rows(version).values_list("sample_id", "revisions")
    return {(sample, _key(revisions)) for sample, revisions in rows.iterator(chunk_size=BATCH)}


def _trainable(campaign: Campaign) -> Iterator[Consensus]:
    marks = GoldMarks.of(campaign)
    agreed_to = Consent.objects.training().values("user")
    standing = dict(
        Annotation.objects.answered()
        .filter(item__sample__campaign=campaign, annotator__active=True)
        .filter(annotator__user__in=agreed_to)
        .values_list("pk", "revision")
    )
    agreed = Consensus.objects.filter(
        sample__in=Sample.objects.filter(campaign=campaign).pool(), weight__gt=0
    )
    known = agreed.select_related("sample__source", "sample__language")
    for said in known.order_by("sample_id").iterator(chunk_size=2000):
        stands = all(standing.get(pk) == revision for pk, revision in said.revisions)
        if said.revisions and stands and not marks.near(said.sample):
            yield said


def _key(revisions: list[list[int]]) -> str:
    return json.dumps(sorted(revisions))


def _digest(rows: Iterable[SnapshotRow], *, origins: Origins) -> str:
    digest = hashlib.sha256()
    for row in rows:
        facts = [
            row.sample.uid.hex,
            row.target,
            row.weight,
            row.fresh,
            sorted(row.revisions),
            row.aggregator,
            *origins.facts(row),
        ]
        digest.update(json.dumps(facts).encode() + b"\n")
    return digest.hexdigest()


def _write(
    campaign: Campaign,
    *,
    rows: list[SnapshotRow],
    digest: str,
    origins: Origins,
    against: ModelVersion | None,
) -> DataSnapshot:
    snapshot = DataSnapshot.objects.create(
        campaign=campaign,
        digest=digest,
        samples=len(rows),
        fresh_samples=sum(row.fresh for row in rows),
        against=against,
        provenance=origins.provenance(rows),
    )
    for row in rows:
        row.snapshot = snapshot
    SnapshotRow.objects.bulk_create(rows, batch_size=BATCH)
    origins.write(snapshot, rows=rows)
    return snapshot
