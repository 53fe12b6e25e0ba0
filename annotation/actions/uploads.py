"""Uploads: a foreign file is copied, looked at and queued; nothing of it is believed."""

import hashlib
import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypedDict, Unpack

from django.conf import settings
from django.db import transaction

from annotation.actions.known import composes
from annotation.errors import ConflictError, InvalidInputError, TransientError, VernacularError
from annotation.methods.readers import (
    FIELDS,
    FORMATS,
    Row,
    UnreadableFileError,
    Wanted,
    format_of,
    read_rows,
)
from annotation.methods.readers.cleaning import Refusal, Rules, clean
from annotation.models import Campaign, SampleImport, User
from annotation.objectives import Habits

Status = SampleImport.Status
DEFAULTABLE = ("language", "label", "split", "source", "licence", "origin", "dialect")
_CHUNK = 1_000_000
# A larger file comes in parts; nobody fills a disk by one call.
MOST_BYTES = 2 * 2**30
_ARCHIVES = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet; save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet; save the sheet as CSV UTF-8",
    b"\x1f\x8b": "gzip-compressed; unpack it first",
    b"%PDF": "a PDF document; save its text as CSV or JSON Lines",
}


class TooLargeError(VernacularError):
    """A file is larger than is taken at once."""

    code = "too_large"
    status = 413


class ImportOptions(TypedDict, total=False):
    """How a file is to be read; everything may be left out."""

    format: str
    columns: Mapping[str, str]
    defaults: Mapping[str, str]
    on_error: str
    actor: User | None
    again: bool
    without: Collection[str]


def queue_import(
    campaign: Campaign, *, file: BinaryIO, filename: str, **options: Unpack[ImportOptions]
) -> SampleImport:
    """Copy a file into our own folder and queue it; the same file comes in once only."""
    ready = lay_ready(campaign, file=file, filename=filename, **options)
    return keep([ready], again=options.get("again", False))[0]


def lay_ready(
    campaign: Campaign, *, file: BinaryIO, filename: str, **options: Unpack[ImportOptions]
) -> SampleImport:
    """Copy a file into our own folder and look at it; the import is not kept yet, and nobody waits.

    ``columns`` says which column fills which field, ``defaults`` what holds where a row is
    silent, ``on_error`` what happens to good rows beside bad ones, ``again`` lets a file in a
    second time, and fields in ``without`` stay empty though the file fills them.
    """
    name = _clean_name(filename)
    columns, defaults = dict(options.get("columns") or {}), dict(options.get("defaults") or {})
    on_error = options.get("on_error") or SampleImport.OnError.KEEP_GOOD
    _check_options(campaign, columns=columns, defaults=defaults, on_error=on_error)
    kind = _format(options.get("format", ""), filename=name)
    copy, digest, size = _copy(file)
    try:
        usual = Habits.of(campaign.objective).columns
        without = sorted(options.get("without") or ())
        _look_at(copy, kind=kind, wanted=Wanted(columns, defaults, usual, without))
        return SampleImport(
            campaign=campaign,
            filename=name,
            path=copy.name,
            digest=digest,
            format=kind,
            options={"columns": columns, "defaults": defaults, "without": without},
            on_error=on_error,
            bytes_total=size,
            created_by=options.get("actor"),
        )
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def keep(ready: Sequence[SampleImport], *, again: bool = False) -> list[SampleImport]:
    """Queue what lies ready, all of it or nothing: then no copy stays."""
    try:
        with transaction.atomic():
            return [_queue(one, again=again) for one in ready]
    except BaseException:
        _remove({one.path for one in ready})
        raise


def discard(ready: Sequence[SampleImport]) -> None:
    """Remove the copies of what lies ready, but of what is queued."""
    copies = {one.path for one in ready}
    queued = SampleImport.objects.filter(path__in=copies)
    _remove(copies.difference(queued.values_list("path", flat=True)))


def _remove(copies: Collection[str]) -> None:
    for name in copies:
        (Path(settings.MEDIA_ROOT) / name).unlink(missing_ok=True)


def note_failed(
    campaign: Campaign, *, filename: str, why: InvalidInputError, actor: User | None, now: datetime
) -> SampleImport:
    """Write down a file that makes no sense as an import that failed, for whoever sent it to see."""
    return SampleImport.objects.create(
        campaign=campaign,
        filename=_clean_name(filename),
        status=Status.FAILED,
        error=str(why),
        created_by=actor,
        finished_at=now,
    )


@transaction.atomic
def _queue(queued: SampleImport, *, again: bool) -> SampleImport:
    # The campaign's row is the lock: the same file twice at once is still the same file twice.
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=queued.campaign_id)
    if campaign.status == Campaign.Status.FINISHED:
        raise ConflictError(f"{campaign.slug!r} is finished and takes no more samples.")
    earlier = campaign.imports.filter(digest=queued.digest).exclude(
        status__in=(Status.REFUSED, Status.FAILED)
    )
    if (first := earlier.order_by("pk").first()) and not again:
        raise ConflictError(
            f"This very file came in as import {first.pk} ({first.filename}, "
            f"{first.created_at:%Y-%m-%d %H:%M} UTC, {first.get_status_display()}).",
            remedy="Import it again only if you mean it: --again, or the tick on the page.",
        )
    queued.save()
    return queued


def _clean_name(filename: str) -> str:
    name = PurePosixPath(filename.replace("\\", "/")).name
    name = "".join(
        character if character.isprintable() else "_" for character in name[-255:]
    ).strip()
    return name or "upload"


def _format(told: str, *, filename: str) -> str:
    found = told or format_of(filename)
    if found not in FORMATS:
        what = (
            f"There is no format {told!r}." if told else f"The name {filename!r} tells no format."
        )
        raise InvalidInputError(what, remedy=f"Say which one it is: {', '.join(FORMATS)}.")
    return found


def _check_options(
    campaign: Campaign, *, columns: dict[str, str], defaults: dict[str, str], on_error: str
) -> None:
    if on_error not in SampleImport.OnError.values:
        raise InvalidInputError(
            f"Bad rows cannot be handled as {on_error!r}.",
            remedy=f"There are: {', '.join(SampleImport.OnError.values)}.",
        )
    for ours in columns:
        if ours not in FIELDS and not ours.startswith("meta."):
            raise InvalidInputError(
                f"There is no field {ours!r}.", remedy=f"There are: {', '.join(FIELDS)}, meta.NAME."
            )
    for ours in defaults:
        if ours not in DEFAULTABLE:
            raise InvalidInputError(
                f"There is no default for {ours!r}.", remedy=f"There are: {', '.join(DEFAULTABLE)}."
            )
    rules = Rules.of(
        languages=campaign.languages.filter(active=True).values_list("language__tag", flat=True),
        labels=campaign.labels.values_list("key", "name"),
        defaults=defaults,
        composes=composes(campaign),
    )
    if not rules.languages:
        raise InvalidInputError(
            f"{campaign.slug!r} has no language yet.", remedy="Add one before importing."
        )
    tried = clean(Row(1, 0, {"text": "a"}), rules)
    if isinstance(tried, Refusal) and tried.field in defaults:
        raise InvalidInputError(f"The default for {tried.field} does not fit: {tried.reason}.")


def _copy(file: BinaryIO) -> tuple[Path, str, int]:
    folder = Path(settings.MEDIA_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / uuid.uuid4().hex
    seen, size = hashlib.sha256(), 0
    try:
        with copy.open("xb") as ours:
            while chunk := file.read(_CHUNK):
                ours.write(chunk)
                seen.update(chunk)
                size += len(chunk)
                _check_size(size)
            ours.flush()
            os.fsync(ours.fileno())
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise TransientError(
            f"The file could not be stored: {error.strerror}.",
            remedy=f"Make room for it under {folder}.",
        ) from error
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy, seen.hexdigest(), size


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise TooLargeError(f"More than {MOST_BYTES:,} bytes.", remedy="Send it in parts.")


def _look_at(copy: Path, *, kind: str, wanted: Wanted) -> None:
    """Raise at once where the file makes no sense; the rest is the worker's."""
    with copy.open("rb") as file:
        head = file.read(4)
        if not head:
            raise InvalidInputError("The file is empty.")
        if what := next((what for mark, what in _ARCHIVES.items() if head.startswith(mark)), ""):
            raise InvalidInputError(f"The file is {what}.")
        if (head == b"PAR1") != (kind == "parquet"):
            raise InvalidInputError(
                f"The file is {'not ' if kind == 'parquet' else ''}Parquet, whatever it is called."
            )
        if kind == "parquet":
            # Its library is big; web processes leave it to the workers.
            return
        file.seek(0)
        try:
            next(read_rows(file, format=kind, wanted=wanted), None)
        except UnreadableFileError as error:
            raise InvalidInputError(str(error)) from error
