"""Keys of programs: whom they act for, what they may, and what was answered to a call made twice."""

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign
from annotation.models.people import User


class Scope(models.TextChoices):
    """What a key may be used for, of what its person may do at all."""

    READ = "read", _("read campaigns, versions and evaluations")
    IMPORT = "import", _("bring samples in")
    EXPORT = "export", _("take items and answers out")
    PREDICT = "predict", _("ask what serves")
    WEBHOOKS = "webhooks", _("say which addresses hear of news")


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Reads of keys."""

    def standing(self, now: datetime) -> "ApiKeyQuerySet":
        """Keys that open: neither revoked nor run out, of people who may still come in."""
        lasts = models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        return self.filter(lasts, revoked_at=None, user__is_active=True)


class ApiKey(models.Model):
    """A program's key; of its secret only a digest is kept. It may never more than its person."""

    name = models.CharField(_("name"), max_length=120)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys")
    campaign = models.ForeignKey(
        Campaign,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
        help_text=_("Empty: every campaign that its person may see."),
    )
    scopes = models.JSONField(default=list)
    digest = models.CharField(max_length=64, unique=True, help_text=_("SHA-256 of the secret."))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.name} · {self.user}"


class IdempotentCall(models.Model):
    """What a program was answered when it sent something under an Idempotency-Key."""

    api_key = models.ForeignKey(ApiKey, models.CASCADE, related_name="calls", db_index=False)
    name = models.CharField(max_length=200, help_text=_("The Idempotency-Key as it came."))
    asked = models.CharField(max_length=64, help_text=_("SHA-256 of what was asked."))
    status = models.PositiveSmallIntegerField()
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("api_key", "name"), name="one_answer_per_idempotency"),
        )
        indexes = (models.Index(fields=("created_at",), name="idempotent_call_by_time"),)

    def __str__(self) -> str:
        return f"{self.api_key}: {self.name}"
