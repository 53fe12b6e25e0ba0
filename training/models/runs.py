"""Training runs: what was learned from, by whom it is claimed, how far it is."""

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, Sample, User
from learning.models import ModelVersion, Round

if TYPE_CHECKING:
    from training.models.gates import GateRun


class DataSnapshot(models.Model):
    """The exact data of one run, by annotation revision; never changed once made."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="snapshots")
    digest = models.CharField(max_length=64)
    samples = models.PositiveIntegerField()
    fresh_samples = models.PositiveIntegerField()
    against = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Whatever is not fresh was learned by this version or one it came from."),
    )
    provenance = models.JSONField(
        default=dict,
        blank=True,
        help_text=_("Samples by licence; samples, answers and people by language."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("campaign", "digest"), name="one_snapshot_per_digest"),
        )

    def __str__(self) -> str:
        return f"{self.digest[:8]}: {self.samples} samples"


class SnapshotRow(models.Model):
    """One training sample: soft target, weight, and the revisions that it rests on."""

    snapshot = models.ForeignKey(DataSnapshot, models.CASCADE, related_name="rows")
    sample = models.ForeignKey(Sample, models.PROTECT)
    target = models.JSONField(help_text=_("K probabilities."))
    weight = models.FloatField()
    fresh = models.BooleanField(help_text=_("New since the serving version, not replay."))
    revisions = models.JSONField()
    aggregator = models.CharField(max_length=40)
    logits = models.JSONField(
        null=True, help_text=_("K logits of the version that learned it; empty: not stored.")
    )

    class Meta:
        ordering = ("snapshot", "sample_id")
        constraints = (
            models.UniqueConstraint(
                fields=("snapshot", "sample"), name="one_row_per_snapshot_and_sample"
            ),
        )
        indexes = (
            # What runs ask of all runs before them: what was learned, and what was said of it.
            models.Index(fields=("snapshot", "fresh"), name="rows_learned_first"),
            models.Index(
                fields=("sample", "-snapshot"),
                condition=models.Q(logits__isnull=False),
                name="rows_with_logits",
            ),
        )

    def __str__(self) -> str:
        return f"{self.snapshot_id}: {self.sample_id}"


class TrainingRun(models.Model):
    """One attempt to make a better version; claimed by lease and fencing token."""

    class Status(models.TextChoices):
        """Where the run stands."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        FAILED = "failed", _("failed")
        ABORTED = "aborted", _("aborted")

    class Kind(models.TextChoices):
        """What the run is to do to the version it starts from."""

        UPDATE = "update", _("learn")
        DISTIL = "distil", _("teach a smaller network")
        QUANTISE = "quantise", _("round to int8")
        PRUNE = "prune", _("drop small weights")
        MERGE = "merge", _("merge or drop adapters")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="training_runs")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.UPDATE)
    round = models.OneToOneField(
        Round, models.PROTECT, null=True, blank=True, related_name="training_run"
    )
    snapshot = models.ForeignKey(DataSnapshot, models.PROTECT, related_name="runs")
    base = models.ForeignKey(ModelVersion, models.PROTECT, related_name="runs_from_here")
    candidate = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="runs_to_here"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    seed = models.PositiveBigIntegerField()
    settings = models.JSONField(default=dict, help_text=_("Steps, rates, batch and replay."))
    token = models.PositiveIntegerField(default=0, help_text=_("Fencing token of the worker."))
    lease_until = models.DateTimeField(null=True, blank=True)
    abort_asked_at = models.DateTimeField(null=True, blank=True)
    abort_asked_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    step = models.PositiveIntegerField(default=0)
    pace = models.FloatField(
        null=True, blank=True, help_text=_("Seconds that a step takes where it runs now.")
    )
    steps_total = models.PositiveIntegerField(default=0)
    curve = models.JSONField(
        default=list,
        blank=True,
        help_text=_("[step, loss, dev metric, loss, share of draws by language tag]."),
    )
    failed_launches = models.PositiveSmallIntegerField(
        default=0,
        help_text=_("How often the launcher of several processes ended before any of them began."),
    )
    judgings = models.PositiveSmallIntegerField(
        default=0, help_text=_("How often judging was begun; one that never ends is given up.")
    )
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("campaign",),
                condition=~models.Q(kind="update") & models.Q(status__in=("queued", "running")),
                name="one_compression_at_a_time",
            ),
        )

    def __str__(self) -> str:
        return f"run {self.pk} of {self.campaign}"

    @property
    def gate(self) -> "GateRun | None":
        """The gate's newest look at what came of the run."""
        return max(self.gates.all(), key=lambda gate: gate.look, default=None)
