"""How busy the GPUs are, told by the worker that has them to whoever reads the metrics.

A thread of that worker asks ``nvidia-smi``, so it tells during a training too, and leaves what it
heard in Redis for a short while. Where there is no such program there is no thread.
"""

import json
import logging
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import redis
from celery.signals import worker_ready

from annotation.actions.health import GPU_QUEUE
from config.env import env

logger = logging.getLogger(__name__)
EVERY_S = 15
FORGOTTEN_AFTER_S = 60
KEY = "vernacular:gpu:"
ASKED = "index,utilization.gpu,memory.used,memory.total"


@dataclass(frozen=True)
class GpuUse:
    """One GPU: how much of the time it computed lately, and how full its memory is."""

    host: str
    gpu: str
    busy: float
    used_bytes: float
    total_bytes: float


def ask_gpus(program: str) -> list[GpuUse]:
    """What ``nvidia-smi`` says now; a GPU that does not tell a number is left out."""
    asked = [program, f"--query-gpu={ASKED}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603 - found on the path by its name
            asked, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return list(_read(done.stdout))


def _read(said: str) -> Iterator[GpuUse]:
    host, mebi = socket.gethostname(), 2**20
    for line in said.splitlines():
        gpu, *numbers = (part.strip() for part in line.split(","))
        try:
            busy, used, total = map(float, numbers)
        except ValueError:
            continue  # "[N/A]", as some cards say
        yield GpuUse(host, gpu, busy / 100, used * mebi, total * mebi)


def tell(uses: list[GpuUse], *, broker: Any) -> None:
    """Leave it in Redis, where it is forgotten when the worker tells nothing more."""
    for use in uses:
        told = json.dumps(asdict(use))
        broker.set(f"{KEY}{use.host}:{use.gpu}", told, ex=FORGOTTEN_AFTER_S)


def told_lately(broker: Any) -> list[GpuUse]:
    """What all workers with GPUs told in the last minute."""
    found = [broker.get(key) for key in sorted(broker.scan_iter(f"{KEY}*"))]
    return [GpuUse(**json.loads(told)) for told in found if told]


@worker_ready.connect
def watch_gpus(sender: Any = None, **_: object) -> None:
    """In a worker of the queue ``gpu``, on a machine that has one, go on telling."""
    program = shutil.which("nvidia-smi")
    if program and GPU_QUEUE in sender.app.amqp.queues.consume_from:
        threading.Thread(target=_watch, args=(program,), daemon=True).start()


def _watch(program: str) -> None:
    broker = redis.Redis.from_url(env().redis_url, socket_timeout=5)
    while True:
        try:
            tell(ask_gpus(program), broker=broker)
        except redis.RedisError as error:
            logger.debug("Nobody could be told how busy the GPU is: %s", error)
        time.sleep(EVERY_S)
