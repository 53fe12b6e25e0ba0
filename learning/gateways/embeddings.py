"""Embeddings on disk: one file a scoring shard, written whole or not at all, read by mapping.

A file is safetensors: ``ids`` N, ``languages`` N (both int64) and ``embeddings`` N x d (float16). It is
written beside its place, synced and renamed into it; its SHA-256 is kept in the database and
looked at before the first read of every process, so half a file, or a changed bit, is noticed.
"""

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from safetensors.numpy import save

from learning.errors import EmbeddingsError

CHUNK = 1 << 20
TYPES = {"I64": np.int64, "F16": np.float16}
LARGEST = float(np.finfo(np.float16).max)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Block:
    """One file: rows of ``embeddings`` belong to ``ids``; mapped, so only what is used is read."""

    ids: Ints
    languages: Ints
    embeddings: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Written:
    """A file that is there, whole and synced, and what to remember of it."""

    path: str
    digest: str
    samples: int
    width: int


def write_block(name: str, *, ids: Ints, languages: Ints, embeddings: npt.ArrayLike) -> Written:
    """Write one file; numbers that float16 cannot hold become the largest that it can."""
    held = np.clip(np.asarray(embeddings, dtype=np.float32), -LARGEST, LARGEST).astype(np.float16)
    data = save(
        {
            "ids": np.ascontiguousarray(ids, dtype=np.int64),
            "languages": np.ascontiguousarray(languages, dtype=np.int64),
            "embeddings": np.ascontiguousarray(held),
        }
    )
    home = embeddings_dir() / name
    home.parent.mkdir(parents=True, exist_ok=True)
    arriving = home.with_name(f".arriving-{uuid.uuid4().hex}")
    try:
        with arriving.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        arriving.rename(home)
    finally:
        arriving.unlink(missing_ok=True)
    _sync(home.parent)
    return Written(
        path=name,
        digest=hashlib.sha256(data).hexdigest(),
        samples=len(held),
        width=held.shape[1],
    )


def open_block(path: str, *, digest: str) -> Block:
    """Map one file, after making sure that it is what was written."""
    home = _place(path)
    try:
        stat = home.stat()
    except FileNotFoundError:
        raise EmbeddingsError(f"The embeddings in {home} are gone.") from None
    if _digest_of(home, stat.st_size, stat.st_mtime_ns) != digest:
        raise EmbeddingsError(f"The embeddings in {home} are not those that were written.")
    parts = _mapped(home)
    return Block(parts["ids"], languages=parts["languages"], embeddings=parts["embeddings"])


def remove(path: str) -> None:
    """Remove one file, if it is there."""
    _place(path).unlink(missing_ok=True)


def remove_folder(name: str) -> None:
    """Remove all files of one version."""
    shutil.rmtree(_place(name), ignore_errors=True)


def embeddings_dir() -> Path:
    """Return the folder of the storage."""
    return Path(settings.EMBEDDINGS_DIR)


def _place(path: str) -> Path:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise EmbeddingsError(f"{path} does not lie in the embeddings storage.")
    return embeddings_dir() / path


@lru_cache(maxsize=65_536)
def _digest_of(path: Path, size: int, changed: int) -> str:
    """Return SHA-256 of a file; size and time of change tell one state of it from another."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _mapped(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Map the tensors of a safetensors file: eight bytes of length, a JSON header, the data."""
    whole = np.memmap(path, dtype=np.uint8, mode="r")
    start = 8 + int.from_bytes(whole[:8].tobytes(), "little")
    header = json.loads(whole[8:start].tobytes())
    found = {}
    for name, told in header.items():
        first, last = told["data_offsets"]
        part = whole[start + first : start + last].view(TYPES[told["dtype"]])
        found[name] = part.reshape(told["shape"])
    return found


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
