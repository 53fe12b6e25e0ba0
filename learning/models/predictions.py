"""Predictions: what a version thinks of each sample, and the work of finding out."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, Sample
from learning.models.versions import ModelVersion


class Prediction(models.Model):
    """One sample under one version."""

    sample = models.ForeignKey(Sample, models.CASCADE, related_name="predictions")
    # Its unique constraint begins with the version: a second index would only cost writes.
    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="predictions", db_index=False
    )
    shard = models.ForeignKey(
        "ScoringShard",
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="predictions",
        help_text=_("The work that made it, which says in which arithmetic."),
    )
    logits = models.JSONField(help_text=_("K raw outputs, before any temperature."))
    margin = models.FloatField(
        help_text=_("Best minus second-best probability, after the language's temperature.")
    )
    label_position = models.PositiveSmallIntegerField(help_text=_("Position of the best label."))
    answer = models.JSONField(
        null=True, help_text=_("What is suggested, where positions and logits do not say it.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("version", "sample"), name="one_prediction_per_version_and_sample"
            ),
        )

    def __str__(self) -> str:
        return f"{self.sample_id} under {self.version_id}"


class Scoring(models.Model):
    """The work of scoring a campaign's pool with one version, cut into shards."""

    class Status(models.TextChoices):
        """Where the work stands."""

        RUNNING = "running", _("running")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped: another version serves")
        PRUNED = "pruned", _("pruned: what it said of the pool was forgotten")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="scorings")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="scorings")
    previous = models.ForeignKey(
        ModelVersion,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Its margins say what comes first; it stands in for what is not scored yet."),
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    up_to_sample = models.PositiveBigIntegerField(
        default=0, help_text=_("Highest sample id that was in the pool when the work was cut.")
    )
    samples_total = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("version",),
                condition=models.Q(status="running"),
                name="one_running_scoring_per_version",
            ),
        )

    def __str__(self) -> str:
        return f"{self.version}: {self.status}"


class ScoringShard(models.Model):
    """Samples that one worker scores: a slice of ids, or ids by name if they are likely.

    Losing a worker costs one of these.
    """

    class Status(models.TextChoices):
        """Where the shard stands."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    scoring = models.ForeignKey(Scoring, models.CASCADE, related_name="shards")
    first_id = models.PositiveBigIntegerField()
    last_id = models.PositiveBigIntegerField()
    likely = models.BooleanField(
        default=False, help_text=_("Scored first: the next round waits for no more than these.")
    )
    sample_ids = models.JSONField(
        default=list, blank=True, help_text=_("Which samples; empty means all from first to last.")
    )
    samples = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    runtime = models.CharField(
        max_length=20, blank=True, help_text=_("In which arithmetic the network answered.")
    )
    error = models.TextField(blank=True)
    spoilt = models.JSONField(
        default=list,
        blank=True,
        help_text=_("Samples for which the network had no finite answer; not tried again."),
    )

    class Meta:
        ordering = ("scoring", "-likely", "first_id")
        constraints = (
            models.UniqueConstraint(
                fields=("scoring", "likely", "first_id"), name="one_shard_per_first_sample"
            ),
        )

    def __str__(self) -> str:
        return f"{self.scoring_id}: {self.first_id}..{self.last_id} {self.status}"
