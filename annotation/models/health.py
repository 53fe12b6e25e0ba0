"""Heartbeats: when each part that works out of sight was last seen, and how it last failed."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Heartbeat(models.Model):
    """One part's last sign of life and last failure."""

    name = models.CharField(_("part"), max_length=60, unique=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
