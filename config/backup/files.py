"""Files on their way into a backup and out of it, each with its SHA-256."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK = 1 << 20
# Half written, set aside, or a lock: nothing that anybody would miss.
PASSING = (".arriving-", ".damaged-", ".before-restore-")
# A digest, and how many bytes it is of.
Sum = tuple[str, int]


def sum_of(path: Path) -> Sum:
    """SHA-256 and length."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def tree(folder: Path) -> Iterator[str]:
    """Every file beneath, by its name from there; links out of the folder are nobody's business."""
    for home, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(PASSING))
        for name in sorted(names):
            path = Path(home, name)
            passing = name.startswith(PASSING) or name.endswith(".lock")
            if not passing and path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix()


def copy(source: Path, target: Path, *, known: Sum | None = None, link: bool = False) -> Sum | None:
    """Place a file and return its sum; None if it went away meanwhile.

    What never changes is linked where that can be done: to what is there, on the same disk.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not (link and _linked(source, target)):
            shutil.copyfile(source, target)
    except FileNotFoundError:
        return None
    found = sum_of(target)
    if known is not None and found != known:
        raise OSError(f"{target} is not what {source} was: the disk may be failing.")
    return found


def _linked(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        return False  # another disk, or one that knows no links
    return True


def set_aside(paths: Iterable[Path], *, aside: Path) -> None:
    """Move what is there out of the way, on the same disk; a folder may be one of its own."""
    for path in paths:
        if path.exists():
            aside.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.rename(aside / path.name)


def sync(folder: Path) -> None:
    """Have the disk keep what was written, before anybody relies on it."""
    for home, _, names in os.walk(folder):
        for path in (Path(home), *(Path(home, name) for name in names)):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
