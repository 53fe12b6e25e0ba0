"""How a confirmed report is collected for: how many texts, how much gold among them, for how many answers."""

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.people import User
from annotation.models.reports import Report


class ReportPlan(models.Model):
    """What whoever looks after a report lets it cost; without one it is as many as for most."""

    report = models.OneToOneField(Report, models.CASCADE, related_name="plan")
    texts = models.PositiveIntegerField(help_text=_("Like it, that speakers answer."))
    gold_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(50)],
        help_text=_("So many texts whose answer is known go with a hundred of them."),
    )
    budget = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Answers at most, in all tries; empty: no limit.")
    )
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(gold_percent__lte=50), name="plans_hold_half_gold_at_most"
            ),
            models.CheckConstraint(condition=models.Q(texts__gte=1), name="plans_ask_for_texts"),
        )

    def __str__(self) -> str:
        return f"plan of {self.report}"
