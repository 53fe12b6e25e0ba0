"""Doors for texts on their way in."""

import logging
from functools import partial

from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_safe
from kombu.exceptions import OperationalError

from annotation.actions.folders import is_archive, queue_archive
from annotation.actions.imports import queue_import
from annotation.actions.uploads import ImportOptions
from annotation.errors import VernacularError
from annotation.models import Campaign, SampleImport
from annotation.permissions import Ability, person_of, required
from annotation.tasks import run_import
from annotation.views.import_form import ImportForm
from annotation.views.spreadsheets import spreadsheet
from annotation.views.steps import step_of

logger = logging.getLogger(__name__)
ROWS_PER_PAGE = 50


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    form = ImportForm(request.POST or None, request.FILES or None, campaign=campaign)
    if request.method == "POST" and form.is_valid():
        try:
            queued = _queue(request, campaign, form)
        except VernacularError as error:
            form.add_error(None, str(error))
        else:
            # The files of a folder stand in the list, newest first.
            one = len(queued) == 1
            return redirect(*(("import_detail", slug, queued[0].pk) if one else (request.path,)))
    imports = campaign.imports.select_related("created_by")[:20]
    context = {"form": form, "campaign": campaign, "imports": imports}
    status = 422 if form.errors else 200
    return render(request, "annotation/import_create.html", context, status=status)


@required(Ability.LEAD)
@require_safe
def detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    row = _import(slug, pk)
    context = {
        "import": row,
        "campaign": row.campaign,
        "live": row.status in (SampleImport.Status.QUEUED, SampleImport.Status.RUNNING),
        "step": step_of(row.refused_rows.all(), request=request, size=ROWS_PER_PAGE, key="row"),
    }
    return render(request, "annotation/import_detail.html", context)


@required(Ability.LEAD)
@require_safe
def live(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    row = _import(slug, pk)
    going = row.status in (SampleImport.Status.QUEUED, SampleImport.Status.RUNNING)
    context = {"import": row, "campaign": row.campaign, "live": going}
    response = render(request, "annotation/_import_progress.html", context)
    if not going:
        # The refused rows are known now: show the whole page once more.
        response.headers["HX-Refresh"] = "true"
    return response


@required(Ability.LEAD)
@require_safe
def refused_csv(_request: HttpRequest, slug: str, pk: int) -> StreamingHttpResponse:
    row = _import(slug, pk)
    refused = row.refused_rows.order_by("row").values_list("row", "field", "reason", "excerpt")
    return spreadsheet(
        f"{slugify(row.filename) or 'import'}-refused",
        head=("row", "field", "reason", "excerpt"),
        rows=refused.iterator(chunk_size=1000),
    )


def _queue(request: HttpRequest, campaign: Campaign, form: ImportForm) -> list[SampleImport]:
    data = form.cleaned_data
    file, options = (
        data["file"],
        ImportOptions(
            format=data["format"],
            columns=form.columns(),
            defaults=form.defaults(),
            on_error=data["on_error"],
            again=data["again"],
            actor=person_of(request),
        ),
    )
    if is_archive(file.name):
        queued = queue_archive(campaign, archive=file, **options)
    else:
        queued = [queue_import(campaign, file=file, filename=file.name, **options)]
    for one in queued:
        transaction.on_commit(partial(_call_worker, one.pk))
    return queued


def _call_worker(import_id: int) -> None:
    try:
        run_import.apply_async(kwargs={"import_id": import_id}, retry=False)
    except OperationalError as error:
        logger.warning("Nobody could be told of import %s: %s. The tick will.", import_id, error)


def _import(slug: str, pk: int) -> SampleImport:
    return get_object_or_404(
        SampleImport.objects.select_related("campaign", "created_by"), campaign__slug=slug, pk=pk
    )
