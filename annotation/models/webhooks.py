"""Webhooks: programs elsewhere that want to hear of a campaign, and what went out to them."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign
from annotation.models.people import User


class Webhook(models.Model):
    """An address that hears what happens in a campaign; its secret is made of the installation's key."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="webhooks")
    url = models.CharField(_("address"), max_length=500)
    kinds = models.JSONField(default=list, help_text=_("Which news; empty: all."))
    turn = models.PositiveSmallIntegerField(
        default=1, help_text=_("Which secret it is: a new one takes the place of one that is out.")
    )
    read = models.JSONField(
        default=dict, help_text=_("Kind of news to the number of the last that was looked at.")
    )
    failing_since = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when nothing goes there any more.")
    )
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign", "pk")
        constraints = (
            models.UniqueConstraint(fields=("campaign", "url"), name="one_webhook_per_address"),
        )

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One piece of news on its way to one address: at least once, always under the same number."""

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("waits")
        SENT = "sent", _("taken")
        GIVEN_UP = "given_up", _("given up")

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    number = models.PositiveBigIntegerField(help_text=_("Of what happened, among its kind."))
    body = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(
        help_text=_("Not before, and while it is tried: not again before.")
    )
    answered = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("webhook", "kind", "number"), name="one_delivery_per_webhook_and_news"
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at",),
                condition=models.Q(state="waiting"),
                name="webhook_delivery_that_is_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.number} → {self.webhook}"
