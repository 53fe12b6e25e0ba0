"""Where people do not agree: what they say instead of answering, and what coordinators decide."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.annotations import Annotation
from annotation.models.labels import Label
from annotation.models.people import User
from annotation.models.samples import Sample

Flag = Annotation.Flag


class Objection(models.Model):
    """What people say of one text instead of answering; a coordinator decides what follows.

    Nobody is asked about the text while it is set aside; what was answered is kept.
    """

    class State(models.TextChoices):
        """Where it stands."""

        OPEN = "open", _("open")
        KEPT = "kept", _("the text stays")
        SET_ASIDE = "set_aside", _("the text is set aside")
        DROPPED = "dropped", _("nobody says so any more")

    sample = models.ForeignKey(Sample, models.CASCADE, related_name="objections")
    kind = models.CharField(max_length=20, choices=[choice for choice in Flag.choices if choice[0]])
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    voices = models.PositiveIntegerField(default=0, help_text=_("How many people say so now."))
    set_aside_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when it keeps the text from being asked.")
    )
    opened_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-opened_at", "-id")
        indexes = (
            models.Index(
                fields=("kind", "opened_at"),
                name="open_objection",
                condition=models.Q(state="open"),
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=("sample", "kind"), name="one_objection_of_a_kind"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.sample}"


class Adjudication(models.Model):
    """The answer that a coordinator gave to a disputed text; append-only, the newest holds.

    It trains, and says how far people can be relied on; it is not gold and judges no model,
    for disputed texts are no fair draw of what people write.
    """

    sample = models.ForeignKey(Sample, models.CASCADE, related_name="adjudications")
    label = models.ForeignKey(Label, models.PROTECT)
    reason = models.CharField(_("reason"), max_length=500)
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-decided_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("sample",),
                condition=models.Q(undone_at__isnull=True),
                name="one_standing_adjudication",
            ),
        )

    def __str__(self) -> str:
        return f"{self.sample} = {self.label}"
