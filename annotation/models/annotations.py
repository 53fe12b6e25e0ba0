"""Annotations: what each person answered, with every revision and every refusal."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import CampaignLanguage, Label
from annotation.models.items import Item
from annotation.models.people import Annotator


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    """Reads of annotations."""

    def answered(self) -> "AnnotationQuerySet":
        """Annotations that hold a label now: not skipped, not deleted, not taken back."""
        return self.filter(state=Annotation.State.ANSWERED)


class Annotation(models.Model):
    """One person's answer on one item, as it stands now; its past is in its revisions."""

    class State(models.TextChoices):
        """What the person did."""

        ANSWERED = "answered", _("answered")
        SKIPPED = "skipped", _("skipped")
        DELETED = "deleted", _("deleted")
        WITHDRAWN = "withdrawn", _("taken back")

    item = models.ForeignKey(Item, models.PROTECT, related_name="annotations")
    annotator = models.ForeignKey(Annotator, models.PROTECT, related_name="annotations")
    desk_annotation_id = models.BigIntegerField(unique=True)
    desk_task_id = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State)
    label = models.ForeignKey(Label, models.PROTECT, null=True, blank=True)
    answer = models.JSONField(default=dict, blank=True)
    revision = models.PositiveIntegerField(default=1)
    desk_updated_at = models.CharField(max_length=40)
    lead_seconds = models.FloatField(null=True, blank=True)
    guideline_version = models.PositiveIntegerField(default=0)
    withdrawal = models.ForeignKey(
        "Withdrawal",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="annotations",
        help_text=_("What took the answer back; it is never learned from again."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(fields=("item", "state"), name="annotation_by_item"),
            # Few are ever taken back: whoever looks for them looks at no others.
            models.Index(
                fields=("withdrawal",),
                name="annotation_by_withdrawal",
                condition=models.Q(withdrawal__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator}: {self.label or self.state}"


class AnnotationRevision(models.Model):
    """What an annotation said at one time; append-only."""

    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=Annotation.State)
    label = models.ForeignKey(Label, models.PROTECT, null=True, blank=True)
    answer = models.JSONField(default=dict, blank=True)
    desk_updated_at = models.CharField(max_length=40)
    lead_seconds = models.FloatField(null=True, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("annotation", "number")
        constraints = (
            models.UniqueConstraint(
                fields=("annotation", "number"), name="one_revision_per_number"
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotation} r{self.number}"


class QuarantinedAnswer(models.Model):
    """An answer that does not fit our schema: kept whole, with the reason, never trained on."""

    class Reason(models.TextChoices):
        """What does not fit."""

        UNKNOWN_LABEL = "unknown_label", _("unknown label")
        UNKNOWN_FIELD = "unknown_field", _("unknown field")
        EMPTY = "empty", _("empty answer")
        MALFORMED = "malformed", _("malformed answer")
        UNKNOWN_PERSON = "unknown_person", _("not in the team of this language")
        UNKNOWN_ITEM = "unknown_item", _("not an item of ours")

    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="quarantine"
    )
    item = models.ForeignKey(Item, models.PROTECT, null=True, blank=True)
    desk_annotation_id = models.BigIntegerField()
    desk_updated_at = models.CharField(max_length=40)
    reason = models.CharField(max_length=20, choices=Reason)
    detail = models.CharField(max_length=300, blank=True)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("desk_annotation_id", "desk_updated_at"), name="quarantined_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_reason_display()}: {self.detail}"


class DeskEvent(models.Model):
    """A nudge that reached our door, believed or not; its body is never trusted."""

    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, null=True, blank=True, related_name="desk_events"
    )
    action = models.CharField(max_length=60, blank=True)
    accepted = models.BooleanField()
    detail = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.action} {'accepted' if self.accepted else 'refused'}"
