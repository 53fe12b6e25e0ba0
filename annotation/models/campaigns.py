"""Campaigns: one question put to speakers of some languages."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.calibrating import CalibrationSettings
from annotation.models.disagreeing import DisagreementSettings
from annotation.models.gating import CaseRule, GateMetric
from annotation.models.languages import Language
from annotation.models.people import User


class CampaignQuerySet(models.QuerySet["Campaign"]):
    """Reads of campaigns."""

    def running(self) -> "CampaignQuerySet":
        """Campaigns whose rounds go on by themselves."""
        return self.filter(status=Campaign.Status.RUNNING)


class Campaign(CalibrationSettings, DisagreementSettings):
    """One question put to speakers of some languages until a budget or goal is reached."""

    class Status(models.TextChoices):
        """What the loop may do with the campaign."""

        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        FINISHED = "finished", _("finished")

    slug = models.SlugField(_("short name"), max_length=60, unique=True)
    title = models.CharField(_("title"), max_length=120)
    question = models.CharField(
        _("question"), max_length=300, help_text=_("What speakers are asked about each text.")
    )
    objective = models.CharField(_("kind of question"), max_length=30, default="classes")
    network = models.CharField(
        _("network"),
        max_length=200,
        default="starter",
        help_text=_("starter, or the name or path of an encoder with safetensors weights."),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT)
    seed = models.PositiveIntegerField(_("seed"), default=0)
    items_per_round = models.PositiveIntegerField(
        _("items per round"),
        default=240,
        validators=[MinValueValidator(1)],
        help_text=_("How many samples one round sends out, all languages together."),
    )
    floor_per_language = models.PositiveIntegerField(
        _("floor per language"),
        default=4,
        help_text=_("No language gets fewer items a round, as long as its pool lasts."),
    )
    audit_share = models.DecimalField(
        _("audit share"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.10"),
        validators=[MinValueValidator(Decimal("0.10")), MaxValueValidator(Decimal("0.50"))],
        help_text=_("Share of each language's items drawn uniformly at random."),
    )
    strategy = models.CharField(
        _("strategy"),
        max_length=30,
        default="margin",
        help_text=_("How the samples of one language are ranked."),
    )
    strategy_mix = models.JSONField(
        _("mixture of strategies"),
        default=dict,
        blank=True,
        help_text=_("Strategy to share, the shares summing to 1; empty: the strategy alone."),
    )
    cold_start = models.CharField(
        _("strategy of the cold start"),
        max_length=30,
        blank=True,
        help_text=_("As long as nothing was learnt from answers; empty: the strategy."),
    )
    opinion_passes = models.PositiveSmallIntegerField(
        _("passes"),
        default=10,
        validators=[MinValueValidator(2), MaxValueValidator(100)],
        help_text=_("How often the network looks at each text, for strategies that compare looks."),
    )
    slope_trust = models.DecimalField(
        _("weight of the learning curve"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0"),
        validators=[MinValueValidator(Decimal("0")), MaxValueValidator(Decimal("0.50"))],
        help_text=_("How much of the quota goes where labels still teach most; 0: equal parts."),
    )
    cost_exponent = models.DecimalField(
        _("weight of the cost"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0"),
        validators=[MinValueValidator(Decimal("0")), MaxValueValidator(Decimal("1"))],
        help_text=_("1: equal seconds of speakers' time a language; 0: equal numbers of items."),
    )
    items_per_annotator = models.PositiveIntegerField(
        _("items per annotator"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("The most that one active annotator gets a round; empty: any number."),
    )
    words_per_round = models.PositiveIntegerField(
        _("words per round"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Where marks in texts are asked: the most words that a language gets a round, at the"
            " mean length of its texts; empty: any number."
        ),
    )
    near_duplicates = models.DecimalField(
        _("near-duplicates"),
        max_digits=4,
        decimal_places=3,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.5")), MaxValueValidator(Decimal("1"))],
        help_text=_("Cosine from which two texts count as one; empty: only equal texts do."),
    )
    relabel_share = models.DecimalField(
        _("share asked again"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0"),
        validators=[MinValueValidator(Decimal("0")), MaxValueValidator(Decimal("0.50"))],
        help_text=_("Share of a language's items that asks doubtful answers once more."),
    )
    gold_share = models.DecimalField(
        _("gold share"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.10"),
        validators=[MinValueValidator(Decimal("0")), MaxValueValidator(Decimal("0.50"))],
        help_text=_("Gold items mixed in, relative to the items of a round."),
    )
    answers_per_item = models.PositiveSmallIntegerField(
        _("answers per item"), default=1, validators=[MinValueValidator(1)]
    )
    train_when_answered = models.DecimalField(
        _("train when answered"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.90"),
        validators=[MinValueValidator(Decimal("0.05")), MaxValueValidator(Decimal("1"))],
        help_text=_("Share of a round's items that must be answered before training starts."),
    )
    max_rounds = models.PositiveIntegerField(
        _("most rounds"), null=True, blank=True, help_text=_("Empty: no end.")
    )
    most_labels_per_language = models.PositiveIntegerField(
        _("most labels per language"),
        null=True,
        blank=True,
        help_text=_("A language with so many answered items has done its share. Empty: no end."),
    )
    least_gain = models.DecimalField(
        _("least gain"),
        max_digits=4,
        decimal_places=3,
        default=Decimal("0.010"),
        validators=[MinValueValidator(Decimal("0")), MaxValueValidator(Decimal("0.200"))],
        help_text=_("What 100 more labels must add to a language's accuracy to be worth asking."),
    )
    stop_automatically = models.BooleanField(
        _("stop automatically"),
        default=False,
        help_text=_("Languages that may stop get no more items; otherwise it is only advised."),
    )
    recipe = models.JSONField(
        _("recipe of training"),
        default=dict,
        blank=True,
        help_text=_(
            "How networks are fine-tuned, where it is not as they advise; empty: as they do."
        ),
    )
    margin = models.DecimalField(
        _("margin of the gate"),
        max_digits=4,
        decimal_places=3,
        default=Decimal("0.030"),
        validators=[MinValueValidator(Decimal("0.005")), MaxValueValidator(Decimal("0.100"))],
        help_text=_("The same for every language: a looser one would be the disparity itself."),
    )
    gate_metric = models.CharField(
        _("metric of the gate"),
        max_length=10,
        choices=GateMetric,
        default=GateMetric.ACCURACY,
        help_text=_("What must not fall in any language."),
    )
    gate_looks = models.PositiveSmallIntegerField(
        _("looks of the gate"),
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(3)],
        help_text=_(
            "How often one candidate may be judged as gold comes in. The looks share the risk of"
            " 5 % that a worse model passes: the more of them, the stricter each."
        ),
    )
    gold_at_once = models.PositiveSmallIntegerField(
        _("gold asked at once"),
        null=True,
        blank=True,
        help_text=_(
            "The most texts of one language that wait at the desk to become gold after a hold."
            " Empty: as many as are missing; 0: none are asked."
        ),
    )
    parity_blocks = models.BooleanField(
        _("parity decides"),
        default=False,
        help_text=_("Hold a candidate that may leave the worst language further behind the mean."),
    )
    strict_calibration = models.BooleanField(
        _("calibration must be shown"),
        default=False,
        help_text=_(
            "Hold a candidate also where gold is too short to show that its confidence stays"
            " honest; otherwise only a fall that is shown counts there."
        ),
    )
    case_rule = models.CharField(
        _("regression cases"),
        max_length=6,
        choices=CaseRule,
        default=CaseRule.BLOCK,
        help_text=_("What follows when a candidate gets a case wrong that now is right."),
    )
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(audit_share__gte=Decimal("0.10")),
                name="campaign_audits_a_tenth_at_least",
            ),
            models.CheckConstraint(
                condition=models.Q(slope_trust__gte=0, slope_trust__lte=Decimal("0.5")),
                name="campaign_trusts_slopes_by_half_at_most",
            ),
            models.CheckConstraint(
                condition=models.Q(cost_exponent__gte=0, cost_exponent__lte=1),
                name="campaign_weighs_cost_from_0_to_1",
            ),
            models.CheckConstraint(
                condition=models.Q(relabel_share__gte=0, relabel_share__lte=Decimal("0.5")),
                name="campaign_asks_half_again_at_most",
            ),
            models.CheckConstraint(
                condition=models.Q(gate_looks__gte=1, gate_looks__lte=3),
                name="campaign_looks_three_times_at_most",
            ),
        )

    def __str__(self) -> str:
        return self.title


class CampaignLanguage(models.Model):
    """A language taking part in a campaign, with its project at the desk."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="languages")
    language = models.ForeignKey(Language, models.PROTECT, related_name="campaigns")
    active = models.BooleanField(_("active"), default=True)
    most_per_round = models.PositiveIntegerField(
        _("most items per round"),
        null=True,
        blank=True,
        help_text=_("The language gets no more a round; empty: any number."),
    )
    desk_project_id = models.BigIntegerField(null=True, blank=True, unique=True)
    swept_until = models.CharField(
        max_length=40,
        blank=True,
        help_text=_("The desk's own time stamp up to which every answer was fetched."),
    )
    swept_at = models.DateTimeField(null=True, blank=True)
    desk_counters = models.JSONField(default=dict, blank=True)
    desk_batch = models.CharField(
        max_length=40, blank=True, help_text=_("Batch whose priorities order the desk now.")
    )
    desk_error = models.CharField(
        max_length=300, blank=True, help_text=_("What the desk last failed at; empty: it answers.")
    )
    desk_error_at = models.DateTimeField(null=True, blank=True)
    nudged_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Last nudge that asked for a sweep.")
    )
    patrolled_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Last time that deletions were looked for.")
    )
    pushing_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("Lease of whoever pushes; one that was not given back leaves a doubt."),
    )
    consensus_mark = models.CharField(
        max_length=120,
        blank=True,
        help_text=_("State of the answers that the consensus was fitted on."),
    )

    class Meta:
        ordering = ("campaign", "language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "language"), name="one_campaign_language_pair"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign} · {self.language.tag}"


class Guideline(models.Model):
    """What speakers of one language are told; append-only, the newest version holds."""

    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="guidelines"
    )
    version = models.PositiveIntegerField()
    text = models.TextField(_("guideline"))
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True)

    class Meta:
        ordering = ("campaign_language", "version")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign_language", "version"), name="one_guideline_per_version"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign_language} v{self.version}"


class DeskConfig(models.Model):
    """A labelling configuration as it was sent to the desk; append-only."""

    campaign_language = models.ForeignKey(
        CampaignLanguage, models.CASCADE, related_name="desk_configs"
    )
    version = models.PositiveIntegerField()
    xml = models.TextField()
    digest = models.CharField(max_length=64)
    guideline_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign_language", "version")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign_language", "version"), name="one_desk_config_per_version"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign_language} config {self.version}"
