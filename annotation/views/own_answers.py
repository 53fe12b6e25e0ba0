"""Doors of everything that somebody gave, as files of their own."""

from collections.abc import Iterator

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation.actions import own_answers
from annotation.permissions import person_of, signed_in


@signed_in
@require_safe
@never_cache
def as_json(request: HttpRequest) -> StreamingHttpResponse:
    return _file(own_answers.as_json(person_of(request)), ending="json", kind="application/json")


@signed_in
@require_safe
@never_cache
def as_csv(request: HttpRequest) -> StreamingHttpResponse:
    rows = own_answers.as_csv(person_of(request))
    return _file(rows, ending="csv", kind="text/csv; charset=utf-8")


def _file(lines: Iterator[str], *, ending: str, kind: str) -> StreamingHttpResponse:
    name = f"vernacular-{timezone.localdate()}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type=kind, headers=headers)
