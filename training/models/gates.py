"""Evaluations and gates: what is measured on gold, and what follows from it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, GateMetric, GoldItem, Language
from learning.models import ModelVersion
from training.models.runs import TrainingRun


class Evaluation(models.Model):
    """One version in one language on one state of the gold set."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="evaluations")
    language = models.ForeignKey(Language, models.PROTECT)
    split = models.CharField(max_length=4, choices=GoldItem.Split, default=GoldItem.Split.GATE)
    gold_digest = models.CharField(max_length=64, help_text=_("Which gold items, and answers."))
    fitted_on = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("Digest of the development gold that its temperature was fitted on."),
    )
    items = models.PositiveIntegerField()
    accuracy = models.FloatField(null=True)
    accuracy_low = models.FloatField(null=True)
    accuracy_high = models.FloatField(null=True)
    macro_f1 = models.FloatField(null=True)
    macro_f1_low = models.FloatField(null=True)
    macro_f1_high = models.FloatField(null=True)
    kappa = models.FloatField(
        null=True, help_text=_("Quadratic weighted kappa, of grades that stand in an order.")
    )
    kappa_low = models.FloatField(null=True)
    kappa_high = models.FloatField(null=True)
    nll = models.FloatField(null=True)
    brier = models.FloatField(null=True)
    answers = models.JSONField(
        help_text=_(
            "Gold sample id to [position of the best label, probability of the truth, of the best]."
        )
    )
    by_label = models.JSONField(
        default=dict,
        help_text=_("Label key to gold, f1, precision and recall, each with its 95 % interval."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("version", "language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "language", "split", "gold_digest", "fitted_on"),
                name="one_evaluation_per_version_language_gold",
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.language.tag}"


class Verdict(models.TextChoices):
    """What a gate says."""

    PASS = "PASS", _("pass")
    HOLD = "HOLD", _("hold")
    BLOCK = "BLOCK", _("block")
    VOID = "VOID", _("void")


class GateRun(models.Model):
    """One look of the gate at a run's candidate; the decision and its reasons never change.

    A candidate that is held may be looked at again once more gold is there.
    """

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="gates")
    look = models.PositiveSmallIntegerField(default=1)
    looks = models.PositiveSmallIntegerField(
        default=1, help_text=_("How many looks there may be; each has its share of the risk.")
    )
    alpha = models.FloatField(default=0.05, help_text=_("The risk that this look may run."))
    metric = models.CharField(max_length=10, choices=GateMetric, default=GateMetric.ACCURACY)
    candidate = models.ForeignKey(ModelVersion, models.PROTECT, related_name="gates_as_candidate")
    champion = models.ForeignKey(ModelVersion, models.PROTECT, related_name="gates_as_champion")
    candidate_digest = models.CharField(max_length=64)
    margin = models.FloatField()
    terms = models.JSONField(
        default=dict,
        help_text=_("On what the first look at the candidate was decided; all keep to it."),
    )
    verdict = models.CharField(max_length=5, choices=Verdict)
    reasons = models.JSONField(default=list, help_text=_("Sentences a person can read."))
    record = models.JSONField(default=dict, help_text=_("Pooled tests, seeds, libraries."))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("run", "look"), name="one_gate_per_run_and_look"),
            models.CheckConstraint(
                condition=models.Q(look__gte=1, look__lte=models.F("looks"), looks__lte=3),
                name="gate_looks_no_oftener_than_it_may",
            ),
        )

    def __str__(self) -> str:
        return f"{self.run}: {self.verdict}"

    @property
    def looks_left(self) -> int:
        """How often the candidate may still be judged."""
        return self.looks - self.look


class GoldVersion(models.Model):
    """A gold set as it was when it first decided; worn out after twenty decisions."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="gold_versions")
    language = models.ForeignKey(Language, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    samples = models.JSONField(help_text=_("Ids of the samples that were gold then."))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign", "language__tag", "number")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "language", "number"), name="one_gold_version_per_number"
            ),
        )

    def __str__(self) -> str:
        return f"{self.language.tag} gold v{self.number}"


class GateCheck(models.Model):
    """The gate in one language: the numbers, the interval, the verdict."""

    gate = models.ForeignKey(GateRun, models.CASCADE, related_name="checks")
    language = models.ForeignKey(Language, models.PROTECT)
    items = models.PositiveIntegerField()
    fixed = models.PositiveIntegerField(help_text=_("Old wrong, new right."))
    broken = models.PositiveIntegerField(help_text=_("Old right, new wrong."))
    delta = models.FloatField()
    delta_low = models.FloatField(help_text=_("90 % interval of the difference."))
    delta_high = models.FloatField()
    harm_p = models.FloatField()
    champion_z = models.FloatField()
    anchor_z = models.FloatField(null=True)
    anchor = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    items_missing = models.PositiveIntegerField(default=0)
    gold_version = models.ForeignKey(
        GoldVersion, models.PROTECT, null=True, related_name="decisions"
    )
    gold_digest = models.CharField(max_length=64, blank=True)
    verdict = models.CharField(max_length=5, choices=Verdict)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("gate", "language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("gate", "language"), name="one_gate_check_per_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.language.tag}: {self.verdict}"


class GatePredictions(models.Model):
    """What each version said of each gold item that a gate saw, as the file that can be fetched."""

    gate = models.OneToOneField(GateRun, models.CASCADE, related_name="predictions")
    sha256 = models.CharField(max_length=64, help_text=_("Of the file, unpacked."))
    rows = models.PositiveIntegerField()
    content = models.BinaryField(help_text=_("JSON Lines, packed with gzip."))

    class Meta:
        verbose_name_plural = _("gate predictions")

    def __str__(self) -> str:
        return f"{self.gate_id}: {self.rows} rows"
