"""Withdrawals: answers and texts that were taken back, and at whose wish."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.people import Annotator, User
from annotation.models.samples import Sample


class Withdrawal(models.Model):
    """What is not to be learned from any more; the answers that it took back point to it."""

    annotator = models.ForeignKey(
        Annotator,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="withdrawals",
        help_text=_("Whose answers; empty: everybody's on the sample, and the sample itself."),
    )
    sample = models.ForeignKey(
        Sample,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="withdrawals",
        help_text=_("Answers on which sample; empty: all that the person has given."),
    )
    answers = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    consensus_due = models.BooleanField(
        default=False,
        help_text=_("Whether what others' answers amount to is still to be fitted without these."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(annotator__isnull=False) | models.Q(sample__isnull=False),
                name="withdrawal_of_somebody_or_something",
            ),
        )

    def __str__(self) -> str:
        whose = str(self.annotator) if self.annotator else f"sample {self.sample_id}"
        return f"{whose}: {self.answers}"
