"""Slices: how a version does on part of a language's gold, or on the same gold as people may type it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Language
from learning.models import ModelVersion


class Slice(models.Model):
    """One version in one language on one slice of one state of the gate's gold.

    ``beside`` is its accuracy on what the slice is held against: the same texts as they are, or
    the texts of the language that are not in the slice.
    """

    class Kind(models.TextChoices):
        """What the texts of the slice have in common, or what was done to them."""

        CLEAN = "clean", _("clean")
        SWITCHED = "switched", _("several languages in one text")
        DIALECT = "dialect", _("dialect noted")
        NO_MARKS = "no_marks", _("marks left out")
        PLAIN_KEYBOARD = "plain_keyboard", _("keyboard without special letters")
        ROMANISED = "romanised", _("written in Latin letters")

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="slices")
    language = models.ForeignKey(Language, models.PROTECT)
    kind = models.CharField(max_length=20, choices=Kind)
    gold_digest = models.CharField(max_length=64, help_text=_("Which gold items, and answers."))
    items = models.PositiveIntegerField()
    accuracy = models.FloatField()
    accuracy_low = models.FloatField()
    accuracy_high = models.FloatField()
    beside = models.FloatField(null=True)
    difference = models.FloatField(null=True)
    difference_low = models.FloatField(null=True)
    difference_high = models.FloatField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("version", "language__tag", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "language", "gold_digest", "kind"),
                name="one_slice_per_version_language_gold",
            ),
            models.CheckConstraint(
                condition=models.Q(items__gt=0), name="slice_rests_on_an_item_at_least"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.language.tag} {self.kind}"
