"""The door of a version's confidence: what it is worth in each language, as gold has told."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from annotation.models import Language
from annotation.permissions import Ability, required
from learning.models import LanguageCalibration, ModelVersion, Temperature


@dataclass(frozen=True)
class ConfidenceRow:
    """One language: its temperature, and its thresholds if there was gold to fit them on."""

    language: Language
    temperature: Temperature | None
    rule: LanguageCalibration | None


@required(Ability.WATCH)
@require_safe
def confidence(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = get_object_or_404(
        ModelVersion.objects.select_related("campaign"), campaign__slug=slug, number=number
    )
    context = {
        "campaign": version.campaign,
        "version": version,
        "rows": confidence_rows(version),
    }
    return render(request, "learning/version_confidence.html", context)


def confidence_rows(version: ModelVersion) -> list[ConfidenceRow]:
    """Return a row for every language of which anything was fitted, in order of tag."""
    heats = {row.language: row for row in version.temperatures.select_related("language")}
    rules = {row.language: row for row in version.calibrations.select_related("language")}
    languages = sorted({*heats, *rules}, key=lambda language: language.tag)
    return [ConfidenceRow(one, heats.get(one), rules.get(one)) for one in languages]
