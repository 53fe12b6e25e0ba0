"""What the model thought and asked: to be read, never edited."""

from django.contrib import admin

from annotation.admin import ReadOnlyAdmin
from learning import models


@admin.register(models.ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "number", "network", "digest", "created_at")
    list_filter = ("campaign",)
    list_select_related = ("campaign",)


@admin.register(models.Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "number", "version", "kind", "reason", "actor", "created_at")
    list_filter = ("campaign", "kind")
    list_select_related = ("campaign", "version", "actor")


@admin.register(models.GeneratorVersion)
class GeneratorVersionAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "number", "network", "digest", "created_at")
    list_filter = ("campaign",)
    list_select_related = ("campaign",)


@admin.register(models.GeneratorDeployment)
class GeneratorDeploymentAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "number", "version", "kind", "reason", "actor", "created_at")
    list_filter = ("campaign", "kind")
    list_select_related = ("campaign", "version__campaign", "actor")


@admin.register(models.ModelParent)
class ModelParentAdmin(ReadOnlyAdmin):
    list_display = ("version", "parent", "weight")
    list_select_related = ("version", "parent")


@admin.register(models.Temperature)
class TemperatureAdmin(ReadOnlyAdmin):
    list_display = ("version", "language", "value", "gold")
    list_select_related = ("version", "language")


@admin.register(models.Scoring)
class ScoringAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "version", "status", "samples_total", "created_at")
    list_filter = ("status",)
    list_select_related = ("campaign", "version")


@admin.register(models.ScoringShard)
class ScoringShardAdmin(ReadOnlyAdmin):
    list_display = ("id", "scoring_id", "status", "likely", "samples", "attempts", "runtime")
    list_filter = ("status",)


@admin.register(models.Round)
class RoundAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "number", "status", "target", "shortfall", "opened_at")
    list_filter = ("campaign", "status")
    list_select_related = ("campaign",)


@admin.register(models.Pick)
class PickAdmin(ReadOnlyAdmin):
    list_display = ("round", "rank", "slot", "propensity", "margin", "rationale")
    list_filter = ("slot",)
    list_select_related = ("round__campaign",)


@admin.register(models.Allotment)
class AllotmentAdmin(ReadOnlyAdmin):
    list_display = ("round", "campaign_language", "target", "got", "capped_by", "debt_after")
    list_select_related = (
        "round__campaign",
        "campaign_language__campaign",
        "campaign_language__language",
    )


@admin.register(models.QuotaAccount)
class QuotaAccountAdmin(ReadOnlyAdmin):
    list_display = ("campaign_language", "debt", "updated_at")
    list_select_related = ("campaign_language__campaign", "campaign_language__language")


@admin.register(models.LanguageCalibration)
class LanguageCalibrationAdmin(ReadOnlyAdmin):
    list_display = ("version", "language", "gold", "set_size", "coverage", "answered", "risk")
    list_select_related = ("version", "language")


@admin.register(models.StopDecision)
class StopDecisionAdmin(ReadOnlyAdmin):
    list_display = ("round", "campaign_language", "verdict", "cause", "labels", "gain", "kept_open")
    list_filter = ("verdict", "cause")
    list_select_related = (
        "round__campaign",
        "campaign_language__campaign",
        "campaign_language__language",
    )


@admin.register(models.SelectionGain)
class SelectionGainAdmin(ReadOnlyAdmin):
    list_display = ("round", "campaign_language", "labels", "gold", "value", "low", "high")
    list_select_related = (
        "round__campaign",
        "campaign_language__campaign",
        "campaign_language__language",
    )


@admin.register(models.EmbeddingShard)
class EmbeddingShardAdmin(ReadOnlyAdmin):
    list_display = ("path", "version", "samples", "width", "created_at")
    list_select_related = ("version",)


@admin.register(models.DuplicateSearch)
class DuplicateSearchAdmin(ReadOnlyAdmin):
    list_display = ("version", "language", "status", "groups", "texts", "finished_at")
    list_filter = ("status",)
    list_select_related = ("version", "language")


@admin.register(models.QuotaChange)
class QuotaChangeAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "number", "actor", "created_at", "undoes")
    list_filter = ("campaign",)
    list_select_related = ("campaign", "actor", "undoes__campaign")
