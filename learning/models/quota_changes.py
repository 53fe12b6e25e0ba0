"""Changes of a quota: who moved which knob from what to what; nothing is ever overwritten."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, User


class QuotaChange(models.Model):
    """One change of a campaign's quota; taking one back is one more change."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="quota_changes")
    number = models.PositiveIntegerField()
    before = models.JSONField(help_text=_("The knobs that moved, as they were: of the campaign."))
    after = models.JSONField(help_text=_("The same knobs, as they are since."))
    languages_before = models.JSONField(
        default=dict, blank=True, help_text=_("Tag to the knobs of that language that moved.")
    )
    languages_after = models.JSONField(default=dict, blank=True)
    undoes = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="undone_by"
    )
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "number"), name="one_quota_change_per_number"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign} · quota change {self.number}"
