"""Wishes: what somebody asked a worker for, kept until it is done or cannot be done."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import User
from learning.models import ModelVersion


class MeasureWishQuerySet(models.QuerySet["MeasureWish"]):
    """Wishes, by how far they are."""

    def open(self) -> "MeasureWishQuerySet":
        """Those that are neither fulfilled nor given up."""
        return self.filter(finished_at=None)


class MeasureWish(models.Model):
    """Somebody wants a version measured on the gold of today."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="measure_wishes")
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    asked_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text=_("Workers that took it up; the newest one's number is its token.")
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    objects = MeasureWishQuerySet.as_manager()

    class Meta:
        ordering = ("-asked_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("version",),
                condition=models.Q(finished_at=None),
                name="one_open_wish_per_version",
            ),
        )

    def __str__(self) -> str:
        return f"measure {self.version}"
