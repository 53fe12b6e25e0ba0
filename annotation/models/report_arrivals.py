"""How a report came in, who said so together, and what moderators have had to read."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign
from annotation.models.people import User
from annotation.models.reports import Report


class ReportArrival(models.Model):
    """How a report came in, as far as that decides who looks at it first; erased with its words."""

    report = models.OneToOneField(Report, models.CASCADE, related_name="arrival")
    crowd = models.BooleanField(
        default=False,
        help_text=_("Held back only since very many came at once; out again when they have gone."),
    )
    proven = models.BooleanField(
        default=False, help_text=_("Its browser did a short sum, as in a crowd it is asked to.")
    )
    first = models.ForeignKey(
        Report,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="told_later",
        help_text=_("First report of the same maker, who told this one from its secret page."),
    )

    def __str__(self) -> str:
        return f"arrival of {self.report}"


class ReportBrigade(models.Model):
    """Newcomers who said nearly the same within an hour: their number raises no priority."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="report_brigades")
    reports = models.ManyToManyField(Report, related_name="brigades")
    found_at = models.DateTimeField()
    undone_by = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Who found that they are people who met the same mistake."),
    )
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(undone_at__isnull=True, undone_by__isnull=True)
                | models.Q(undone_at__isnull=False, undone_by__isnull=False),
                name="somebody_undoes_a_brigade",
            ),
        )

    def __str__(self) -> str:
        return f"brigade {self.pk}"


class ModeratorWish(models.Model):
    """Which hard texts a person would have shown at once, and how many more today."""

    user = models.OneToOneField(User, models.CASCADE, related_name="moderator_wish")
    shown = models.JSONField(default=list, help_text=_("Kinds of hard texts that are not veiled."))
    more = models.PositiveIntegerField(default=0, help_text=_("More than the limit, on that day."))
    more_on = models.DateField(null=True, blank=True)

    def __str__(self) -> str:
        return f"wish of {self.user}"


class ReportSight(models.Model):
    """A hard text stood on a page that somebody had before them on a day; counted, then gone."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    report = models.ForeignKey(Report, models.CASCADE, related_name="+")
    day = models.DateField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user", "day", "report"), name="one_sight_per_person_day_and_report"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} on {self.day}: {self.report}"
