"""Calibration sessions: people and the guideline coming to mean the same thing."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign, CampaignLanguage, Guideline
from annotation.models.labels import Label
from annotation.models.people import Annotator, User
from annotation.models.samples import GoldItem


class LabelRule(models.Model):
    """When a label is the right one, in the speakers' language, as sessions explain it."""

    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="label_rules"
    )
    label = models.ForeignKey(Label, models.CASCADE, related_name="rules")
    text = models.TextField(_("rule"), max_length=2000)
    updated_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("campaign_language", "label__position")
        constraints = (
            models.UniqueConstraint(fields=("campaign_language", "label"), name="one_rule_a_label"),
        )

    def __str__(self) -> str:
        return f"{self.label}: {self.text[:60]}"


class WorkedExample(models.Model):
    """A gold item that is shown with its answer and why; nobody is tested on it."""

    campaign_language = models.ForeignKey(CampaignLanguage, models.CASCADE, related_name="examples")
    gold = models.OneToOneField(GoldItem, models.CASCADE, related_name="example")
    explanation = models.TextField(_("why"), max_length=2000)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign_language", "gold__label__position", "id")

    def __str__(self) -> str:
        return f"{self.gold}: {self.explanation[:60]}"


class Recalibration(models.Model):
    """A guideline's version after which people look at what changed in it, in a short session."""

    guideline = models.OneToOneField(Guideline, models.CASCADE, related_name="recalibration")
    paragraphs = models.JSONField(help_text=_("Numbers of the paragraphs that changed, from 0."))
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.guideline}: {self.paragraphs}"


class CalibrationSessionQuerySet(models.QuerySet["CalibrationSession"]):
    """Reads of sessions."""

    def open(self) -> "CalibrationSessionQuerySet":
        """Sessions that wait for an answer."""
        return self.filter(ended_at=None)


class CalibrationSession(models.Model):
    """One person's blind test on gold, with what it came to and the rules it was held under."""

    class Kind(models.TextChoices):
        """What the session is for."""

        QUALIFY = "qualify", _("first calibration")
        REFRESH = "refresh", _("refresher")
        CHANGED = "changed", _("changed guideline")
        PRACTICE = "practice", _("practice")

    class Result(models.TextChoices):
        """What it came to."""

        QUALIFIED = "qualified", _("qualified")
        SUPERVISED = "supervised", _("supervised")
        NOT_YET = "not_yet", _("not yet")
        DONE = "done", _("done")

    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="calibrations")
    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="calibrations"
    )
    kind = models.CharField(max_length=10, choices=Kind)
    guideline = models.ForeignKey(
        Guideline, models.PROTECT, null=True, blank=True, related_name="calibrations"
    )
    rules = models.JSONField(help_text=_("What decides, in numbers, as it was when it began."))
    plan = models.JSONField(help_text=_("Gold items in the order in which they are asked."))
    provisional = models.BooleanField(
        default=False, help_text=_("There was less unseen gold than a session wants.")
    )
    result = models.CharField(max_length=10, choices=Result, blank=True)
    right = models.PositiveSmallIntegerField(default=0)
    wrong = models.PositiveSmallIntegerField(default=0)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = CalibrationSessionQuerySet.as_manager()

    class Meta:
        ordering = ("-began_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("annotator", "campaign_language"),
                condition=models.Q(ended_at=None),
                name="one_open_calibration_a_person",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None, result="")
                | (models.Q(ended_at__isnull=False) & ~models.Q(result="")),
                name="calibration_ends_with_a_result",
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator} {self.kind} {self.result or 'open'}"


class SessionAnswer(models.Model):
    """One gold item shown to one person in a session, and what they said of it."""

    session = models.ForeignKey(CalibrationSession, models.CASCADE, related_name="answers")
    gold = models.ForeignKey(GoldItem, models.PROTECT, related_name="session_answers")
    position = models.PositiveSmallIntegerField()
    truth = models.ForeignKey(
        Label, models.PROTECT, related_name="+", help_text=_("Known answer when it was shown.")
    )
    label = models.ForeignKey(Label, models.PROTECT, null=True, blank=True, related_name="+")
    objection = models.CharField(
        _("objection"),
        max_length=500,
        blank=True,
        help_text=_("Why the person holds the known answer to be wrong."),
    )
    shown_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("session", "position")
        constraints = (
            models.UniqueConstraint(fields=("session", "position"), name="one_answer_a_position"),
            models.UniqueConstraint(fields=("session", "gold"), name="one_answer_a_gold_item"),
            models.CheckConstraint(
                condition=models.Q(label=None, answered_at=None)
                | models.Q(label__isnull=False, answered_at__isnull=False),
                name="session_answer_has_a_time",
            ),
        )

    def __str__(self) -> str:
        return f"{self.session} {self.position}: {self.label or 'open'}"


class Standing(models.Model):
    """What one person's answers are worth in one campaign, and since when."""

    class State(models.TextChoices):
        """Whether answers count, alone or beside one more."""

        NEWCOMER = "newcomer", _("newcomer")
        QUALIFIED = "qualified", _("qualified")
        SUPERVISED = "supervised", _("supervised")
        NOT_YET = "not_yet", _("not yet")

    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="standings")
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="standings")
    state = models.CharField(max_length=10, choices=State, default=State.NEWCOMER)
    since = models.DateTimeField(null=True, blank=True)
    session = models.ForeignKey(
        CalibrationSession, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ("campaign", "annotator")
        constraints = (
            models.UniqueConstraint(
                fields=("annotator", "campaign"), name="one_standing_per_campaign"
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator}: {self.get_state_display()}"


class StandingChange(models.Model):
    """How a standing came to be: append-only, with the reason and whoever decided."""

    standing = models.ForeignKey(Standing, models.CASCADE, related_name="changes")
    state = models.CharField(max_length=10, choices=Standing.State)
    reason = models.CharField(max_length=300)
    session = models.ForeignKey(
        CalibrationSession, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.standing.annotator}: {self.state} ({self.reason})"


class SecondLook(models.Model):
    """An item that one more person is asked about, since a supervised person answered it."""

    item = models.OneToOneField("annotation.Item", models.CASCADE, related_name="second_look")
    annotation = models.ForeignKey("annotation.Annotation", models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.item_id} after {self.annotation_id}"


class GoldRetirement(models.Model):
    """Why a gold item is asked no more: it has leaked, or its answer is wrong."""

    gold = models.OneToOneField(GoldItem, models.CASCADE, related_name="retirement")
    reason = models.CharField(_("reason"), max_length=300)
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.gold_id}: {self.reason}"


class GoldGlance(models.Model):
    """Gold whose answer somebody was shown who looks after people: no test of theirs any more."""

    user = models.ForeignKey(User, models.CASCADE, related_name="gold_glances")
    gold = models.ForeignKey(GoldItem, models.CASCADE, related_name="glances")
    shown_at = models.DateTimeField()

    class Meta:
        ordering = ("user", "gold")
        constraints = (
            models.UniqueConstraint(fields=("user", "gold"), name="one_glance_a_gold_item"),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.gold_id}"
