"""Samples in, by the file: CSV, TSV, JSON Lines, Parquet or PO as the body of a call."""

import hashlib
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from annotation.actions.imports import queue_import
from annotation.actions.keys import Answer, once
from annotation.api.door import A_PAGE, After, Limit, Page, campaign_in, key_in, page
from annotation.errors import NotFoundError, VernacularError
from annotation.methods.readers import FORMATS
from annotation.models import Campaign, RefusedRow, SampleImport, Scope
from annotation.tasks import run_import, soon

router = Router(tags=["imports"])
MOST_BYTES = 2 * 2**30
IN_MEMORY = 2**20
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


class TooLargeError(VernacularError):
    """A file is larger than is taken at once."""

    code = "too_large"
    status = 413


class Asked(Schema):
    """How a file is to be read."""

    filename: Annotated[str, Field(min_length=1, max_length=255)]
    format: Annotated[str, Field(json_schema_extra={"enum": ["", *FORMATS]})] = ""
    on_error: Annotated[
        str, Field(json_schema_extra={"enum": ["", *SampleImport.OnError.values]})
    ] = ""
    again: bool = False
    default: list[Annotated[str, Field(pattern="=")]] = []
    column: list[Annotated[str, Field(pattern="=")]] = []


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
    description="The file is the body. `default` and `column` are `field=value`, as often as needed."
    " The same Idempotency-Key gives the same answer.",
    openapi_extra=BODY,
)
def create_import(
    request: HttpRequest,
    response: HttpResponse,
    slug: str,
    asked: Query[Asked],
) -> Status[dict[str, Any]]:
    campaign = campaign_in(request, slug, scope=Scope.IMPORT)
    key = key_in(request, scope=Scope.IMPORT)
    Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.MEDIA_ROOT) as file:
        digest = hashlib.sha256(
            f"{slug} {asked.model_dump_json()} {_receive(request, file)}".encode()
        )

        def work() -> Answer:
            file.seek(0)
            options = {"default": _pairs(asked.default), "column": _pairs(asked.column)}
            queued = queue_import(
                campaign,
                file=file,
                filename=asked.filename,
                format=asked.format,
                on_error=asked.on_error,
                again=asked.again,
                defaults=options["default"],
                columns=options["column"],
                actor=key.user,
            )
            transaction.on_commit(partial(soon, run_import, import_id=queued.pk))
            return 202, _import(queued).model_dump(mode="json")

        status, told = once(
            key,
            name=request.headers.get("Idempotency-Key", ""),
            asked=digest.hexdigest(),
            now=timezone.now(),
            work=work,
        )
    response["Location"] = f"{request.path}/{told['number']}"
    return Status(status, told)


def _receive(request: HttpRequest, file: Any) -> str:
    """Write the body into a file, and return its digest; it is never held in memory as a whole."""
    seen, size = hashlib.sha256(), 0
    while chunk := request.read(IN_MEMORY):
        size += len(chunk)
        if size > MOST_BYTES:
            raise TooLargeError(f"More than {MOST_BYTES} bytes.", remedy="Send it in parts.")
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
