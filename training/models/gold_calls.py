"""Gold calls: after a hold, the texts that native speakers are asked to make gold of."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import GoldItem, Item, Language
from training.models.gates import GateRun


class GoldCall(models.Model):
    """What one gate asked for in one language, and what could be asked."""

    gate = models.ForeignKey(GateRun, models.CASCADE, related_name="gold_calls")
    language = models.ForeignKey(Language, models.PROTECT, related_name="+")
    missing = models.PositiveIntegerField(help_text=_("Gold items the gate was short of."))
    asked = models.PositiveIntegerField(default=0, help_text=_("Texts sent out for it."))
    note = models.CharField(max_length=300, blank=True, help_text=_("Why fewer were asked."))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("gate", "language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("gate", "language"), name="one_gold_call_per_gate_and_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.language.tag}: {self.asked} of {self.missing}"


class GoldCandidate(models.Model):
    """A text on its way to become gold: two people apart have to say the same."""

    class State(models.TextChoices):
        """What became of it."""

        WAITING = "waiting", _("waiting for answers")
        GOLD = "gold", _("gold")
        DROPPED = "dropped", _("dropped")

    call = models.ForeignKey(GoldCall, models.CASCADE, related_name="candidates")
    item = models.OneToOneField(Item, models.PROTECT, related_name="gold_candidate")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=200, blank=True, help_text=_("Why it was dropped."))
    answers = models.JSONField(
        default=list, blank=True, help_text=_("[annotation id, revision] that decided.")
    )
    gold = models.OneToOneField(
        GoldItem, models.SET_NULL, null=True, blank=True, related_name="candidate"
    )
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("call", "pk")

    def __str__(self) -> str:
        return f"{self.item}: {self.state}"
