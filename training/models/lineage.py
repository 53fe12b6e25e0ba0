"""Lineage: which answers a snapshot brought that nothing before it had learned from."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Annotation
from training.models.runs import DataSnapshot


class LearnedAnswer(models.Model):
    """One answer in the snapshot that first held it; append-only.

    What a snapshot repeats is not written again: the version that it was taken against, or one
    which that came from, learned it. So the table grows with answers, not with rounds.
    """

    snapshot = models.ForeignKey(
        DataSnapshot, models.CASCADE, related_name="answers", db_index=False
    )
    annotation = models.ForeignKey(Annotation, models.PROTECT, related_name="learned")
    revision = models.PositiveIntegerField()
    licence = models.CharField(max_length=80, blank=True, help_text=_("Of the text, at the time."))
    person = models.CharField(max_length=16, help_text=_("Pseudonym of whoever answered."))

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("snapshot", "annotation"), name="one_learned_answer_per_snapshot"
            ),
        )

    def __str__(self) -> str:
        return f"{self.snapshot_id}: {self.annotation_id} r{self.revision}"
