"""What a gate goes by besides gold: its settings through time, and updates that need no gain."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, User
from training.models.runs import TrainingRun


class GateChange(models.Model):
    """One change of a campaign's gate settings, or the wish for one; the database keeps every row.

    A wish changes nothing: it takes effect when a second admin agrees to it, by one more row.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="gate_changes")
    number = models.PositiveIntegerField()
    before = models.JSONField(help_text=_("Every setting of the gate, as it was."))
    after = models.JSONField(help_text=_("Every setting of the gate, as it is since."))
    wish = models.BooleanField(default=False, help_text=_("Waits for a second admin."))
    agrees_to = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="agreed_by"
    )
    actor = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Empty: found changed by a door that says nothing of who."),
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("campaign", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "number"), name="one_gate_change_per_number"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign} · gate change {self.number}"


class Maintenance(models.Model):
    """Why an update may serve without being better: said with a name, before its gate looks."""

    run = models.OneToOneField(TrainingRun, models.CASCADE, related_name="maintenance")
    name = models.CharField(_("name"), max_length=150, help_text=_("Who says so."))
    reason = models.CharField(_("reason"), max_length=500)
    declared_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    declared_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = _("maintenance")
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(name="") & ~models.Q(reason=""),
                name="maintenance_has_a_name_and_a_reason",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"
