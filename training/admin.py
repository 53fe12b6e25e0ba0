"""Runs, evaluations and gates: to be read, never edited."""

from django.contrib import admin

from annotation.admin import ReadOnlyAdmin
from training import models


@admin.register(models.TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    list_display = ("id", "campaign", "round", "status", "step", "steps_total", "created_at")
    list_filter = ("campaign", "status")
    list_select_related = ("campaign", "round__campaign")


@admin.register(models.DataSnapshot)
class DataSnapshotAdmin(ReadOnlyAdmin):
    list_display = ("campaign", "digest", "samples", "fresh_samples", "created_at")
    list_select_related = ("campaign",)


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
