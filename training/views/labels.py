"""Doors of labels: how well a version finds each, in every language, as a table to take away."""

from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from annotation.permissions import Ability, required
from annotation.views.spreadsheets import spreadsheet
from learning.models import ModelVersion
from training.actions.by_label import PARTS, LabelRow, label_rows

HEAD = (
    *("language", "label", "name", "gold"),
    *(f"{part}{end}" for part in PARTS for end in ("", "_low", "_high")),
)


@required(Ability.WATCH)
@require_safe
def as_csv(request: HttpRequest, slug: str, number: int) -> StreamingHttpResponse:
    version = get_object_or_404(ModelVersion, campaign__slug=slug, number=number)
    rows = [_cells(row) for row in label_rows(version)]
    return spreadsheet(f"{slug}-version-{number}-labels", head=HEAD, rows=rows)


def _cells(row: LabelRow) -> list[object]:
    told = (row.f1, row.precision, row.recall)
    numbers = [number for one in told for number in (one.value, one.low, one.high)]
    return [row.language.tag, row.key, row.name, row.gold, *numbers]
