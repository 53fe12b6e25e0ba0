"""Numbers of a large campaign that are kept, because counting them takes longer than a look may."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign


class KeptNumbers(models.Model):
    """One set of numbers of a campaign as it was counted last, and how long that took."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="kept_numbers")
    name = models.CharField(_("name"), max_length=40)
    # Nothing, where a worker found that it can be counted at the look.
    value = models.JSONField(null=True)
    taken_at = models.DateTimeField()
    took_s = models.FloatField()
    # Whoever counts anew says so first, so that no two do.
    begun_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("campaign", "name")
        constraints = (models.UniqueConstraint(fields=("campaign", "name"), name="kept_once"),)

    def __str__(self) -> str:
        return f"{self.name} of {self.campaign}"
