"""Items: samples on their way to the desk and back."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import CampaignLanguage, DeskConfig
from annotation.models.samples import Sample


class ItemQuerySet(models.QuerySet["Item"]):
    """Reads of items."""

    def open(self) -> "ItemQuerySet":
        """Items that still wait for an answer."""
        return self.filter(state__in=Item.OPEN)


class Item(models.Model):
    """One sample put to the speakers: the lease on it, and its place at the desk."""

    class Kind(models.TextChoices):
        """Why the sample was asked."""

        ACQUISITION = "acquisition", _("acquisition")
        AUDIT = "audit", _("audit")
        GOLD = "gold", _("gold")
        REPEAT = "repeat", _("repeat")
        CANDIDATE = "candidate", _("candidate for gold")
        REPORT = "report", _("like a reported text")

    class State(models.TextChoices):
        """Where the item is: a queued one is owed to the desk."""

        QUEUED = "queued", _("queued")
        PUSHED = "pushed", _("at the desk")
        ANSWERED = "answered", _("answered")
        WITHDRAWN = "withdrawn", _("withdrawn")

    OPEN = (State.QUEUED, State.PUSHED)
    # What is asked to examine: nobody learns from it, and no round waits for it.
    EXAMINING = (Kind.GOLD, Kind.CANDIDATE)

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    campaign_language = models.ForeignKey(CampaignLanguage, models.CASCADE, related_name="items")
    sample = models.ForeignKey(Sample, models.PROTECT, related_name="items")
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    priority = models.FloatField(default=0.0, help_text=_("Lowest first, as at the desk."))
    batch = models.CharField(
        max_length=40, blank=True, help_text=_("Which round put it here, as shown at the desk.")
    )
    wanted = models.PositiveSmallIntegerField(default=1)
    desk_wanted = models.PositiveSmallIntegerField(
        default=1, help_text=_("How many answers the desk was told to collect.")
    )
    suggestion = models.JSONField(
        default=dict, blank=True, help_text=_("Label key and confidence shown or held back.")
    )
    desk_config = models.ForeignKey(DeskConfig, models.PROTECT, null=True, blank=True)
    desk_task_id = models.BigIntegerField(null=True, blank=True)
    desk_updated_at = models.CharField(
        max_length=40, blank=True, help_text=_("Desk's time stamp of its task as we last read it.")
    )
    created_at = models.DateTimeField(auto_now_add=True)
    pushed_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ("campaign_language", "priority", "id")
        indexes = (
            models.Index(fields=("campaign_language", "state", "priority"), name="item_queue"),
            # In the order in which they are handed out, so that nobody reads what nobody gets.
            models.Index(
                fields=("campaign_language", "priority", "id"),
                condition=models.Q(state__in=("queued", "pushed")),
                name="item_handed_out",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("sample",),
                condition=models.Q(state__in=("queued", "pushed")),
                name="one_open_item_per_sample",
            ),
            models.UniqueConstraint(
                fields=("campaign_language", "desk_task_id"), name="one_item_per_desk_task"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign_language} {self.kind} {self.uid}"
