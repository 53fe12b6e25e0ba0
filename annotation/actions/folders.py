"""Folders of data sets: every file of one queued or none, from a disk or from a ZIP archive of a stranger.

Of the part ``train`` the texts alone come in, to be asked about; labels of ``validation`` become
gold for tuning, of ``test`` gold for the gate. An archive is unpacked for as long as it is queued:
no name in it leads anywhere, and it stays within a number of files and of bytes, whatever it tells.
"""

import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Unpack

from django.conf import settings

from annotation.actions.uploads import MOST_BYTES, ImportOptions, discard, keep, lay_ready
from annotation.errors import InvalidInputError
from annotation.methods.dataset_folders import (
    TRAIN,
    VALIDATION,
    DataFile,
    FolderError,
    data_files,
)
from annotation.models import Campaign, SampleImport

MOST_FILES = 1000
_CHUNK = 1_000_000
_END, _ELSEWHERE, _RECORD, _TAIL = b"PK\x05\x06", b"PK\x06\x07", 22, 2**16 + 42
_MOST_DIRECTORY = MOST_FILES * 600
_BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError),
    # The library looks at the last letter of a name, which may have none.
    *(NotImplementedError, RuntimeError, UnicodeError, OverflowError, LookupError, struct.error),
)
# Others may unpack a gigabyte at one go, however little of it is asked for.
_KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
Queued = list[tuple[DataFile, SampleImport]]


def queue_folder(campaign: Campaign, *, folder: Path, **options: Unpack[ImportOptions]) -> Queued:
    """Queue every file of a folder that the library `datasets` reads; what cannot be read stops it all."""
    ready = _lay_folder_ready(campaign, folder=folder, options=options)
    keep([job for _, job in ready], again=options.get("again", False))
    return ready


def queue_archive(
    campaign: Campaign, *, archive: BinaryIO, **options: Unpack[ImportOptions]
) -> list[SampleImport]:
    """The same of a ZIP archive of one; nothing of it stays but what is queued."""
    ready = lay_archive_ready(campaign, archive=archive, **options)
    return keep(ready, again=options.get("again", False))


def lay_archive_ready(
    campaign: Campaign, *, archive: BinaryIO, **options: Unpack[ImportOptions]
) -> list[SampleImport]:
    """Unpack and copy all of it, before anything waits for anything: `keep` queues what lies ready."""
    Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.MEDIA_ROOT) as place:
        _unpack(archive, into=Path(place))
        ready = _lay_folder_ready(campaign, folder=_home(Path(place)), options=options)
    return [job for _, job in ready]


def is_archive(filename: str) -> bool:
    """Whether a file's name says that it is one."""
    return PurePosixPath(filename).suffix.lower() == ".zip"


def _lay_folder_ready(campaign: Campaign, *, folder: Path, options: ImportOptions) -> Queued:
    try:
        files = data_files(folder)
    except FolderError as error:
        raise InvalidInputError(str(error)) from error
    ready: Queued = []
    try:
        for one in files:
            ready.append((one, _laid_ready(campaign, one, options)))
    except BaseException:
        discard([job for _, job in ready])
        raise
    return ready


def _laid_ready(campaign: Campaign, one: DataFile, options: ImportOptions) -> SampleImport:
    told: ImportOptions = {**options, "defaults": dict(options.get("defaults") or {})}
    told["defaults"] = _defaults(campaign, one, given=told["defaults"])
    if one.split == TRAIN:
        told["without"] = ("label", "spans", "split")
    with one.path.open("rb") as file:
        return lay_ready(campaign, file=file, filename=one.path.name, **told)


def _defaults(campaign: Campaign, one: DataFile, *, given: Mapping[str, str]) -> dict[str, str]:
    """What the user says goes before what the folder tells."""
    tags = campaign.languages.filter(active=True).values_list("language__tag", flat=True)
    known = {tag.casefold(): tag for tag in tags}
    tag = known.get(one.config.replace("_", "-").casefold())
    told = {"language": tag} if tag else {}
    if one.split != TRAIN:
        told["split"] = "dev" if one.split == VALIDATION else "gate"
    return told | dict(given)


def _unpack(archive: BinaryIO, *, into: Path) -> None:
    left = MOST_BYTES
    try:
        _check_directory(archive)
        with zipfile.ZipFile(archive) as packed:
            inside = [one for one in packed.infolist() if not one.is_dir()]
            if len(inside) > MOST_FILES:
                raise InvalidInputError(f"There are more than {MOST_FILES} files in the archive.")
            if any(one.compress_type not in _KNOWN for one in inside):
                raise InvalidInputError(
                    "The archive is packed in a way that is not read.",
                    remedy="Pack it with the usual method of ZIP, deflate.",
                )
            for one in inside:
                at = into / _name(one.filename)
                at.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(one) as theirs, at.open("xb") as ours:
                    left = _copy(theirs, ours, left=left)
    except _BROKEN as error:
        raise InvalidInputError(f"This is no ZIP archive that can be read: {error}.") from error
    except OSError as error:
        raise InvalidInputError(f"The archive cannot be unpacked: {error.strerror}.") from error


def _check_directory(archive: BinaryIO) -> None:
    """Raise where the list of files is long: the library reads all of it before it tells of one.

    The record at the end says how long it is; its place is found as the library finds it.
    """
    archive.seek(0, io.SEEK_END)
    archive.seek(max(0, archive.tell() - _TAIL))
    tail = archive.read(_TAIL)
    plain = tail[-_RECORD:].startswith(_END) and tail.endswith(b"\0\0")
    at = len(tail) - _RECORD if plain else tail.rfind(_END)
    record = tail[max(0, at) :][:_RECORD]
    if len(record) == _RECORD and at >= 0:
        size = int.from_bytes(record[12:16], "little")
        # One of more than 4 GiB or 65,535 files has its true record elsewhere.
        if size > _MOST_DIRECTORY or tail[max(0, at - 20) : at].startswith(_ELSEWHERE):
            raise InvalidInputError(f"There are more than {MOST_FILES} files in the archive.")
    archive.seek(0)


def _name(told: str) -> PurePosixPath:
    """A name as a folder of our own may hold it."""
    name = PurePosixPath(told.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or not told.isprintable() or len(told) > 500:
        raise InvalidInputError(f"The archive holds a name that leads elsewhere: {told[:80]!r}.")
    return name


def _copy(theirs: IO[bytes], ours: BinaryIO, *, left: int) -> int:
    """Copy, and return how many bytes may still come; what an archive says of its sizes is not believed."""
    while chunk := theirs.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise InvalidInputError(f"Unpacked it is more than {MOST_BYTES:,} bytes.")
        ours.write(chunk)
    return left


def _home(place: Path) -> Path:
    """The folder itself, where the archive holds it by its name."""
    inside = [one for one in place.iterdir() if one.name != "__MACOSX"]
    return (
        inside[0] if len(inside) == 1 and inside[0].is_dir() and not _is_part(inside[0]) else place
    )


def _is_part(folder: Path) -> bool:
    return folder.name in ("data", "train", "validation", "test", "dev")
