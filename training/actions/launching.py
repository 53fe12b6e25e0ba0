"""By how many processes a run is trained, and what starts them.

Where there is one GPU or none, the worker trains by itself, and it always makes networks smaller
by itself. Where there are more it starts `torchrun`, which starts one process a GPU, and waits. An operator may start them on several
machines instead: `torchrun --nnodes 2 … manage.py train_run 12`, or `accelerate launch`.
"""

import logging
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from training.actions import runs
from training.actions.claims import Now, claimable
from training.models import TrainingRun

log = logging.getLogger(__name__)

LOOK_S = 0.2
# So often the launcher may fail before a process has the run; then the run does.
MOST_LAUNCHES = 3
LAST_WORDS = 60
# A launcher speaks at length of a lost child; what the child itself said is worth more.
ERROR = re.compile(r"(?!.*ChildFailedError)[\w.]*(Error|Exception)\b.*")
Status = TrainingRun.Status


def train(run_id: int, *, now: Now, should_stop: Callable[[], bool]) -> TrainingRun:
    """Train a run by as many processes as this machine is to use for one.

    Safe to call twice, as what it calls; nothing is started for a run that nobody may claim.
    """
    from training.methods import distributed

    alone = TrainingRun.objects.get(pk=run_id).kind != TrainingRun.Kind.UPDATE
    count = 1 if alone else processes()
    if count == 1 or distributed.launched():
        return runs.train(run_id, now=now, should_stop=should_stop)
    run = TrainingRun.objects.get(pk=run_id)
    if claimable(run_id, now=now):
        fault = _launched(command(run_id, count=count), should_stop=should_stop)
        if fault:
            _note(run, count=count, fault=fault, now=now())
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


def _launched(words: Sequence[str], *, should_stop: Callable[[], bool]) -> str:
    """Start the launcher and wait for it; return what it died of, nothing if it did not."""
    try:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and command
            words, cwd=settings.BASE_DIR, stderr=subprocess.PIPE, text=True, errors="replace"
        )
    except OSError as error:
        return str(error)
    last: deque[str] = deque(maxlen=LAST_WORDS)
    listener = threading.Thread(target=_listen, args=(child.stderr, last), daemon=True)
    listener.start()
    asked = _wait(child, should_stop=should_stop)
    listener.join(timeout=LOOK_S * 10)
    if not child.returncode or asked:
        return ""
    log.warning("training in several processes ended with %s", child.returncode)
    return f"exit status {child.returncode}{_cause(last)}"


def _listen(said: Iterable[str], last: "deque[str]") -> None:
    """Pass on what the processes say, and remember the end of it."""
    for line in said:
        sys.stderr.write(line)
        last.append(line.rstrip())


def _cause(last: Iterable[str]) -> str:
    """Return the last error that was named, else the last line."""
    lines = [line.strip() for line in last if line.strip(" =-")]
    named = [line for line in lines if ERROR.match(line)]
    return f": {(named or lines)[-1][:500]}" if lines else ""


def _wait(child: "subprocess.Popen[str]", *, should_stop: Callable[[], bool]) -> bool:
    """Wait for the launcher; asked to stop, have it ask all processes; return whether it was."""
    asked = False
    while child.poll() is None:
        if should_stop() and not asked:
            child.terminate()
            asked = True
        time.sleep(LOOK_S)
    return asked


def _note(run: TrainingRun, *, count: int, fault: str, now: datetime) -> None:
    """Write on a run that no process has begun why not; the last time it fails by it.

    If one of them has claimed it, it tells by itself how it went.
    """
    times = run.failed_launches + 1
    values: dict[str, Any] = {
        "error": f"The {count} processes that were to train it ended before they began ({fault})."
        f" Attempt {times} of {MOST_LAUNCHES}. See what manage.py train_run {run.pk} says, or have"
        " one process train: VERNACULAR_TRAIN_PROCESSES=1.",
        "failed_launches": times,
    }
    if times >= MOST_LAUNCHES:
        values |= {"status": Status.FAILED, "finished_at": now, "lease_until": None}
    untouched = TrainingRun.objects.filter(pk=run.pk, token=run.token)
    untouched.filter(status__in=(Status.QUEUED, Status.RUNNING)).update(**values)
