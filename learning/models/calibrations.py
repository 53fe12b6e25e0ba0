"""Calibrations: what a version's confidence is worth in one language, found on gold only."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Language
from learning.models.versions import ModelVersion


class LanguageCalibration(models.Model):
    """From when a version may answer alone, and which labels it cannot tell apart.

    The thresholds are fitted on development gold, beside the temperature; what they keep of
    their promise is measured on the gate's gold, which they have not seen.
    """

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="calibrations")
    language = models.ForeignKey(Language, models.PROTECT)
    gold = models.PositiveIntegerField(help_text=_("Gold items the thresholds were fitted on."))
    set_level = models.FloatField(help_text=_("How often a set of labels should hold the truth."))
    set_threshold = models.FloatField(
        help_text=_("A label is in the set if 1 - its probability is at most this; 1: every label.")
    )
    set_size = models.FloatField(null=True, help_text=_("Mean number of labels in a set."))
    approximate = models.BooleanField(
        help_text=_("Too little gold for a promise: leans on the other languages.")
    )
    risk_target = models.FloatField(help_text=_("Share of wrong answers that is allowed alone."))
    answer_threshold = models.FloatField(
        null=True, help_text=_("Confidence from which it may answer alone; empty: never.")
    )
    answered = models.FloatField(
        null=True, help_text=_("Share of the gate's gold on which it would answer alone.")
    )
    checked = models.PositiveIntegerField(
        default=0, help_text=_("Gold items of the gate on which the promise was checked.")
    )
    coverage = models.FloatField(null=True, help_text=_("How often the set held the truth."))
    coverage_low = models.FloatField(null=True)
    coverage_high = models.FloatField(null=True)
    risk = models.FloatField(null=True, help_text=_("Share of wrong answers among those alone."))
    risk_low = models.FloatField(null=True)
    risk_high = models.FloatField(null=True)
    aurc = models.FloatField(
        null=True, help_text=_("Area under risk and coverage: 0 is best, the mean error is blind.")
    )

    class Meta:
        ordering = ("version", "language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "language"), name="one_calibration_per_version_and_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.language.tag}: sets at {self.set_threshold:.2f}"
