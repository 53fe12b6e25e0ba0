"""Where a run's checkpoints lie, who may write them, and how another machine finds them.

They lie in the folder of the weights, which several machines may share. Where weights live in a
bucket, checkpoints go there too: when a worker leaves, and else as often as takes a tenth of the
time at most. Whoever takes a run up from an older one learns a few steps again, and ends alike.
"""

import logging
import shutil
import time
from pathlib import Path

from annotation.errors import TransientError
from learning.errors import WeightsError
from learning.gateways.shelf import Shelf, open_shelf, shelf_folder
from training.actions.claims import Claim
from training.models import TrainingRun

# Of the time of a run that putting checkpoints elsewhere may take.
SHARE = 0.1
KEPT = 2
PATTERN = "step-*.checkpoint"

log = logging.getLogger(__name__)


def run_folder(run: TrainingRun) -> Path:
    """Return where the run keeps its checkpoints; two installations may share the folder."""
    return shelf_folder() / _name(run)


def candidate_folder(run: TrainingRun, *, token: int) -> Path:
    """Return where a worker writes the run's candidate before it is registered."""
    return run_folder(run) / f"candidate-{token}"


def forget(run: TrainingRun) -> None:
    """Let go of all that the run kept: it is over."""
    shutil.rmtree(run_folder(run), ignore_errors=True)
    shelf = open_shelf()
    if shelf:
        try:
            for name in shelf.names(f"{_name(run)}/"):
                shelf.drop(name)
        except (TransientError, WeightsError) as error:
            log.warning("checkpoints of %s stay where they are: %s", run, error)


class Kept:
    """The checkpoints of a run that is claimed; ``fit`` asks before it writes, and tells after."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._shelf: Shelf | None = open_shelf()
        self._took, self._at = 0.0, -float("inf")

    def allow(self) -> None:
        """Raise if the run is somebody else's by now."""
        self._claim.beat(force=True)

    def bring(self, folder: Path) -> None:
        """Fetch what another machine has put on the shelf and is newer than what lies here."""
        if not self._shelf:
            return
        here = max((path.name for path in folder.glob(PATTERN)), default="")
        start = f"{_name(self._claim.run)}/"
        for name in self._shelf.names(start)[-KEPT:]:
            if Path(name).match(PATTERN) and Path(name).name > here:
                self._shelf.take(name, to=folder / Path(name).name)

    def tell(self, path: Path, *, leaving: bool) -> None:
        """Put a checkpoint on the shelf if it is time; if that fails the one that lies here counts."""
        begun = time.monotonic()
        if not self._shelf or not (leaving or (begun - self._at) * SHARE >= self._took):
            return
        start = f"{_name(self._claim.run)}/"
        try:
            self._shelf.put(f"{start}{path.name}", path)
            for old in self._shelf.names(start)[:-KEPT]:
                self._shelf.drop(old)
        except (TransientError, WeightsError) as error:
            log.warning("a checkpoint of %s stays on this machine: %s", self._claim.run, error)
        self._at = time.monotonic()
        self._took = self._at - begun


def _name(run: TrainingRun) -> str:
    return f"runs/{run.pk}-{run.snapshot.digest[:12]}-{run.base.digest[:12]}"
