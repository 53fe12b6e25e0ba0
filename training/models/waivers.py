"""Waivers: somebody answers with their name for a candidate that a gate held."""

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import User
from training.models.gates import GateRun


class WaiverQuerySet(models.QuerySet["Waiver"]):
    """Reads of waivers."""

    def valid(self, now: datetime) -> "WaiverQuerySet":
        """Waivers that hold at that moment."""
        return self.filter(expires_at__gt=now, revoked_at=None)


class Waiver(models.Model):
    """Leave to serve although the gate held: who takes it upon them, why, and until when."""

    gate = models.ForeignKey(GateRun, models.CASCADE, related_name="waivers")
    name = models.CharField(_("name"), max_length=150, help_text=_("Who answers for it."))
    reason = models.TextField(_("reason"))
    expires_at = models.DateTimeField(_("valid until"))
    granted_by = models.ForeignKey(User, models.PROTECT, related_name="waivers")
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = WaiverQuerySet.as_manager()

    class Meta:
        ordering = ("-granted_at",)
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(name="") & ~models.Q(reason=""),
                name="waiver_has_a_name_and_a_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("granted_at")),
                name="waiver_ends_after_it_began",
            ),
        )

    def __str__(self) -> str:
        return f"{self.gate}: {self.name}"
