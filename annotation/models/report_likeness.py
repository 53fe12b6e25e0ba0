"""Which reports may say the same: what each is compared by, and what was found alike."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.reports import Report


class ReportImprint(models.Model):
    """What a report's text is to the network that serves; there once it has been compared.

    A text can nearly be read out of it: it goes with the report's words.
    """

    report = models.OneToOneField(Report, models.CASCADE, related_name="imprint")
    version_digest = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("Empty: nothing served, letters alone were compared."),
    )
    numbers = models.BinaryField(
        default=bytes, help_text=_("Of length one, as 16-bit floats, little-endian.")
    )
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"imprint of {self.report}"


class ReportLikeness(models.Model):
    """A worker found that a report may say what another says; people decide."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="likenesses")
    other = models.ForeignKey(Report, models.CASCADE, related_name="+")
    place = models.PositiveSmallIntegerField(help_text=_("1 for the likest."))
    letters = models.FloatField(help_text=_("Cosine of the runs of letters that they share."))
    sense = models.FloatField(
        null=True, blank=True, help_text=_("Cosine of what the network that serves makes of them.")
    )

    class Meta:
        ordering = ("report", "place")
        constraints = (
            models.UniqueConstraint(
                fields=("report", "other"), name="one_likeness_per_two_reports"
            ),
            models.CheckConstraint(
                condition=~models.Q(report=models.F("other")), name="no_report_is_like_itself"
            ),
        )

    def __str__(self) -> str:
        return f"{self.report} like {self.other}"
