"""Weights: folders of files, named by what they contain, never changed once stored.

A folder is written beside its place, synced, and renamed into it in one step; so it is there
whole or not at all, whatever is killed meanwhile, and two writers of the same bytes agree.
"""

import hashlib
import os
import shutil
import uuid
from pathlib import Path, PurePosixPath

from django.conf import settings

from learning.errors import WeightsError

CHUNK = 1 << 20


def store(folder: Path) -> str:
    """Keep a copy of the folder and return its digest; storing the same bytes twice is free."""
    digest = digest_of(folder)
    home = weights_dir() / path_of(digest)
    if home.is_dir():
        if digest_of(home) == digest:
            return digest
        home.rename(home.with_name(f".damaged-{uuid.uuid4().hex}"))
    home.parent.mkdir(parents=True, exist_ok=True)
    arriving = home.with_name(f".arriving-{uuid.uuid4().hex}")
    try:
        _copy(folder, arriving)
        if digest_of(arriving) != digest:
            raise WeightsError(f"The files in {folder} changed while they were stored.")
        _place(arriving, home)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return digest


def open_weights(path: str, *, digest: str) -> Path:
    """Return the folder of stored weights, after making sure that not one bit has changed."""
    root = weights_dir()
    home = root / path
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise WeightsError(f"{path} does not lie in the weights storage.")
    if not home.is_dir():
        raise WeightsError(
            f"The weights {digest[:12]} are not in {root}.",
            remedy="Restore them from a backup, or roll back to a version that is there.",
        )
    if digest_of(home) != digest:
        raise WeightsError(
            f"The weights in {home} are not those that were stored as {digest[:12]}.",
            remedy="Restore them from a backup, or roll back to another version.",
        )
    return home


def path_of(digest: str) -> str:
    """Return where in the storage weights of that digest lie."""
    return f"{digest[:2]}/{digest}"


def weights_dir() -> Path:
    """Return the folder of the storage."""
    return Path(settings.WEIGHTS_DIR)


def digest_of(folder: Path) -> str:
    """Return SHA-256 over every file's name, length and bytes, in order of name."""
    digest = hashlib.sha256()
    files = _files(folder)
    if not files:
        raise WeightsError(f"There are no files in {folder}.")
    for name in files:
        path = folder / name
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(CHUNK):
                digest.update(block)
    return digest.hexdigest()


def _files(folder: Path) -> list[str]:
    files = []
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise WeightsError(f"{path} is a link; weights are plain files.")
        if path.is_file():
            files.append(path.relative_to(folder).as_posix())
    return sorted(files)


def _copy(folder: Path, to: Path) -> None:
    to.mkdir()
    for name in _files(folder):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, CHUNK)
            copy.flush()
            os.fsync(copy.fileno())
        target.chmod(0o444)
    _sync(to)


def _place(arriving: Path, home: Path) -> None:
    """Rename into place; somebody who was quicker with the same bytes is just as good."""
    try:
        arriving.rename(home)
    except OSError:
        if not home.is_dir() or digest_of(home) != home.name:
            raise
    _sync(home.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
