"""Trains a tiny network in a process of its own, to be killed: python killed.py FOLDER PAUSE."""

import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.training.tiny import Tiny
from training.methods.loop import Job, Learned, Lessons, Recipe, fit

RECIPE = Recipe(lr=0.05, batch=8, epochs=4, average=0.9, checkpoint_steps=5, clip=1.0)


def lessons(rows: int = 120) -> Lessons:
    """Words that tell the label, in two languages; a third of the rows is fresh."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, rows)
    texts = [f"w{k} w{k + 10} n{n}" for k, n in zip(label, rng.integers(0, 40, rows), strict=True)]
    targets = np.full((rows, 3), 0.05, np.float32)
    targets[np.arange(rows), label] = 0.9
    languages = ["wo" if n % 4 else "qu" for n in range(rows)]
    weights = rng.uniform(0.2, 1, rows).astype(np.float32)
    fresh = np.arange(rows) % 3 == 0
    logits = np.where(fresh[:, None], np.nan, rng.normal(size=(rows, 3))).astype(np.float32)
    return Lessons(texts, languages, targets, weights, fresh, logits)


def digest_of(network: Tiny) -> str:
    """Hash every trainable bit."""
    parts = [part.detach().numpy().tobytes() for part in network.trainable()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def measure(network: Tiny) -> dict[str, float]:
    """A stand-in for the development metric: now one language seems to lose, now the other."""
    size = float(sum(part.detach().abs().sum() for part in network.trainable()))
    return {"wo": size % 1, "qu": (size * 7) % 1}


class KilledError(Exception):
    """Takes the place of a signal where a process of its own would cost too much."""


def learn(
    folder: Path,
    *,
    pause: float = 0.0,
    stop_at: int = -1,
    die_at: int = -1,
    recipe: Recipe = RECIPE,
    carried: Any = (),
) -> tuple[str, Learned]:
    """Train, slowly if asked, and return the digest of what comes out."""
    torch.set_num_threads(1)
    network, seen = Tiny(["a", "b", "c"], seed=7), [0]

    def watch(step: int, *, steps: int, curve: list) -> None:
        seen[0] = step
        (folder / "step").write_text(str(step))
        time.sleep(pause)
        if step == die_at:
            raise KilledError

    job = Job(lessons(), measure, recipe, seed=11, snapshot="s1", carried=dict(carried))
    learned = fit(
        network, job=job, folder=folder, watch=watch, should_stop=lambda: seen[0] == stop_at
    )
    return digest_of(network), learned


if __name__ == "__main__":
    learn(Path(sys.argv[1]), pause=float(sys.argv[2]))
