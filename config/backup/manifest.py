"""What a backup says of itself: when, by which release, and the SHA-256 of everything in it."""

import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import django
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from annotation.errors import NotFoundError, VernacularError
from config import desk_service
from config.backup.files import Sum, sum_of, tree

NAME = "manifest.json"
FORMAT = 1
POINT = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")


class DamagedBackupError(VernacularError):
    """A backup is not what was written."""

    code = "damaged_backup"
    status = 422


@dataclass(frozen=True)
class Manifest:
    """Everything that must be there, and what was left out and why."""

    made_at: str
    versions: Mapping[str, str]
    migrations: Sequence[Sequence[str]]
    databases: Mapping[str, Mapping[str, Any]]
    files: dict[str, Sum] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    format: int = FORMAT

    def write(self, point: Path) -> None:
        """Put it beside what it tells of."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (point / NAME).write_text(text + "\n")

    @property
    def bytes(self) -> int:
        """All of it together."""
        return sum(size for _, size in self.files.values())


def read(point: Path) -> Manifest:
    """The manifest of a backup."""
    try:
        told = json.loads((point / NAME).read_text())
        told["files"] = {name: (sha, size) for name, (sha, size) in told["files"].items()}
        found = Manifest(**told)
    except FileNotFoundError:
        raise NotFoundError(f"There is no backup in {point}: {NAME} is missing.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedBackupError(f"{point / NAME} cannot be read: {error}") from error
    if found.format != FORMAT:
        raise DamagedBackupError(f"{point} is of another format ({found.format}).")
    return found


def points(folder: Path) -> list[Path]:
    """The whole backups in a folder, the oldest first."""
    found = [path for path in folder.iterdir() if POINT.fullmatch(path.name)]
    return sorted(path for path in found if (path / NAME).is_file())


def check(point: Path) -> Manifest:
    """Raise unless every file is there and not one bit has changed."""
    told = read(point)
    wrong = list(_wrong(point, told))
    if wrong:
        some = ", ".join(wrong[:5]) + (" …" if len(wrong) > 5 else "")
        raise DamagedBackupError(
            f"{len(wrong)} of {len(told.files)} files of {point} are missing or changed: {some}",
            remedy="Nothing was restored. Take another backup.",
        )
    return told


def _wrong(point: Path, told: Manifest) -> Iterator[str]:
    there = set(tree(point)) - {NAME}
    yield from sorted(there - told.files.keys())
    for name, known in told.files.items():
        if name not in there or sum_of(point / name) != known:
            yield name


def versions() -> dict[str, str]:
    """By what it was made."""
    return {
        "python": platform.python_version(),
        "django": django.get_version(),
        "label_studio": desk_service.version(),
    }


def migrations() -> list[list[str]]:
    """What the tables are like, as the database has it."""
    return sorted(list(one) for one in MigrationRecorder(connection).applied_migrations())
