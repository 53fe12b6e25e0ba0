"""Weights: folders of files, named by what they contain, never changed once stored.

They are kept in a folder, or in a bucket that speaks S3 with a folder before it that holds copies
of what this machine has used lately. A folder is written beside its place, synced, and renamed
into it in one step; so it is there whole or not at all, whatever is killed meanwhile, and two
writers of the same bytes agree.
"""

import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Protocol

from django.conf import settings

from learning.errors import WeightsError

CHUNK = 1 << 20
# A copy that was opened so lately may still be read by another process.
IN_USE = 3600.0
LEFT_OVER = (".arriving-*", ".damaged-*")


class Bucket(Protocol):
    """Where weights lie that more than one machine reads."""

    def keep(self, folder: Path, *, digest: str, files: list[str]) -> None:
        """Store the folder's files under the digest, whole or not at all."""

    def fetch(self, digest: str, *, to: Path) -> None:
        """Write the files of a digest into a folder that is not there yet."""

    def check(self, digest: str) -> None:
        """Raise if a file of the digest is missing or not the one that was stored."""

    def size(self, digest: str) -> int | None:
        """Return the bytes stored under a digest, None if nothing is."""

    def remove(self, digest: str) -> None:
        """Forget a digest; one that is not there is no error."""


def store(folder: Path) -> str:
    """Keep a copy of the folder and return its digest; storing the same bytes twice is free."""
    digest = digest_of(folder)
    _keep_here(folder, digest=digest)
    bucket = _bucket()
    if bucket:
        bucket.keep(weights_dir() / path_of(digest), digest=digest, files=files_of(folder))
        _make_room(but=digest)
    return digest


def open_weights(path: str, *, digest: str) -> Path:
    """Return the folder of stored weights, after making sure that not one bit has changed."""
    root = weights_dir()
    home = root / path
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise WeightsError(f"{path} does not lie in the weights storage.")
    bucket = _bucket()
    if bucket:
        _fetch(bucket, digest=digest, home=home)
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


def check_weights(path: str, *, digest: str) -> None:
    """Raise if weights could not be served; from a bucket no byte is fetched for that."""
    bucket = _bucket()
    if bucket:
        bucket.check(digest)
    else:
        open_weights(path, digest=digest)


def weights_size(path: str, *, digest: str) -> int | None:
    """Return how many bytes the weights have, None if they are not there."""
    home = weights_dir() / path
    if home.is_dir():
        return sum((home / name).stat().st_size for name in files_of(home))
    bucket = _bucket()
    return bucket.size(digest) if bucket else None


def remove_weights(digest: str) -> None:
    """Take weights out of the storage for good; what is not there is no error."""
    bucket = _bucket()
    if bucket:
        bucket.remove(digest)
    home = weights_dir() / path_of(digest)
    leaving = home.with_name(f".damaged-{uuid.uuid4().hex}")
    try:
        home.rename(leaving)
    except FileNotFoundError:
        return
    shutil.rmtree(leaving, ignore_errors=True)


def storage_name() -> str:
    """Say where weights are kept."""
    return str(settings.WEIGHTS_BUCKET or weights_dir())


def path_of(digest: str) -> str:
    """Return where in the storage weights of that digest lie."""
    return f"{digest[:2]}/{digest}"


def weights_dir() -> Path:
    """Return the folder of the storage, or of this machine's copies of it."""
    return Path(settings.WEIGHTS_DIR)


def digest_of(folder: Path) -> str:
    """Return SHA-256 over every file's name, length and bytes, in order of name."""
    digest = hashlib.sha256()
    files = files_of(folder)
    if not files:
        raise WeightsError(f"There are no files in {folder}.")
    for name in files:
        path = folder / name
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(CHUNK):
                digest.update(block)
    return digest.hexdigest()


def files_of(folder: Path) -> list[str]:
    """Return the names of all files below the folder, in order."""
    files = []
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise WeightsError(f"{path} is a link; weights are plain files.")
        if path.is_file():
            files.append(path.relative_to(folder).as_posix())
    return sorted(files)


def _bucket() -> Bucket | None:
    if not settings.WEIGHTS_BUCKET:
        return None
    from learning.gateways.weights_s3 import open_bucket  # its library is not for everybody

    return open_bucket()


def _keep_here(folder: Path, *, digest: str) -> None:
    home = weights_dir() / path_of(digest)
    if _is_sound(home, digest=digest):
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    arriving = home.with_name(f".arriving-{uuid.uuid4().hex}")
    try:
        _copy(folder, arriving)
        if digest_of(arriving) != digest:
            raise WeightsError(f"The files in {folder} changed while they were stored.")
        with _alone(home):
            if not _is_sound(home, digest=digest):
                _set_aside(home)
                _place(arriving, home)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def _fetch(bucket: Bucket, *, digest: str, home: Path) -> None:
    """Have a sound copy on this machine; of several processes one fetches and the others wait."""
    with suppress(FileNotFoundError):
        os.utime(home)
    if _is_sound(home, digest=digest):
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    arriving = home.with_name(f".arriving-{uuid.uuid4().hex}")
    with _alone(home):
        if _is_sound(home, digest=digest):
            return
        _set_aside(home)
        try:
            bucket.fetch(digest, to=arriving)
            if digest_of(arriving) != digest:
                raise WeightsError(
                    f"The weights {digest[:12]} in {storage_name()} are not those that were"
                    " stored under that name.",
                    remedy="Restore them from a backup, store them again from a machine that has"
                    " a sound copy (manage.py check_weights --repair), or roll back to another version.",
                )
            _place(arriving, home)
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
    _make_room(but=digest)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    with (home.parent / f".{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_room(*, but: str) -> None:
    """Let go of copies from a bucket that were not opened for longest, and of left-overs."""
    old = time.time() - IN_USE
    homes = sorted(_homes(), key=lambda home: -home.stat().st_mtime)
    spare = [home for home in homes[settings.ENV.weights_copies :] if home.name != but]
    for pattern in LEFT_OVER:
        spare += weights_dir().glob(f"??/{pattern}")
    for home in spare:
        if home.stat().st_mtime < old:
            shutil.rmtree(home, ignore_errors=True)


def _homes() -> list[Path]:
    return [home for home in weights_dir().glob("??/*") if len(home.name) == 64 and home.is_dir()]


def _is_sound(home: Path, *, digest: str) -> bool:
    """Tell whether the bytes lie there as they should; what is replaced meanwhile does not."""
    try:
        return home.is_dir() and digest_of(home) == digest
    except (FileNotFoundError, WeightsError):
        return False


def _set_aside(home: Path) -> None:
    """Move what is damaged out of the way; only who is alone knows that it is not mended by now."""
    if home.exists():
        home.rename(home.with_name(f".damaged-{uuid.uuid4().hex}"))


def _copy(folder: Path, to: Path) -> None:
    to.mkdir()
    for name in files_of(folder):
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
