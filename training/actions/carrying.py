"""What a run leaves for the next beside weights: stored logits, and the optimizer's state.

Logits lie with the rows of the snapshot that was learned, so that what is withdrawn takes them
along. The optimizer's state lies in a file of its own on the shelf, not in the version, whose
digest speaks of nothing but what serves. It is a convenience: where the file is missing or damaged,
the next run warms up from nought.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import OuterRef, Subquery

from learning.actions.doubts import of_sets
from learning.actions.serving import serving_version
from learning.gateways.shelf import open_shelf, shelf_folder
from learning.models import ModelVersion
from training.actions.datasets import lineage
from training.actions.gold_calls import held_gates
from training.models import SnapshotRow, TrainingRun

if TYPE_CHECKING:
    import torch

    from training.methods.lessons import Floats

BATCH = 2000
DIGITS = 4
EVEN = 0.5
# A state is twice as large as its network: of so many held candidates, the newest, it is kept.
MOST_HELD = 3

log = logging.getLogger(__name__)


def stored_logits(run: TrainingRun) -> dict[int, list[Any]]:
    """Return, by sample, what the run's base said when it, or one it came from, learned the row.

    Only of replayed rows, and only where the label is still the one that was learned: what was
    corrected since is not to be held on to.
    """
    learned = TrainingRun.objects.filter(candidate__in=lineage(run.base))
    # By index, for each row the newest of its stored ones and no other: there are as many to read
    # as the run has rows, and not as many as all runs before it had.
    earlier = SnapshotRow.objects.filter(
        sample=OuterRef("sample"),
        snapshot__in=learned.values("snapshot"),
        logits__isnull=False,
    ).order_by("-snapshot_id")
    rows = (
        SnapshotRow.objects.filter(snapshot=run.snapshot, fresh=False)
        .order_by()
        .annotate(
            then=Subquery(earlier.values("target")[:1]), said=Subquery(earlier.values("logits")[:1])
        )
        .filter(said__isnull=False)
        .values_list("sample", "target", "then", "said")
    )
    sets = of_sets(run.campaign)
    return {
        sample: said
        for sample, target, then, said in rows.iterator(chunk_size=BATCH)
        if _label(target, sets=sets) == _label(then, sets=sets)
    }


def keep_logits(run: TrainingRun, *, logits: "Sequence[Floats]") -> int:
    """Store what the candidate says of the rows that it learned; return of how many.

    ``logits`` (N x K, or u x K of each) are in the order of the snapshot's samples, NaN where a
    row was not drawn.
    """
    rows = SnapshotRow.objects.filter(snapshot=run.snapshot).order_by("sample_id")
    field = SnapshotRow._meta.get_field("logits")
    told = [
        (field.get_db_prep_save(_rounded(said.tolist()), connection), pk)
        for pk, said in zip(rows.values_list("pk", flat=True), logits, strict=True)
        if said.size and said.flat[0] == said.flat[0]
    ]
    # One short statement for all rows: ``bulk_update`` writes a CASE of thousands, thirty times as
    # slow, and nobody else can write while it does.
    table = connection.ops.quote_name(SnapshotRow._meta.db_table)
    column = connection.ops.quote_name(field.column or field.name)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table} SET {column} = %s WHERE id = %s",  # noqa: S608 - names of our own
            told,
        )
    return len(told)


def keep_carried(
    version: ModelVersion, *, carried: "Mapping[str, torch.Tensor]", base: ModelVersion
) -> None:
    """Keep what the next run from this version takes up; forget what no next run will start from."""
    from safetensors.torch import save_file

    home = carried_path(version)
    if carried:
        home.parent.mkdir(parents=True, exist_ok=True)
        arriving = home.with_suffix(".arriving")
        save_file(dict(carried), arriving)
        arriving.replace(home)
        _tell(home)
    serving = serving_version(version.campaign)
    # What a gate holds may serve yet, once the gold is there that it lacks.
    held = [gate.candidate.digest for gate in held_gates(version.campaign)[:MOST_HELD]]
    kept = {version.digest, base.digest, *held, *((serving.digest,) if serving else ())}
    for old in version.campaign.model_versions.exclude(digest__in=kept):
        if carried_path(old).is_file():
            carried_path(old).unlink(missing_ok=True)
            _tell(carried_path(old))


def read_carried(version: ModelVersion) -> "dict[str, torch.Tensor]":
    """Return what the run that made the version left; nothing if it left nothing that is whole."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    home = carried_path(version)
    shelf = open_shelf()
    if shelf and not home.is_file():
        # Another machine trained the version: without this the next run would depend on where it runs.
        shelf.take(_name(home), to=home)
    try:
        return load_file(home) if home.is_file() else {}
    except (OSError, SafetensorError):
        log.warning("the optimizer's state of %s is damaged; the next run warms up", version)
        return {}


def carried_path(version: ModelVersion) -> Path:
    """Return where a version's optimizer state lies."""
    return shelf_folder() / "carried" / f"{version.digest}.safetensors"


def _tell(home: Path) -> None:
    """Have other machines find the file, or not find it any more, as it is with this one."""
    shelf = open_shelf()
    if not shelf:
        return
    if home.is_file():
        shelf.put(_name(home), home)
    else:
        shelf.drop(_name(home))


def _name(home: Path) -> str:
    return home.relative_to(shelf_folder()).as_posix()


def _rounded(values: list[Any]) -> list[Any]:
    return [
        round(value, DIGITS) if isinstance(value, float) else _rounded(value) for value in values
    ]


def _label(target: Any, *, sets: bool = False) -> Any:
    """What a target says: its label, or the set; of a text's units the tag of each."""
    if sets:
        return [p > EVEN for p in target]
    if isinstance(target, dict):
        return target["units"], [_label(one) for one in target["posterior"]]
    return max(range(len(target)), key=target.__getitem__)
