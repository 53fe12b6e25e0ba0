"""The audit: what those who lead have done, as the database keeps it from everybody."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from annotation.models.people import User


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Reads of the audit."""

    def of(self, slug: str) -> "AuditQuerySet":
        """What was done in one campaign; all of it where none is named."""
        return self.filter(campaign=slug) if slug else self

    def before(self, number: int | None) -> "AuditQuerySet":
        """What was done before an entry, newest first; from the newest where none is named."""
        return self.filter(pk__lt=number) if number else self


class AuditEntry(models.Model):
    """One thing that somebody who leads has done: append-only, triggers refuse everything else.

    It stands by itself: campaign and objects are written as words, so that nothing that is removed
    later takes its history along.
    """

    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    key = models.BigIntegerField(null=True, blank=True, help_text=_("Number of the API key."))
    action = models.CharField(max_length=80, help_text=_("Name of the door, or of what was done."))
    campaign = models.CharField(max_length=80, blank=True)
    named = models.JSONField(default=dict, help_text=_("What the address named."))
    changed = models.JSONField(default=dict, help_text=_("Field to [before, after]."))
    wrote = models.JSONField(default=dict, help_text=_("Table to [new, changed, removed] calls."))
    request_id = models.CharField(max_length=64, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        indexes = (models.Index(fields=("campaign", "-id"), name="audit_by_campaign"),)
        verbose_name_plural = _("audit entries")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor}: {self.action}"
