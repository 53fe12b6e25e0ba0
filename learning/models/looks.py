"""Looks: what a round finds out of a few texts beyond their predictions, before it chooses."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Sample
from learning.models.rounds import Round


class Look(models.Model):
    """The work of looking closely at a shortlist of the pool; a round waits for it."""

    class Kind(models.TextChoices):
        """What is found out, by the name that the selection has for it."""

        OPINIONS = "mc", _("several passes of the network")
        SURPRISE = "surprise", _("what surprises the language model")

    class Status(models.TextChoices):
        """Where the work stands."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    round = models.ForeignKey(Round, models.CASCADE, related_name="looks")
    kind = models.CharField(max_length=10, choices=Kind)
    passes = models.PositiveSmallIntegerField(help_text=_("How often each text is looked at."))
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    texts = models.PositiveIntegerField(default=0, help_text=_("How many were looked at."))
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("round", "kind")
        constraints = (
            models.UniqueConstraint(fields=("round", "kind"), name="one_look_per_round_and_kind"),
        )

    def __str__(self) -> str:
        return f"{self.round}: {self.kind} {self.status}"


class LookedAt(models.Model):
    """What was found out of one sample; with these rows the round can be chosen again."""

    look = models.ForeignKey(Look, models.CASCADE, related_name="samples", db_index=False)
    sample = models.ForeignKey(Sample, models.CASCADE, related_name="+")
    numbers = models.JSONField(help_text=_("T x K probabilities, or a surprise vector."))

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("look", "sample"), name="one_row_per_look_and_sample"),
        )

    def __str__(self) -> str:
        return f"{self.sample_id} in {self.look_id}"
