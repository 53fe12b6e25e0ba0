"""Stops: what tells whether a language has learned what labels can teach, and what is said of it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, CampaignLanguage, Language, User
from learning.models.rounds import Round
from learning.models.versions import ModelVersion


class StopReading(models.Model):
    """What one version says of the language's stop set: the same unasked samples every time."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="stop_readings")
    language = models.ForeignKey(Language, models.PROTECT)
    answers = models.JSONField(help_text=_("Sample id to position of the best label."))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("version", "language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "language"), name="one_stop_reading_per_version_and_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.language.tag}: {len(self.answers)} samples"


class StopDecisionQuerySet(models.QuerySet["StopDecision"]):
    """Reads of decisions."""

    def newest(self, campaign: Campaign) -> "dict[int, StopDecision]":
        """What was said last of each language, by the id of its campaign language."""
        rows = self.filter(campaign_language__campaign=campaign).select_related("round")
        return {row.campaign_language_id: row for row in rows.order_by("round__number")}

    def stopped(self, campaign: Campaign) -> set[int]:
        """The campaign languages that get no more items, by id; none unless the campaign says so.

        A budget that was raised since counts at once; a language that is kept open goes on.
        """
        if not campaign.stop_automatically:
            return set()
        newest = self.newest(campaign)
        return {home for home, said in newest.items() if said.holds_for(campaign)}


class StopDecision(models.Model):
    """Whether one language may stop after one round, with every number it rests on."""

    class Verdict(models.TextChoices):
        """What follows."""

        GO_ON = "go_on", _("go on")
        STOP = "stop", _("may stop")

    class Cause(models.TextChoices):
        """Why it may stop."""

        NONE = "", _("none")
        LEARNED = "learned", _("more labels would hardly teach anything")
        BUDGET = "budget", _("its labels are spent")

    round = models.ForeignKey(Round, models.CASCADE, related_name="stop_decisions")
    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="stop_decisions"
    )
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, help_text=_("The candidate that the round made.")
    )
    verdict = models.CharField(max_length=5, choices=Verdict)
    cause = models.CharField(max_length=7, choices=Cause, blank=True)
    labels = models.PositiveIntegerField(help_text=_("Answered items of the language so far."))
    gain = models.FloatField(null=True, help_text=_("What 100 more labels would add to accuracy."))
    gain_low = models.FloatField(null=True)
    gain_high = models.FloatField(null=True)
    guards = models.JSONField(
        default=list, help_text=_("Each guard: name, whether it holds, its number, its bound.")
    )
    facts = models.JSONField(
        default=dict, help_text=_("The numbers of this round from which it can be replayed.")
    )
    kept_open = models.BooleanField(
        default=False, help_text=_("Somebody wants the language asked all the same.")
    )
    kept_open_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = StopDecisionQuerySet.as_manager()

    class Meta:
        ordering = ("round", "campaign_language__language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("round", "campaign_language"), name="one_stop_decision_per_round"
            ),
            models.CheckConstraint(
                condition=models.Q(verdict="go_on", cause="")
                | (models.Q(verdict="stop") & ~models.Q(cause="")),
                name="a_stop_has_a_cause",
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign_language}: {self.get_verdict_display()}"

    def holds_for(self, campaign: Campaign) -> bool:
        """Whether the language may stop, as the campaign's budget is now and nobody objects."""
        budget = campaign.most_labels_per_language
        spent = self.cause != self.Cause.BUDGET or (budget is not None and self.labels >= budget)
        return self.verdict == self.Verdict.STOP and spent and not self.kept_open


class SelectionGain(models.Model):
    """What asking chosen samples gained over asking random ones in a language, up to a round."""

    round = models.ForeignKey(Round, models.CASCADE, related_name="selection_gains")
    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="selection_gains"
    )
    labels = models.PositiveIntegerField(help_text=_("Labels that each of the two learned from."))
    gold = models.PositiveIntegerField(help_text=_("Gold items that both were measured on."))
    value = models.FloatField(
        null=True, help_text=_("Accuracy with chosen labels less that with random ones.")
    )
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    chosen = models.FloatField(null=True, help_text=_("Accuracy with chosen labels."))
    chosen_low = models.FloatField(null=True)
    chosen_high = models.FloatField(null=True)
    random = models.FloatField(null=True, help_text=_("Accuracy with as many random labels."))
    random_low = models.FloatField(null=True)
    random_high = models.FloatField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("round", "campaign_language__language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("round", "campaign_language"), name="one_selection_gain_per_round"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign_language}: {self.value}"
