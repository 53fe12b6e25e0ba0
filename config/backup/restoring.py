"""Restore a backup: check every bit first, put it in place, and look whether it is the same."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.db.migrations.loader import MigrationLoader

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import CampaignLanguage
from config.backup import files, manifest, postgres, sqlite
from config.backup.manifest import DamagedBackupError, Manifest
from config.backup.places import SECRETS, Place, is_address


def newest(folder: Path) -> Path:
    """The backup that is meant: the folder itself, or the newest in it."""
    if (folder / manifest.NAME).exists() or not folder.is_dir():
        return folder
    found = manifest.points(folder)
    return found[-1] if found else folder


def restore(point: Path, *, place: Place, now: datetime, overwrite: bool = False) -> Manifest:
    """Put a backup in place; what files were there before are set aside and not removed."""
    told = manifest.check(point)
    _refuse_misfit(told, place=place)
    if not overwrite:
        _refuse_to_overwrite(place)
    for database in place.databases.values():
        if is_address(database):
            postgres.refuse_if_in_use(database)
    aside = f".before-restore-{now:%Y-%m-%dT%H%M%SZ}"
    _put_files(point, told=told, place=place, aside=aside)
    for name, database in place.databases.items():
        if name in told.databases:
            _put_database(point, database, told=told.databases[name], aside=aside)
    # What Label Studio got after our database was pinned is adopted there, not put there again.
    _say(place.database, _doubt())
    return told


def _refuse_misfit(told: Manifest, *, place: Place) -> None:
    for name, database in place.databases.items():
        kind = "postgresql" if is_address(database) else "sqlite"
        held = told.databases.get(name)
        if held and held["kind"] != kind:
            raise InvalidInputError(
                f"The backup's {name} is of {held['kind']}, and here {kind} is set.",
                remedy="Set VERNACULAR_DATABASE_URL (or that of Label Studio) to one of its kind.",
            )
    known = set(MigrationLoader(None).disk_migrations)
    foreign = [one for one in told.migrations if tuple(one) not in known]
    if foreign:
        raise InvalidInputError(
            f"The backup was made by a newer release: {'.'.join(foreign[-1])} is not known here.",
            remedy="Restore it with that release.",
        )


def _refuse_to_overwrite(place: Place) -> None:
    filled = [name for name, database in place.databases.items() if _is_filled(database)]
    filled += [name for name, folder in place.trees.items() if next(files.tree(folder), None)]
    if filled:
        raise ConflictError(
            f"There is something here already: {', '.join(filled)}.",
            remedy="With --yes it is replaced; of PostgreSQL nothing stays, files are set aside.",
        )


def _is_filled(database: str) -> bool:
    if is_address(database):
        return postgres.holds_anything(database)
    return sqlite.holds_anything(database)


def _put_files(point: Path, *, told: Manifest, place: Place, aside: str) -> None:
    for name, folder in place.trees.items():
        present = [path for path in folder.glob("*") if path.name != aside]
        files.set_aside(present, aside=folder / aside)
        for inside, known in told.files.items():
            if inside.startswith(f"{name}/"):
                target = folder / inside.removeprefix(f"{name}/")
                files.copy(point / inside, target, known=known)
    if SECRETS in told.files:
        files.set_aside([place.var / SECRETS], aside=place.var / aside)
        files.copy(point / SECRETS, place.var / SECRETS, known=told.files[SECRETS])
        (place.var / SECRETS).chmod(0o600)


def _put_database(point: Path, database: str, *, told: Any, aside: str) -> None:
    if is_address(database):
        postgres.put_back(point / told["file"], database, extensions=told["extensions"])
        found = postgres.sums(database)
        differing = [name for name, known in told["tables"].items() if found.get(name) != known]
        if differing:
            raise DamagedBackupError(f"Restored, and not the same: {', '.join(differing[:5])}.")
        return
    fresh = Path(f"{database}.restoring")
    files.copy(point / told["file"], fresh, known=files.sum_of(point / told["file"]))
    # What its journal holds belongs to it: both are set aside, or it would be another database.
    present = [Path(f"{database}{beside}") for beside in ("", "-wal", "-shm")]
    files.set_aside(present, aside=Path(database).parent / aside)
    sqlite.put_back(fresh, database)


def _say(database: str, statement: str) -> None:
    if is_address(database):
        postgres.say(database, statement)
    else:
        sqlite.say(database, statement)


def _doubt() -> str:
    table = CampaignLanguage._meta.db_table
    return (
        f"UPDATE {table} SET pushing_until = '2000-01-01 00:00:00', patrolled_at = NULL"  # noqa: S608 - our table
        " WHERE desk_project_id IS NOT NULL"
    )
