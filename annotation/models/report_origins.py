"""From which network a report came, as far and as long as that keeps others served."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.reports import Report


class ReportOrigin(models.Model):
    """The network of a report, keyed and another every day; gone after thirty days."""

    report = models.OneToOneField(Report, models.CASCADE, related_name="origin")
    network = models.CharField(max_length=64, help_text=_("Keyed digest, another one every day."))
    at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("network", "at"), name="report_by_network"),)

    def __str__(self) -> str:
        return f"origin of {self.report}"
