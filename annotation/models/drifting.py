"""Drift: charts of how somebody answers, and what is said about it, privately and first."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.annotations import Annotation
from annotation.models.campaigns import CampaignLanguage
from annotation.models.people import Annotator, User
from annotation.models.sessions import CalibrationSession


class DriftChart(models.Model):
    """A cumulative sum over one person's answers in one campaign; begun anew after each concern."""

    class Kind(models.TextChoices):
        """What the chart watches."""

        GOLD = "gold", _("hidden gold")
        SURPRISE = "surprise", _("answers beside others'")

    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="drift_charts")
    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="drift_charts"
    )
    kind = models.CharField(max_length=10, choices=Kind)
    level = models.FloatField(default=0.0)
    seen = models.PositiveIntegerField(default=0)
    alarmed = models.BooleanField(default=False)
    limit = models.FloatField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("annotator", "campaign_language", "kind", "-began_at")
        constraints = (
            models.UniqueConstraint(
                fields=("annotator", "campaign_language", "kind"),
                condition=models.Q(ended_at=None),
                name="one_running_chart_a_kind",
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator} {self.kind}: {self.level:.2f}"


class DriftPoint(models.Model):
    """What one answer added to a chart; each answer counts once a kind, whatever runs twice."""

    chart = models.ForeignKey(DriftChart, models.CASCADE, related_name="points")
    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="drift_points")
    kind = models.CharField(max_length=10, choices=DriftChart.Kind)
    others = models.JSONField(
        default=list, help_text=_("K probabilities of what is true, this person left out.")
    )
    said = models.PositiveSmallIntegerField(default=0, help_text=_("Position of their label."))
    step = models.FloatField()
    level = models.FloatField(help_text=_("Of the chart, after this answer."))
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("chart", "id")
        constraints = (
            models.UniqueConstraint(fields=("annotation", "kind"), name="one_drift_point_a_kind"),
        )

    def __str__(self) -> str:
        return f"{self.chart_id}: {self.step:+.2f}"


class WeeklyCounts(models.Model):
    """What somebody said where what was meant, K x K, week by week: the past fades by these."""

    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="weekly_counts")
    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="weekly_counts"
    )
    week = models.DateField(help_text=_("Its Monday."))
    counts = models.JSONField(help_text=_("K rows, true label; K columns, answer."))

    class Meta:
        ordering = ("annotator", "week")
        constraints = (
            models.UniqueConstraint(
                fields=("annotator", "campaign_language", "week"), name="one_count_a_week"
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator} {self.week}"


class Concern(models.Model):
    """A private note after an alarm, what the person says to it, and what a coordinator decides."""

    class Outcome(models.TextChoices):
        """What came of it."""

        WELL = "well", _("all is well")
        SUPERVISED = "supervised", _("one more pair of eyes")

    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="concerns")
    campaign_language = models.ForeignKey(CampaignLanguage, models.CASCADE, related_name="concerns")
    kind = models.CharField(max_length=10, choices=DriftChart.Kind)
    chart = models.OneToOneField(DriftChart, models.CASCADE, related_name="concern")
    confusions = models.JSONField(
        default=list, help_text=_("[true label, answer, times] since the chart began.")
    )
    opened_at = models.DateTimeField()
    read_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the person opened the note.")
    )
    reply = models.TextField(blank=True, max_length=2000)
    replied_at = models.DateTimeField(null=True, blank=True)
    refresher = models.OneToOneField(
        CalibrationSession, models.SET_NULL, null=True, blank=True, related_name="concern"
    )
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)
    remark = models.TextField(blank=True, max_length=2000)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("annotator", "campaign_language"),
                condition=models.Q(closed_at=None),
                name="one_open_concern_a_person",
            ),
            # Nobody comes under supervision without a person who has decided so.
            models.CheckConstraint(
                condition=~models.Q(outcome="supervised") | models.Q(decided_by__isnull=False),
                name="supervision_is_decided_by_somebody",
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator}: {self.get_kind_display()}"
