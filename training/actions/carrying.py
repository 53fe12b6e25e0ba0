"""What a run leaves for the next beside weights: stored logits, and the optimizer's state.

Logits lie with the rows of the snapshot that was learned, so that what is withdrawn takes them
along. The optimizer's state lies in a file of its own, not in the version, whose digest speaks of
nothing but what serves. It is a convenience: where the file is missing or damaged, the next run
warms up from nought.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from learning.actions.serving import serving_version
from learning.models import ModelVersion
from training.actions.datasets import lineage
from training.models import SnapshotRow, TrainingRun

if TYPE_CHECKING:
    import torch

    from training.methods.lessons import Floats

BATCH = 500
DIGITS = 4

log = logging.getLogger(__name__)


def stored_logits(run: TrainingRun) -> dict[int, list[float]]:
    """Return, by sample, what the run's base said when it, or one it came from, learned the row.

    Only of replayed rows, and only where the label is still the one that was learned: what was
    corrected since is not to be held on to.
    """
    replayed = SnapshotRow.objects.filter(snapshot=run.snapshot, fresh=False)
    labels = {sample: _label(target) for sample, target in replayed.values_list("sample", "target")}
    learned = TrainingRun.objects.filter(candidate__in=[one.pk for one in lineage(run.base)])
    rows = (
        SnapshotRow.objects.filter(snapshot__in=learned.values("snapshot"), logits__isnull=False)
        .order_by("snapshot_id")
        .values_list("sample", "target", "logits")
    )
    found: dict[int, tuple[int, list[float]]] = {}
    for sample, target, logits in rows.iterator(chunk_size=2000):
        found[sample] = (_label(target), list(logits or ()))
    return {
        sample: logits for sample, (label, logits) in found.items() if labels.get(sample) == label
    }


def keep_logits(run: TrainingRun, *, logits: "Floats") -> int:
    """Store what the candidate says of the rows that it learned; return of how many.

    ``logits`` (N x K) are in the order of the snapshot's samples, NaN where a row was not drawn.
    """
    rows = list(SnapshotRow.objects.filter(snapshot=run.snapshot).order_by("sample_id"))
    told = []
    for row, said in zip(rows, logits.tolist(), strict=True):
        if said[0] == said[0]:
            row.logits = [round(value, DIGITS) for value in said]
            told.append(row)
    SnapshotRow.objects.bulk_update(told, ["logits"], batch_size=BATCH)
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
    serving = serving_version(version.campaign)
    kept = {version.digest, base.digest, *((serving.digest,) if serving else ())}
    for old in version.campaign.model_versions.exclude(digest__in=kept):
        carried_path(old).unlink(missing_ok=True)


def read_carried(version: ModelVersion) -> "dict[str, torch.Tensor]":
    """Return what the run that made the version left; nothing if it left nothing that is whole."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    home = carried_path(version)
    try:
        return load_file(home) if home.is_file() else {}
    except (OSError, SafetensorError):
        log.warning("the optimizer's state of %s is damaged; the next run warms up", version)
        return {}


def carried_path(version: ModelVersion) -> Path:
    """Return where a version's optimizer state lies."""
    return Path(settings.VAR_DIR) / "carried" / f"{version.digest}.safetensors"


def _label(target: list[float]) -> int:
    return max(range(len(target)), key=target.__getitem__)
