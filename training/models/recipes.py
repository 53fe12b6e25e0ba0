"""Changes of a recipe: who set what for the training of a campaign; nothing is ever overwritten."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, User


class RecipeChange(models.Model):
    """One change of a campaign's recipe; what is missing on a side was as the network advises."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="recipe_changes")
    number = models.PositiveIntegerField()
    before = models.JSONField(default=dict, help_text=_("The settings that moved, as they were."))
    after = models.JSONField(default=dict, help_text=_("The same settings, as they are since."))
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "number"), name="one_recipe_change_per_number"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign} · recipe change {self.number}"

    def moves(self) -> list[tuple[str, Any, Any]]:
        """Return what moved, from what to what; ``None`` is as the network advises."""
        names = sorted({*self.before, *self.after})
        return [(name, self.before.get(name), self.after.get(name)) for name in names]
