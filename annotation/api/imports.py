"""Samples in, by the file: every format that is read, or a whole folder, as the body of a call."""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from annotation.actions.folders import lay_archive_ready
from annotation.actions.keys import Answer, once
from annotation.actions.uploads import (
    DEFAULTABLE,
    MOST_BYTES,
    ImportOptions,
    TooLargeError,
    discard,
    keep,
    lay_ready,
    note_failed,
)
from annotation.api.door import A_PAGE, After, Limit, Page, campaign_in, key_in, page
from annotation.errors import InvalidInputError, NotFoundError
from annotation.methods.readers import FIELDS, FORMATS
from annotation.models import Campaign, RefusedRow, SampleImport, Scope
from annotation.tasks import run_import, soon

router = Router(tags=["imports"])
IN_MEMORY = 2**20
Ready = Callable[[Any, ImportOptions], list[SampleImport]]
BODY = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "schema": {"type": "string", "maxLength": 200},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}


def _one_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in words)


class Asked(Schema):
    """How a file is to be read."""

    filename: Annotated[str, Field(min_length=1, max_length=255)]
    format: Annotated[str, Field(pattern=f"^({_one_of(FORMATS)})?$")] = ""
    on_error: Annotated[str, Field(pattern=f"^({_one_of(SampleImport.OnError.values)})?$")] = ""
    again: bool = False
    default: list[Annotated[str, Field(pattern=f"^({_one_of(DEFAULTABLE)})=[^\\x00]*$")]] = []
    column: list[
        Annotated[str, Field(pattern=f"^({_one_of(FIELDS)}|meta\\.[^=\\x00]+)=[^\\x00]*$")]
    ] = []


class ImportOut(Schema):
    """A file on its way in."""

    number: int
    filename: str
    status: str
    rows_read: int
    rows_kept: int
    rows_refused: int
    error: str


class RefusedOut(Schema):
    """A row that was not taken, and why."""

    row: int
    field: str
    reason: str


def _import(job: SampleImport) -> ImportOut:
    return ImportOut(
        number=job.pk,
        filename=job.filename,
        status=job.status,
        rows_read=job.rows_read,
        rows_kept=job.rows_kept,
        rows_refused=job.rows_refused,
        error=job.error,
    )


@router.post(
    "/campaigns/{slug}/imports",
    response={202: ImportOut},
    summary="Bring a file of samples in",
    description="The file is the body; its name or `format` says how it is read. `default` and `column`"
    " are `field=value`, as often as needed. A file that makes no sense is an import whose `status` is"
    " `failed` and whose `error` says why. The same Idempotency-Key gives the same answer.",
    openapi_extra=BODY,
)
def create_import(
    request: HttpRequest,
    response: HttpResponse,
    slug: str,
    asked: Query[Asked],
) -> Status[dict[str, Any]]:
    campaign = campaign_in(request, slug, scope=Scope.IMPORT)

    def ready(file: Any, options: ImportOptions) -> list[SampleImport]:
        return [lay_ready(campaign, file=file, filename=asked.filename, **options)]

    status, told = _once(request, campaign, asked=asked, ready=ready)
    told = told["items"][0] if "items" in told else told
    response["Location"] = f"{request.path}/{told['number']}"
    return Status(status, told)


@router.post(
    "/campaigns/{slug}/folders",
    response={202: Page[ImportOut]},
    summary="Bring a folder of the library datasets in",
    description="The body is a ZIP archive of it: an import for each of its files, or none. Texts of"
    " `train` come in to be asked about; labels of `validation` and `test` become gold.",
    openapi_extra=BODY,
)
def create_folder(
    request: HttpRequest,
    slug: str,
    asked: Query[Asked],
) -> Status[dict[str, Any]]:
    campaign = campaign_in(request, slug, scope=Scope.IMPORT)

    def ready(file: Any, options: ImportOptions) -> list[SampleImport]:
        return lay_archive_ready(campaign, archive=file, **options)

    status, told = _once(request, campaign, asked=asked, ready=ready)
    return Status(status, {"items": told.get("items", [told]), "next": None})


def _enqueued(made: SampleImport) -> dict[str, Any]:
    transaction.on_commit(partial(soon, run_import, import_id=made.pk))
    return _import(made).model_dump(mode="json")


def _once(request: HttpRequest, campaign: Campaign, *, asked: Asked, ready: Ready) -> Answer:
    """Take the body and queue it, once under one Idempotency-Key; what makes no sense has failed.

    All that takes its time is done before the database has to wait for it.
    """
    key, now = key_in(request, scope=Scope.IMPORT), timezone.now()
    options: ImportOptions = {
        "format": asked.format,
        "on_error": asked.on_error,
        "again": asked.again,
        "defaults": _pairs(asked.default),
        "columns": _pairs(asked.column),
        "actor": key.user,
    }
    Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.MEDIA_ROOT) as file:
        told = f"{request.path} {asked.model_dump_json()} {_receive(request, file)}"
        file.seek(0)
        laid, wrong = _laid(partial(ready, file, options))

    def work() -> Answer:
        if wrong is not None:
            failed = note_failed(
                campaign, filename=asked.filename, why=wrong, actor=key.user, now=now
            )
            return 202, _import(failed).model_dump(mode="json")
        return 202, {"items": [_enqueued(one) for one in keep(laid, again=asked.again)]}

    try:
        return once(
            key,
            name=request.headers.get("Idempotency-Key", ""),
            asked=hashlib.sha256(told.encode()).hexdigest(),
            now=now,
            work=work,
        )
    finally:
        discard(laid)


def _laid(
    ready: Callable[[], list[SampleImport]],
) -> tuple[Sequence[SampleImport], InvalidInputError | None]:
    """What lies ready, or why it makes no sense."""
    try:
        return ready(), None
    except InvalidInputError as error:
        return (), error


def _receive(request: HttpRequest, file: Any) -> str:
    """Write the body into a file, and return its digest; it is never held in memory as a whole."""
    seen, size = hashlib.sha256(), 0
    while chunk := request.read(IN_MEMORY):
        size += len(chunk)
        if size > MOST_BYTES:
            raise TooLargeError(f"More than {MOST_BYTES:,} bytes.", remedy="Send it in parts.")
        seen.update(chunk)
        file.write(chunk)
    return seen.hexdigest()


def _pairs(told: list[str]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in told)


@router.get("/campaigns/{slug}/imports/{number}", response=ImportOut, summary="How an import goes")
def get_import(request: HttpRequest, slug: str, number: int) -> ImportOut:
    return _import(_job(campaign_in(request, slug, scope=Scope.IMPORT), number))


@router.get(
    "/campaigns/{slug}/imports/{number}/refused",
    response=Page[RefusedOut],
    summary="Rows that were refused",
)
def list_refused(
    request: HttpRequest,
    slug: str,
    number: int,
    after: After = "",
    limit: Limit = A_PAGE,
) -> dict[str, Any]:
    job = _job(campaign_in(request, slug, scope=Scope.IMPORT), number)
    return page(job.refused_rows.all(), after=after, limit=limit, as_row=_refused)


def _job(campaign: Campaign, number: int) -> SampleImport:
    # SQLite refuses a number that is too large instead of finding nothing.
    job = campaign.imports.filter(pk=number).first() if 0 < number < 2**63 else None
    if job is None:
        raise NotFoundError(f"There is no import {number} in {campaign.slug}.")
    return job


def _refused(row: RefusedRow) -> RefusedOut:
    return RefusedOut(row=row.row, field=row.field, reason=row.reason)
