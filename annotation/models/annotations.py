"""Annotations: what each person answered, with every revision and every refusal."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import CampaignLanguage
from annotation.models.items import Item
from annotation.models.labels import Label
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

    class Source(models.TextChoices):
        """Where the person answered."""

        DESK = "desk", _("Label Studio")
        LIGHT = "light", _("light page")

    class Flag(models.TextChoices):
        """What a person says in place of a label; none of them ever counts as one."""

        NONE = "", _("no flag")
        CANNOT_JUDGE = "cannot_judge", _("can't judge")
        WRONG_LANGUAGE = "wrong_language", _("wrong language")
        OTHER_DIALECT = "other_dialect", _("other dialect")
        UNCLEAR = "unclear", _("unclear")
        OFFENSIVE = "offensive", _("offensive")

    item = models.ForeignKey(Item, models.PROTECT, related_name="annotations")
    annotator = models.ForeignKey(Annotator, models.PROTECT, related_name="annotations")
    uid = models.UUIDField(
        null=True,
        blank=True,
        unique=True,
        help_text=_("Made where the answer was given; empty for answers from the desk."),
    )
    source = models.CharField(max_length=10, choices=Source, default=Source.DESK)
    desk_annotation_id = models.BigIntegerField(unique=True, null=True, blank=True)
    desk_task_id = models.BigIntegerField(default=0)
    desk_seen_at = models.CharField(
        max_length=40,
        blank=True,
        help_text=_("Desk's time stamp of its copy of a light answer as we last read it."),
    )
    edit = models.PositiveIntegerField(
        default=0, help_text=_("Which version of a light answer its maker last sent.")
    )
    mirrored_revision = models.PositiveIntegerField(
        default=0, help_text=_("Which revision of a light answer the desk has.")
    )
    state = models.CharField(max_length=10, choices=State)
    label = models.ForeignKey(Label, models.PROTECT, null=True, blank=True)
    flag = models.CharField(max_length=20, choices=Flag, blank=True, default=Flag.NONE)
    note = models.CharField(max_length=500, blank=True)
    answer = models.JSONField(default=dict, blank=True)
    given_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("When a light answer was given, which may be long before it came in."),
    )
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
            models.Index(
                fields=("item",),
                name="annotation_to_mirror",
                condition=models.Q(source="light", mirrored_revision__lt=models.F("revision")),
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(uid__isnull=False) | models.Q(desk_annotation_id__isnull=False),
                name="annotation_is_known_by_a_number",
            ),
            models.CheckConstraint(
                condition=models.Q(flag="") | models.Q(label__isnull=True),
                name="flagged_annotation_has_no_label",
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator}: {self.label or self.state}"


class AnswerNumber(models.Model):
    """One more number under which a light answer came: its giver had the text on two devices."""

    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="numbers")
    uid = models.UUIDField(unique=True)
    edit = models.PositiveIntegerField(default=0)
    given_at = models.DateTimeField(help_text=_("When the last word under this number was given."))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.annotation} = {self.uid}"


class AnnotationRevision(models.Model):
    """What an annotation said at one time; append-only."""

    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=Annotation.State)
    label = models.ForeignKey(Label, models.PROTECT, null=True, blank=True)
    flag = models.CharField(max_length=20, choices=Annotation.Flag, blank=True, default="")
    note = models.CharField(max_length=500, blank=True)
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
        NOT_QUALIFIED = "not_qualified", _("not through a calibration session yet")

    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="quarantine"
    )
    item = models.ForeignKey(Item, models.PROTECT, null=True, blank=True)
    annotator = models.ForeignKey(Annotator, models.PROTECT, null=True, blank=True)
    uid = models.UUIDField(
        null=True, blank=True, help_text=_("Of an answer that came from the light page.")
    )
    digest = models.CharField(max_length=64, blank=True)
    desk_annotation_id = models.BigIntegerField(null=True, blank=True)
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
            models.UniqueConstraint(
                fields=("uid", "digest"),
                condition=models.Q(uid__isnull=False),
                name="light_answer_quarantined_once",
            ),
            models.CheckConstraint(
                condition=models.Q(uid__isnull=False) | models.Q(desk_annotation_id__isnull=False),
                name="quarantined_answer_is_known_by_a_number",
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
        indexes = (
            # Hundreds a second may come, and the old ones go every five minutes.
            models.Index(fields=("created_at",), name="desk_event_by_time"),
            models.Index(
                fields=("created_at",),
                name="refused_desk_event_by_time",
                condition=models.Q(accepted=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.action} {'accepted' if self.accepted else 'refused'}"
