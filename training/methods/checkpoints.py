"""Checkpoints that survive a power cut: written aside, hashed, synced, renamed, two kept.

A file begins with the SHA-256 of what follows, so a truncated or flipped one is known for what
it is and the one before it is used. Nothing but tensors and plain values is ever loaded.
"""

import hashlib
import io
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

KEPT = 2
DIGEST_BYTES = 32


def save_checkpoint(folder: Path, *, step: int, state: dict[str, Any]) -> Path:
    """Write the state of one step so that it is either wholly there or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    path = folder / f"step-{step:09d}.checkpoint"
    aside = folder / f"{path.name}.{os.getpid()}.part"
    with aside.open("wb") as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    _sync_folder(folder)
    for old in _all(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def newest_checkpoint(folder: Path, *, plan: str, snapshot: str) -> dict[str, Any] | None:
    """Return the newest state that is whole and belongs to this plan and this data."""
    for path in _all(folder):
        state = _read(path)
        if state and (state["plan"], state["snapshot"]) == (plan, snapshot):
            return state
    return None


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.checkpoint"), reverse=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, body = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    return state


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def random_states() -> dict[str, Any]:
    """Return where every generator stands: Python's, NumPy's, torch's."""
    version, numbers, spare = random.getstate()
    # A network's own code may draw from NumPy's global generator; ours never does.
    name, keys, place, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002 - see above
    return {
        "python": [version, list(numbers), spare],
        "numpy": [name, [int(key) for key in keys], place, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Put every generator back where it stood."""
    version, numbers, spare = states["python"]
    random.setstate((version, tuple(numbers), spare))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))  # noqa: NPY002 - its counterpart
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])


def seed_everything(seed: int) -> None:
    """Start every generator from one seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for networks that draw from it
    torch.manual_seed(seed)
