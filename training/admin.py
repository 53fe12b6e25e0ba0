"""Runs, evaluations and gates: to be read, never edited."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from annotation.admin import Admin, ReadOnlyAdmin
from annotation.permissions import person_of
from training import models
from training.actions.case_versions import new_version


@admin.register(models.TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    list_display = ("id", "campaign", "round", "status", "step", "steps_total", "created_at")
    list_filter = ("campaign", "status")
    list_select_related = ("campaign", "round__campaign")


@admin.register(models.DataSnapshot)
class DataSnapshotAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "digest", "samples", "fresh_samples", "created_at")
    list_select_related = ("campaign",)


@admin.register(models.LearnedAnswer)
class LearnedAnswerAdmin(ReadOnlyAdmin):
    list_display = ("snapshot_id", "annotation_id", "revision", "licence", "person")


@admin.register(models.GeneratorLesson)
class GeneratorLessonAdmin(ReadOnlyAdmin):
    list_display = ("version_id", "annotation_id", "revision", "licence", "person")


@admin.register(models.BlindComparison)
class BlindComparisonAdmin(ReadOnlyAdmin):
    list_display = ("home", "candidate", "champion", "campaign", "asked_at", "error")
    list_select_related = ("home", "campaign", "candidate__campaign", "champion__campaign")


@admin.register(models.BlindVerdict)
class BlindVerdictAdmin(ReadOnlyAdmin):
    list_display = ("comparison_id", "look", "verdict", "choices", "margin", "created_at")
    list_filter = ("verdict",)


@admin.register(models.BlindCheck)
class BlindCheckAdmin(ReadOnlyAdmin):
    list_display = ("verdict_of_id", "language", "verdict", "choices", "share", "low", "high")
    list_select_related = ("language",)


@admin.register(models.Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    list_display = ("version", "language", "items", "accuracy", "macro_f1", "created_at")
    list_filter = ("version__campaign", "language")
    list_select_related = ("version", "language")


@admin.register(models.GateRun)
class GateRunAdmin(ReadOnlyAdmin):
    list_display = ("run", "verdict", "candidate", "champion", "margin", "created_at")
    list_filter = ("verdict",)
    list_select_related = ("run__campaign", "candidate", "champion")


@admin.register(models.GateCheck)
class GateCheckAdmin(ReadOnlyAdmin):
    list_display = ("gate_id", "language", "items", "delta", "verdict", "items_missing")
    list_filter = ("verdict", "language")
    list_select_related = ("language",)


@admin.register(models.Waiver)
class WaiverAdmin(ReadOnlyAdmin):
    list_display = ("gate", "name", "granted_by", "expires_at", "revoked_at")
    list_select_related = ("gate__run__campaign", "granted_by")


@admin.register(models.GoldCall)
class GoldCallAdmin(ReadOnlyAdmin):
    list_display = ("gate_id", "language", "missing", "asked", "note")
    list_filter = ("language",)
    list_select_related = ("language",)


@admin.register(models.GoldCandidate)
class GoldCandidateAdmin(ReadOnlyAdmin):
    list_display = ("item_id", "state", "reason", "settled_at")
    list_filter = ("state",)


@admin.register(models.RegressionCase)
class RegressionCaseAdmin(Admin):
    """Which answers are right may be mended here; the text of a case never changes."""

    list_display = ("text", "campaign", "language", "source", "active")
    list_filter = ("campaign", "language", "active")
    list_select_related = ("campaign", "language")
    readonly_fields = ("campaign", "language", "text", "digest", "gold", "created_by")
    filter_horizontal = ("expected",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        # The campaign's page and the command look at the text and its labels first.
        return False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Write down what it asks for from now on, and who said so."""
        super().save_related(request, form, formsets, change)
        case = form.instance
        told = sorted(case.expected(manager="everything").values_list("key", flat=True))
        new_version(case, now=timezone.now(), by=person_of(request), told=told)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        match = request.resolver_match
        if db_field.name == "expected" and match and "object_id" in match.kwargs:
            case = models.RegressionCase.objects.filter(pk=match.kwargs["object_id"]).first()
            if case:
                kwargs["queryset"] = case.campaign.labels.all()
        return super().formfield_for_manytomany(db_field, request, **kwargs)
