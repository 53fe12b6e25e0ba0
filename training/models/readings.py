"""Readings: which texts a student was given, so that it is given the same ones again."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from training.models.runs import TrainingRun


class Reading(models.Model):
    """What a distillation reads; written down before the first text is, and never changed."""

    run = models.OneToOneField(TrainingRun, models.CASCADE, related_name="reading")
    samples = models.JSONField(help_text=_("Ids of samples, in the order of reading."))

    def __str__(self) -> str:
        return f"reading of {self.run}"
