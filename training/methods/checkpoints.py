"""Checkpoints that survive a power cut: written aside, hashed, synced, renamed, two kept.

A file begins with the SHA-256 of what follows, so a truncated or flipped one is known for what
it is and the one before it is used. Nothing but tensors and plain values is ever loaded.
"""

import hashlib
import io
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

KEPT = 2
DIGEST_BYTES = 32


class Elsewhere(Protocol):
    """Who may write a run's checkpoints, and where other machines look for them."""

    def allow(self) -> None:
        """Raise if this process may write no more."""

    def bring(self, folder: Path) -> None:
        """Put into the folder what is newer elsewhere."""

    def tell(self, path: Path, *, leaving: bool) -> None:
        """Hear of a checkpoint that was written; it is the last one if the process is leaving."""


class Nowhere:
    """One process, one machine: nobody has to be asked or told."""

    def allow(self) -> None:
        """Anybody may."""

    def bring(self, folder: Path) -> None:
        """There is nothing elsewhere."""

    def tell(self, path: Path, *, leaving: bool) -> None:
        """Nobody listens."""


class Checkpoints:
    """The checkpoints of one plan over one snapshot, in a folder, and perhaps elsewhere too."""

    def __init__(
        self, folder: Path, *, plan: str, snapshot: str, elsewhere: Elsewhere | None = None
    ) -> None:
        self._folder = folder
        self._marks = {"plan": plan, "snapshot": snapshot}
        self._elsewhere = elsewhere or Nowhere()
        self._saved_at = time.monotonic()

    def newest(self) -> dict[str, Any] | None:
        """Return the state to go on from."""
        self._elsewhere.bring(self._folder)
        return newest_checkpoint(self._folder, **self._marks)

    def older_than(self, seconds: float) -> bool:
        """Tell whether the last one was written so long ago."""
        return time.monotonic() - self._saved_at > seconds

    def save(self, state: dict[str, Any], *, step: int, leaving: bool = False) -> None:
        """Write one, if that is still this process's to do."""
        self._elsewhere.allow()
        path = save_checkpoint(self._folder, step=step, state=state | self._marks)
        self._elsewhere.tell(path, leaving=leaving)
        self._saved_at = time.monotonic()


def save_checkpoint(folder: Path, *, step: int, state: dict[str, Any]) -> Path:
    """Write the state of one step so that it is either wholly there or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    path = folder / f"step-{step:09d}.checkpoint"
    aside = folder / f"{path.name}.{uuid.uuid4().hex}.part"
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
