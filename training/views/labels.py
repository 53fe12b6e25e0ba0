"""Doors of labels: how well a version finds each, in every language, as a table to take away."""

import csv
import io

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from annotation.methods.cells import inert
from annotation.permissions import Ability, required
from learning.models import ModelVersion
from training.actions.by_label import PARTS, LabelRow, label_rows

HEAD = (
    *("language", "label", "name", "gold"),
    *(f"{part}{end}" for part in PARTS for end in ("", "_low", "_high")),
)


@required(Ability.WATCH)
@require_safe
def as_csv(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = get_object_or_404(ModelVersion, campaign__slug=slug, number=number)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEAD)
    writer.writerows(_cells(row) for row in label_rows(version))
    answer = HttpResponse(file.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"{slug}-version-{number}-labels.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _cells(row: LabelRow) -> list[object]:
    told = (row.f1, row.precision, row.recall)
    numbers = [number for one in told for number in (one.value, one.low, one.high)]
    return [row.language.tag, inert(row.key), inert(row.name), row.gold, *numbers]
