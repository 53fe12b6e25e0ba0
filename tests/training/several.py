"""Trains small real networks by several processes: python -m tests.training.several FOLDER.

``scenarios.json`` in the folder says what; torch is imported once, and the processes are forked.
"""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learning.networks.encoder import Encoder
from learning.networks.opening import open_network
from tests.learning.encoders import tiny_encoder
from training.methods import distributed
from training.methods.lessons import Job, Lessons
from training.methods.loop import InterruptedTrainingError, Recipe, fit

LABELS = ("a", "b", "c")


def lessons(rows: int = 150) -> Lessons:
    """Words that tell the label, in two languages of unequal size; a third is fresh, and argues.

    Only where new rows pull against old ones do all methods have something to hold on to.
    """
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, rows)
    words = ("sun moon", "river stone", "bird leaf")
    texts = [
        f"{words[k]} {'abcdefgh'[n]}" for k, n in zip(label, rng.integers(0, 8, rows), strict=True)
    ]
    fresh = np.arange(rows) % 3 == 0
    logits = np.where(rng.random((rows, 1)) < 0.5, np.nan, rng.normal(size=(rows, 3)))
    return Lessons(
        texts=texts,
        languages=["wo" if n % 4 else "qu" for n in range(rows)],
        targets=np.eye(3, dtype=np.float32)[np.where(fresh, (label + 1) % 3, label)] * 0.85 + 0.05,
        weights=rng.uniform(0.2, 1, rows).astype(np.float32),
        fresh=fresh,
        logits=logits.astype(np.float32),
    )


def opened(kind: str, *, folder: Path, seed: int = 1) -> Any:
    if kind == "starter":
        return open_network("starter", labels=LABELS, seed=seed)
    return Encoder.fresh(LABELS, name=str(folder.parent / "encoder"), seed=seed)


def learn(kind: str, *, folder: Path, told: dict[str, Any]) -> Any:
    """Train in whatever team this process is in; return the network, or None if interrupted."""
    torch.set_num_threads(1)
    network = opened(kind, folder=folder)
    job = Job(lessons(), measure, Recipe.of(told.get("recipe", {})), seed=5, snapshot="s")
    stop, seen = told.get("stop_at", -1), [0]
    leaving = [False]
    signal.signal(signal.SIGTERM, lambda *_: leaving.__setitem__(0, True))

    def watch(step: int, *, steps: int, curve: list[Any]) -> None:
        seen[0] = step
        (folder / "step").write_text(str(step))
        time.sleep(told.get("pause", 0.0))

    def should_stop() -> bool:
        return leaving[0] or (stop >= 0 and seen[0] == stop)

    try:
        fit(network, job=job, folder=folder, watch=watch, should_stop=should_stop)
    except InterruptedTrainingError:
        return None
    return network


def measure(network: Any) -> dict[str, float]:
    """Count right answers by language, each process some rows, every row once."""
    told = lessons()
    rows = distributed.team().share(np.arange(len(told.texts)))
    part = told.only(rows)
    with torch.no_grad():
        best = network.logits(network.collate(part.texts, part.languages)).argmax(dim=1).tolist()
    found = distributed.team().gathered(dict(zip(rows.tolist(), best, strict=True)))
    assert len(found) == len(told.texts)
    right = np.array(list(found.values())) == told.targets.argmax(axis=1)
    tags = np.array(told.languages)
    return {tag: float(right[tags == tag].mean()) for tag in ("qu", "wo")}


def run(told: dict[str, Any], *, folder: Path) -> list[int]:
    """Train by so many processes, forked from this one; return how each ended."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    size = told["processes"]
    children = []
    for rank in range(size):
        child = os.fork()
        if not child:
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            os._exit(be_one(told, folder=folder))
        children.append(child)
    if "signal" in told:
        wait_for(folder / "step", step=told["at"])
        os.kill(children[told["rank"]], told["signal"])
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def be_one(told: dict[str, Any], *, folder: Path) -> int:
    """Be one of the processes: 0 done, 3 left with a checkpoint, 4 the others are gone."""
    try:
        with distributed.joined(cuda=False) as team:
            network = learn(told["kind"], folder=folder, told=told)
            if network and team.leads:
                network.save(folder / told["name"])
                with torch.no_grad():
                    part = lessons()
                    logits = network.logits(network.collate(part.texts, part.languages))
                np.save(folder / f"{told['name']}.npy", logits.numpy())
    except distributed.BrokenTeamError:
        return 4
    return 0 if network else 3


def wait_for(sign: Path, *, step: int) -> None:
    deadline = time.monotonic() + 60
    while not sign.exists() or int(sign.read_text() or 0) < step:
        assert time.monotonic() < deadline
        time.sleep(0.005)


if __name__ == "__main__":
    home, ended = Path(sys.argv[1]), {}
    torch.set_num_threads(1)
    tiny_encoder(home / "encoder")
    open_network("starter", labels=LABELS, seed=0)  # read once, for all that are forked
    for scenario in json.loads((home / "scenarios.json").read_text()):
        ended[f"{scenario['folder']}/{scenario['name']}"] = run(
            scenario, folder=home / scenario["folder"]
        )
        (home / "ended.json").write_text(json.dumps(ended))
