"""Take a backup: pin the databases, write them, then whatever they name."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db.models import Q

from annotation.errors import ConflictError
from config.backup import files, manifest, postgres, sqlite
from config.backup.files import Sum
from config.backup.manifest import Manifest
from config.backup.places import NEVER_CHANGED, SECRETS, Place, is_address
from learning.models import ModelVersion

Write = Callable[[Path, str], dict[str, Any]]


def take(folder: Path, *, now: datetime, place: Place, keep: int = 0) -> Path:
    """Write one point into the folder, whole or not at all; then let go of all but the newest."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder):
        for left in folder.glob(".arriving-*"):
            shutil.rmtree(left)
        name = now.astimezone(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        if (folder / name).exists():
            raise ConflictError(f"{folder / name} is there already.")
        arriving = folder / f".arriving-{name}"
        arriving.mkdir(mode=0o700)
        before = next(reversed(manifest.points(folder)), None)
        _fill(arriving, now=now, place=place, before=before)
        files.sync(arriving)
        arriving.rename(folder / name)
        for old in manifest.points(folder)[:-keep] if keep else ():
            shutil.rmtree(old)
    return folder / name


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"Another backup is being written into {folder}.") from None
        yield


def _fill(point: Path, *, now: datetime, place: Place, before: Path | None) -> None:
    with ExitStack() as held:
        pinned = {
            name: held.enter_context(_pin(database))
            for name, database in place.databases.items()
            if is_address(database) or Path(database).exists()
        }
        told = Manifest(
            made_at=now.astimezone(UTC).isoformat(),
            versions=manifest.versions(),
            migrations=manifest.migrations(),
            databases={name: write(point, name) for name, write in pinned.items()},
            left_out=list(_left_out(place)),
        )
    for written in told.databases.values():
        told.files[written["file"]] = files.sum_of(point / written["file"])
    _copy_trees(point, told=told, place=place, before=before)
    if place.weights is not None:
        _refuse_if_gone(point, now=now)
    told.write(point)


def _pin(database: str) -> AbstractContextManager[Write]:
    return postgres.pinned(database) if is_address(database) else sqlite.pinned(database)


def _left_out(place: Place) -> Iterator[str]:
    if place.weights is None:
        yield "weights: they are in a bucket, which has to keep them itself"
    if not is_address(place.desk_database) and not Path(place.desk_database).exists():
        yield (
            "label-studio: its database is not here; set VERNACULAR_LABEL_STUDIO_DATABASE_URL if it"
            " is a PostgreSQL"
        )


def _copy_trees(point: Path, *, told: Manifest, place: Place, before: Path | None) -> None:
    earlier = manifest.read(before).files if before else {}
    secrets = place.var / SECRETS
    if secrets.exists() and (found := files.copy(secrets, point / SECRETS)):
        told.files[SECRETS] = found
        (point / SECRETS).chmod(0o600)
    for name, folder in place.trees.items():
        for one in files.tree(folder):
            inside = f"{name}/{one}"
            # Checkpoints lie beside the weights and are written again under the same name.
            link = name in NEVER_CHANGED and not one.startswith("beside/")
            source = folder / one
            if link and before and _same(source, earlier.get(inside)):
                source = before / inside
            if found := files.copy(source, point / inside, link=link):
                told.files[inside] = found


def _same(source: Path, known: Sum | None) -> bool:
    """Whether the backup before holds this very file: two of them share one on the disk."""
    try:
        return known is not None and files.sum_of(source) == known
    except FileNotFoundError:
        return False


def _refuse_if_gone(point: Path, *, now: datetime) -> None:
    """A version that was pruned while we copied is named by our database and not among the files."""
    then = ModelVersion.objects.filter(created_at__lte=now)
    kept = then.filter(Q(pruned_at=None) | Q(pruned_at__gt=now))
    gone = [one for one in kept if not (point / "weights" / one.path).is_dir()]
    if gone:
        names = ", ".join(f"{one.campaign.slug} {one}" for one in gone[:5])
        raise ConflictError(
            f"The weights of {names} are not in the storage.",
            remedy="If versions were being pruned just now, take the backup again; else see"
            " python3 manage.py check_weights.",
        )
