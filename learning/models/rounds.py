"""Rounds: what was asked, of whom, why, and what each language is owed."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, CampaignLanguage, Item, Sample
from learning.models.versions import ModelVersion


class RoundQuerySet(models.QuerySet["Round"]):
    """Reads of rounds."""

    def open(self) -> "RoundQuerySet":
        """Rounds that are not over."""
        return self.exclude(status__in=Round.OVER)


class Round(models.Model):
    """One turn of the loop: score, select, collect, train, judge, promote or not."""

    class Status(models.TextChoices):
        """Which step the round is at."""

        SCORING = "scoring", _("scoring the pool")
        SELECTING = "selecting", _("selecting")
        COLLECTING = "collecting", _("collecting answers")
        TRAINING = "training", _("training")
        JUDGING = "judging", _("judging")
        CLOSED = "closed", _("closed")
        FAILED = "failed", _("failed")

    OVER = (Status.CLOSED, Status.FAILED)

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.SCORING)
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, help_text=_("The version that served when it opened.")
    )
    strategy = models.CharField(max_length=30, default="margin")
    mix = models.JSONField(
        default=dict, blank=True, help_text=_("Strategy to share; empty: the strategy alone.")
    )
    seed = models.PositiveBigIntegerField(default=0)
    request_digest = models.CharField(max_length=64, blank=True)
    target = models.PositiveIntegerField(default=0)
    shortfall = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=300, blank=True, help_text=_("Why it ended as it did."))
    close_asked_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Somebody asked to train with what is there.")
    )
    opened_at = models.DateTimeField(auto_now_add=True)
    selected_at = models.DateTimeField(null=True, blank=True)
    collected_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = RoundQuerySet.as_manager()

    class Meta:
        ordering = ("campaign", "-number")
        constraints = (
            models.UniqueConstraint(fields=("campaign", "number"), name="one_round_per_number"),
            models.UniqueConstraint(
                fields=("campaign",),
                condition=~models.Q(status__in=("closed", "failed")),
                name="one_open_round_per_campaign",
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign} · round {self.number}"


class Pick(models.Model):
    """Why one sample was asked: enough to explain it, and to undo the bias it brings."""

    class Slot(models.TextChoices):
        """Which part of the quota paid for it."""

        FLOOR = "floor", _("floor")
        WEIGHT = "weight", _("weight")
        DEBT = "debt", _("debt")
        AUDIT = "audit", _("audit")
        GOLD = "gold", _("gold")
        RELABEL = "relabel", _("asked again")

    round = models.ForeignKey(Round, models.CASCADE, related_name="picks")
    item = models.OneToOneField(Item, models.PROTECT, related_name="pick")
    rank = models.PositiveIntegerField(help_text=_("1 is asked first, within the language."))
    slot = models.CharField(max_length=8, choices=Slot)
    strategy = models.CharField(max_length=30)
    propensity = models.FloatField(
        help_text=_("Probability that this sample was picked, as the round was drawn.")
    )
    margin = models.FloatField(null=True, blank=True)
    percentile = models.FloatField(
        null=True, blank=True, help_text=_("Share of the language's pool that is less certain.")
    )
    best_label = models.CharField(max_length=60, blank=True)
    second_label = models.CharField(max_length=60, blank=True)
    duplicates = models.JSONField(
        default=list, blank=True, help_text=_("Samples with the same text that it stands for.")
    )
    nearest = models.ForeignKey(
        Sample,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The nearest of what the language was asked before."),
    )
    nearest_distance = models.FloatField(
        null=True, blank=True, help_text=_("1 minus the cosine to the nearest.")
    )
    rationale = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("round", "rank")

    def __str__(self) -> str:
        return f"{self.round} #{self.rank}"


class Allotment(models.Model):
    """What one language was due in one round, and what it got."""

    round = models.ForeignKey(Round, models.CASCADE, related_name="allotments")
    campaign_language = models.ForeignKey(
        CampaignLanguage, models.PROTECT, related_name="allotments"
    )
    target = models.FloatField(help_text=_("Exact share before rounding, debt included."))
    got = models.PositiveIntegerField()
    capped_by = models.CharField(max_length=20, blank=True)
    debt_before = models.FloatField(default=0.0)
    debt_after = models.FloatField(default=0.0)
    pool = models.PositiveIntegerField(help_text=_("Distinct texts that could be asked."))
    slope = models.FloatField(
        null=True,
        blank=True,
        help_text=_("Lower bound of what one more label gained; empty: not known yet."),
    )
    cost = models.FloatField(
        default=1.0, help_text=_("Time per answer, relative to the mean of the languages.")
    )

    class Meta:
        ordering = ("round", "campaign_language__language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("round", "campaign_language"), name="one_allotment_per_round_and_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign_language}: {self.got} of {self.target:.1f}"


class QuotaAccount(models.Model):
    """What the loop owes a language, carried from round to round."""

    campaign_language = models.OneToOneField(
        CampaignLanguage, models.CASCADE, related_name="quota_account"
    )
    debt = models.FloatField(default=0.0, help_text=_("What rounding took: less than one item."))
    owed = models.FloatField(
        default=0.0, help_text=_("What an empty pool or a lack of speakers denied, bounded.")
    )
    audit_carry = models.FloatField(
        default=0.0, help_text=_("Audit items saved up by a language with few items a round.")
    )
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.campaign_language} is owed {self.debt + self.owed:.2f}"
