"""By how many processes a run is trained, and what starts them.

Where there is one GPU or none, the worker trains by itself, and it always makes networks smaller
by itself. Where there are more it starts `torchrun`, which starts one process a GPU, and waits. An operator may start them on several
machines instead: `torchrun --nnodes 2 … manage.py train_run 12`, or `accelerate launch`.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from django.conf import settings

from training.actions import runs
from training.actions.claims import Now, claimable
from training.models import TrainingRun

log = logging.getLogger(__name__)

LOOK_S = 0.2


def train(run_id: int, *, now: Now, should_stop: Callable[[], bool]) -> TrainingRun:
    """Train a run by as many processes as this machine is to use for one.

    Safe to call twice, as what it calls; nothing is started for a run that nobody may claim.
    """
    from training.methods import distributed

    alone = TrainingRun.objects.get(pk=run_id).kind != TrainingRun.Kind.UPDATE
    count = 1 if alone else processes()
    if count == 1 or distributed.launched():
        return runs.train(run_id, now=now, should_stop=should_stop)
    if claimable(run_id, now=now):
        started = subprocess.Popen(  # noqa: S603 - our own interpreter and command
            command(run_id, count=count), cwd=settings.BASE_DIR
        )
        _wait(started, should_stop=should_stop)
    return TrainingRun.objects.get(pk=run_id)


def processes() -> int:
    """Return how many processes train one run here."""
    from learning.inference import device

    if settings.ENV.train_processes:
        return int(settings.ENV.train_processes)
    import torch

    return max(1, torch.cuda.device_count()) if device().type == "cuda" else 1


def command(run_id: int, *, count: int) -> Sequence[str]:
    """Return what starts so many processes on this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts=0"]
    return [*launcher, f"--nproc-per-node={count}", "manage.py", "train_run", str(run_id)]


def _wait(child: "subprocess.Popen[bytes]", *, should_stop: Callable[[], bool]) -> None:
    """Wait for the launcher; asked to stop, have it ask all processes, and wait for that."""
    asked = False
    while child.poll() is None:
        if should_stop() and not asked:
            child.terminate()
            asked = True
        time.sleep(LOOK_S)
    if child.returncode and not asked:
        log.warning("training in several processes ended with %s", child.returncode)
