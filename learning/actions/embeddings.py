"""Embeddings of scored samples: written with the predictions, read file by file, made again.

Files are the bulk, rows in the database say which count. Memory holds one file's pages at a
time, whatever the pool; a file that is gone, short or changed is named, set aside, and the
shard that made it is given out again.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from django.db import transaction
from django.db.models import QuerySet

from annotation.models import Language
from learning.errors import EmbeddingsError
from learning.gateways import embeddings as files
from learning.models import EmbeddingShard, ModelVersion, Scoring, ScoringShard

# Rows in one question to the database.
FEW = 500
AGAIN = "The shard that made them is scored again; the next try comes by itself."

log = structlog.get_logger(__name__)


def keep(shard: ScoringShard, written: files.Written) -> None:
    """Let a file count; the caller holds the transaction that makes its predictions."""
    EmbeddingShard.objects.update_or_create(
        shard=shard,
        defaults={
            "version": shard.scoring.version,
            "path": written.path,
            "digest": written.digest,
            "samples": written.samples,
            "width": written.width,
        },
    )


class Rows:
    """One language's rows of one file, opened whenever some of them are asked for.

    Thousands of files may be looked at in turn; kept open they would be too many for a process.
    """

    def __init__(self, row: EmbeddingShard, mine: npt.NDArray[np.intp]) -> None:
        self.shape: tuple[int, ...] = (len(mine), row.width)
        self._row, self._mine = row, mine

    def __len__(self) -> int:
        return len(self._mine)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        return np.asarray(_open(self._row).embeddings[self._mine[index]])


def rows_of(
    version: ModelVersion, *, language: Language
) -> tuple[npt.NDArray[np.int64], list[Rows]]:
    """Return the ids of all that is embedded of a language, and its rows, file by file."""
    ids: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    blocks: list[Rows] = []
    for row in EmbeddingShard.objects.filter(version=version).order_by("shard"):
        block = _open(row)
        mine = np.flatnonzero(block.languages == language.pk)
        if len(mine):
            ids.append(block.ids[mine])
            blocks.append(Rows(row, mine))
    return np.concatenate(ids), blocks


def gather(
    version: ModelVersion, *, ids: Sequence[int]
) -> tuple[npt.NDArray[np.float16], set[int]]:
    """Return embeddings in the order of the ids, all different, and the ids that have none.

    Rows of those are zero.
    """
    wanted = np.asarray(ids, dtype=np.int64)
    order = np.argsort(wanted, kind="stable")
    rows = EmbeddingShard.objects.filter(version=version).order_by("shard")
    width = rows.values_list("width", flat=True).first() or 0
    found = np.zeros((len(wanted), width), dtype=np.float16)
    missing = np.ones(len(wanted), dtype=bool)
    if not len(wanted) or not width:
        return found, set(map(int, wanted))
    for row in _with_any(rows, wanted[order]):
        block = _open(row)
        place = np.searchsorted(wanted[order], block.ids)
        place[place == len(order)] = 0
        here = np.flatnonzero(wanted[order][place] == block.ids)
        found[order[place[here]]] = block.embeddings[here]
        missing[order[place[here]]] = False
    return found, set(map(int, wanted[missing]))


def _with_any(
    rows: "QuerySet[EmbeddingShard]", ids: npt.NDArray[np.int64]
) -> Iterator[EmbeddingShard]:
    """Yield the files that may hold one of some ids in order: of thousands a few ids touch few."""
    ends = list(rows.values_list("pk", "shard__first_id", "shard__last_id"))
    keys, first, last = np.array(ends, dtype=np.int64).reshape(-1, 3).T
    near = np.searchsorted(ids, first, "left") < np.searchsorted(ids, last, "right")
    some = keys[near].tolist()
    for start in range(0, len(some), FEW):
        part = rows.filter(pk__in=some[start : start + FEW])
        yield from part.select_related("shard__scoring__version").defer("shard__sample_ids")


class Passing:
    """Embeddings of samples that pass by; of the pool's files one is open at a time."""

    def __init__(self, version: ModelVersion) -> None:
        rows = EmbeddingShard.objects.filter(version=version).order_by("shard")
        # Of thousands of files plain values: as objects, with their shards, 5,000 were 20 MB.
        self._files = list(rows.values_list("pk", "path", "digest"))
        ends = rows.values_list("shard__first_id", "shard__last_id")
        self._first, self._last = np.array(list(ends), dtype=np.int64).reshape(-1, 2).T
        self.width = rows.values_list("width", flat=True).first() or 0

    def of(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float16]:
        """Return the embeddings of samples in order of their ids; zeros for those without one."""
        found = np.zeros((len(ids), self.width), dtype=np.float16)
        if not len(ids):
            return found
        for at in np.flatnonzero((self._first <= ids[-1]) & (self._last >= ids[0])):
            block = _open_file(*self._files[at])
            place = np.searchsorted(ids, block.ids)
            place[place == len(ids)] = 0
            here = np.flatnonzero(ids[place] == block.ids)
            found[place[here]] = block.embeddings[here]
        return found


def lacking(scoring: Scoring) -> list[int]:
    """Return the shards that are done and have samples, but no embeddings of them."""
    done = scoring.shards.filter(status=ScoringShard.Status.DONE, embeddings=None)
    rows = done.values_list("pk", "samples", "spoilt")
    return [pk for pk, samples, spoilt in rows if samples > len(spoilt)]


def make_again(scoring: Scoring) -> None:
    """Give out the shards that have no embeddings."""
    with transaction.atomic():
        again = scoring.shards.filter(pk__in=lacking(scoring), status=ScoringShard.Status.DONE)
        if again.update(status=ScoringShard.Status.QUEUED, attempts=0, lease_until=None):
            Scoring.objects.filter(pk=scoring.pk).update(
                status=Scoring.Status.RUNNING, finished_at=None
            )


def prune(version: ModelVersion, *, previous: ModelVersion | None) -> int:
    """Remove the embeddings of a campaign's versions but these two; return how many versions."""
    kept = [v.pk for v in (version, previous) if v]
    rows = EmbeddingShard.objects.filter(version__campaign=version.campaign_id)
    old = rows.exclude(version__in=kept)
    versions = list(ModelVersion.objects.filter(pk__in=old.values("version")))
    for path in list(old.values_list("path", flat=True)):
        files.remove(path)
    old.delete()
    for outdated in versions:
        if not EmbeddingShard.objects.filter(version__digest=outdated.digest).exists():
            files.remove_folder(outdated.digest)  # with what lost workers left there
    return len(versions)


def _open(row: EmbeddingShard) -> files.Block:
    return _open_file(row.pk, row.path, row.digest)


def _open_file(key: int, path: str, digest: str) -> files.Block:
    try:
        return files.open_block(path, digest=digest)
    except EmbeddingsError as error:
        row = EmbeddingShard.objects.select_related("shard__scoring__version").filter(pk=key)
        for damaged in row:
            _set_aside(damaged)
        raise EmbeddingsError(str(error), remedy=AGAIN) from error


def _set_aside(row: EmbeddingShard) -> None:
    log.warning("embeddings.damaged", path=row.path, shard_id=row.shard_id)
    files.remove(row.path)
    scoring = row.shard.scoring
    row.delete()
    if not scoring.version.scorings.filter(status=Scoring.Status.RUNNING).exists():
        make_again(scoring)
