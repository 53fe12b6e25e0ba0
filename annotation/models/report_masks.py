"""What a moderator took out of a report by hand: names, which have no form that a machine would know."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.people import User
from annotation.models.reports import Report


class ReportMask(models.Model):
    """Words that somebody had everybody else not read; what stood there is sealed, and expires."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="masks")
    together = models.UUIDField(
        null=True, editable=False, help_text=_("Of masks that are undone together.")
    )
    places = models.PositiveIntegerField(help_text=_("How often the words stood there."))
    sealed = models.TextField(blank=True, help_text=_("What stood there; empty once it is over."))
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    expires_at = models.DateTimeField()
    undone_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("report", "pk")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(undone_at__isnull=True, undone_by__isnull=True)
                | models.Q(undone_at__isnull=False, undone_by__isnull=False, sealed=""),
                name="masks_that_are_undone_keep_nothing",
            ),
        )

    def __str__(self) -> str:
        return f"mask of {self.report}"
