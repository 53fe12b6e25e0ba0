"""Consensus: what people agreed on, and how far each can be relied on."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign, CampaignLanguage
from annotation.models.labels import Label
from annotation.models.people import Annotator
from annotation.models.samples import Sample


class Reliability(models.Model):
    """How one person answers one campaign's question, estimated with its uncertainty."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="reliabilities")
    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="reliabilities")
    confusion = models.JSONField(help_text=_("K rows, true label; K columns, answer."))
    competent = models.FloatField(help_text=_("Probability of being a competent annotator."))
    skill = models.FloatField(help_text=_("Chance-adjusted accuracy: 1 perfect, 0 guessing."))
    skill_low = models.FloatField()
    skill_high = models.FloatField()
    answers = models.PositiveIntegerField()
    gold_answers = models.PositiveIntegerField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("campaign", "annotator")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "annotator"), name="one_reliability_per_campaign"
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator} {self.skill:.2f}"


class AloneEstimate(models.Model):
    """How somebody answers in one language as its own answers tell, for their other languages.

    Coarse, so that a language is only estimated anew when what it takes over has visibly moved.
    """

    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="alone_estimates"
    )
    annotator = models.ForeignKey(Annotator, models.CASCADE, related_name="alone_estimates")
    confusion = models.JSONField(help_text=_("K rows, true label; K columns, answer; in steps."))
    competent = models.FloatField(help_text=_("Probability of being competent, in steps."))
    answers = models.PositiveIntegerField(help_text=_("In steps of half as many again."))

    class Meta:
        ordering = ("campaign_language", "annotator")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign_language", "annotator"), name="one_alone_estimate_a_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.annotator} {self.competent:.2f}"


class Consensus(models.Model):
    """The agreed answer on one sample: soft, weighted, and traceable to revisions.

    ``people`` comes from people only and serves statistics; ``with_model`` used the
    model as a prior and may only train. Neither may ever judge a model: gold does.
    """

    sample = models.OneToOneField(Sample, models.CASCADE, related_name="consensus")
    people = models.JSONField(help_text=_("K probabilities from answers alone."))
    with_model = models.JSONField(
        null=True, blank=True, help_text=_("K probabilities with the model as prior.")
    )
    label = models.ForeignKey(Label, models.PROTECT, help_text=_("Most probable, people only."))
    confidence = models.FloatField(help_text=_("Probability of that label, people only."))
    weight = models.FloatField(help_text=_("1 - H(q) / log K of the training target."))
    answers = models.PositiveIntegerField()
    disputed = models.BooleanField(default=False)
    revisions = models.JSONField(help_text=_("[annotation id, revision] that it rests on."))
    aggregator = models.CharField(max_length=40)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = _("consensus")

    def __str__(self) -> str:
        return f"{self.sample} = {self.label} ({self.confidence:.2f})"
