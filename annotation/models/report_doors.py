"""How whoever reported hears of it, and what a machine knows of the languages of a campaign."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign
from annotation.models.outgoing import Outgoing
from annotation.models.reports import Report, ReportEvent


class ReportWish(models.Model):
    """How often, and at what hours, whoever reported wants letters; without one, once a day."""

    class Pace(models.TextChoices):
        """How often there is a letter at most."""

        STEP = "step", _("At every step")
        DAILY = "daily", _("Once a day at most")
        WEEKLY = "weekly", _("Once a week at most")

    report = models.OneToOneField(Report, models.CASCADE, related_name="wish")
    pace = models.CharField(max_length=6, choices=Pace, default=Pace.DAILY)
    offset = models.SmallIntegerField(
        null=True, blank=True, help_text=_("Minutes ahead of UTC; empty: as it is here.")
    )
    quiet_from = models.PositiveSmallIntegerField(default=20)
    quiet_until = models.PositiveSmallIntegerField(default=8)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(quiet_from__lte=23, quiet_until__lte=23),
                name="quiet_hours_are_hours",
            ),
            models.CheckConstraint(
                condition=models.Q(offset__isnull=True) | models.Q(offset__range=(-720, 840)),
                name="clocks_differ_by_less_than_a_day",
            ),
        )

    def __str__(self) -> str:
        return f"wish of {self.report}"


class ReportBell(models.Model):
    """A browser that rings when something becomes of a report; its address is sealed."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="bells")
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the address."))
    sealed = models.TextField(help_text=_("Address and keys, sealed."))
    interface = models.CharField(max_length=35, default="en")
    made_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("report", "digest"), name="one_bell_per_report_and_browser"
            ),
        )

    def __str__(self) -> str:
        return f"bell of {self.report}"


class ReportRing(Outgoing):
    """One thing that a browser is told; claimed before it goes, so that none goes twice."""

    bell = models.ForeignKey(ReportBell, models.CASCADE, related_name="rings")
    event = models.ForeignKey(ReportEvent, models.CASCADE, related_name="rings")

    class Meta:
        ordering = ("bell", "pk")
        constraints = (
            models.UniqueConstraint(fields=("bell", "event"), name="one_ring_per_bell_and_event"),
        )

    def __str__(self) -> str:
        return f"{self.bell}: {self.state}"


class LanguageIdentifier(models.Model):
    """What tells a campaign's languages apart by their letters, learned from its own texts."""

    campaign = models.OneToOneField(Campaign, models.CASCADE, related_name="identifier")
    weights = models.BinaryField(help_text=_("As methods/identify.py packs them."))
    texts = models.PositiveIntegerField(help_text=_("That it was learned from."))
    languages = models.PositiveIntegerField()
    right = models.FloatField(help_text=_("Share of answers that were right on texts kept apart."))
    answered = models.FloatField(help_text=_("Share of texts kept apart that it dared to name."))
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"languages of {self.campaign}"
