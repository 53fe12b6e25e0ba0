"""Group sessions: several people on the same texts, then on what they saw differently."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import CampaignLanguage, Guideline
from annotation.models.labels import Label
from annotation.models.people import Annotator, User
from annotation.models.samples import Sample


class GroupSession(models.Model):
    """The same texts for several people: first each alone, then side by side."""

    class State(models.TextChoices):
        """Whether answers are still hidden from each other."""

        ANSWERING = "answering", _("each for themselves")
        DISCUSSING = "discussing", _("side by side")
        CLOSED = "closed", _("closed")

    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="group_sessions"
    )
    title = models.CharField(_("title"), max_length=120)
    state = models.CharField(max_length=10, choices=State, default=State.ANSWERING)
    guideline = models.ForeignKey(
        Guideline, models.PROTECT, null=True, blank=True, related_name="group_sessions"
    )
    led_to = models.ForeignKey(
        Guideline,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="came_from",
        help_text=_("The guideline that was written from it."),
    )
    conclusion = models.TextField(_("what was agreed on"), max_length=5000, blank=True)
    members = models.ManyToManyField(Annotator, related_name="group_sessions")
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    opened_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-opened_at", "-id")

    def __str__(self) -> str:
        return f"{self.campaign_language}: {self.title}"


class GroupText(models.Model):
    """One text of a group session."""

    session = models.ForeignKey(GroupSession, models.CASCADE, related_name="texts")
    sample = models.ForeignKey(Sample, models.PROTECT, related_name="group_texts")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("session", "position")
        constraints = (
            models.UniqueConstraint(fields=("session", "sample"), name="one_group_text_a_sample"),
            models.UniqueConstraint(
                fields=("session", "position"), name="one_group_text_a_position"
            ),
        )

    def __str__(self) -> str:
        return f"{self.session_id} {self.position}"


class GroupAnswer(models.Model):
    """What one member said of one text, and why; it counts nowhere else."""

    text = models.ForeignKey(GroupText, models.CASCADE, related_name="answers")
    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="group_answers")
    label = models.ForeignKey(Label, models.PROTECT, related_name="+")
    why = models.CharField(_("why"), max_length=500, blank=True)
    answered_at = models.DateTimeField()

    class Meta:
        ordering = ("text", "annotator")
        constraints = (
            models.UniqueConstraint(fields=("text", "annotator"), name="one_group_answer_a_member"),
        )

    def __str__(self) -> str:
        return f"{self.annotator}: {self.label}"


class GroupRemark(models.Model):
    """Something said while discussing; of one text, or of the session."""

    session = models.ForeignKey(GroupSession, models.CASCADE, related_name="remarks")
    text = models.ForeignKey(
        GroupText, models.CASCADE, null=True, blank=True, related_name="remarks"
    )
    author = models.ForeignKey(User, models.PROTECT, related_name="+")
    says = models.CharField(_("remark"), max_length=2000)
    token = models.CharField(
        max_length=36, help_text=_("Made with the form, so that sending twice says it once.")
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("session", "at", "id")
        constraints = (
            models.UniqueConstraint(fields=("session", "token"), name="one_remark_a_form"),
        )

    def __str__(self) -> str:
        return f"{self.author}: {self.says[:60]}"
