"""Trials: a text that a visitor puts to the serving model, kept for an hour and no longer."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, Language


class Trial(models.Model):
    """One question of a visitor and what the serving version said; the web waits for a worker."""

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("waiting")
        DONE = "done", _("answered")
        FAILED = "failed", _("could not be answered")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="trials")
    language = models.ForeignKey(Language, models.PROTECT, related_name="+")
    text = models.TextField()
    client = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    answer = models.JSONField(
        default=dict, blank=True, help_text=_("Label, confidence, set, version, as it was said.")
    )
    error = models.CharField(max_length=200, blank=True)
    asked_at = models.DateTimeField()
    # Two workers never answer the same: whoever moves this from empty, or from long ago, answers.
    claimed_at = models.DateTimeField(null=True, blank=True)
    given_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-asked_at",)
        indexes = (
            models.Index(fields=("asked_at",), name="trial_by_time"),
            models.Index(fields=("client", "asked_at"), name="trial_by_client"),
        )

    def __str__(self) -> str:
        return f"trial {self.pk}: {self.state}"
