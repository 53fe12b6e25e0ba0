"""Figures of a language under a version, taken by a worker so that pages need not compute them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, Language, User
from learning.models import ModelVersion
from training.models.gates import Evaluation


class LanguageFigures(models.Model):
    """What a version that serves is worth in one language beyond its metric, and what it took."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="figures")
    language = models.ForeignKey(Language, models.PROTECT, related_name="+")
    evaluation = models.ForeignKey(
        Evaluation,
        models.CASCADE,
        null=True,
        related_name="+",
        help_text=_("What it was taken from; empty: the language was not measured."),
    )
    ece = models.FloatField(null=True, help_text=_("Calibration error, less its own bias."))
    ece_low = models.FloatField(null=True)
    ece_high = models.FloatField(null=True)
    ece_items = models.PositiveIntegerField(default=0)
    since = models.ForeignKey(
        ModelVersion,
        models.SET_NULL,
        null=True,
        related_name="+",
        help_text=_("The first version that served: what the gain is counted from."),
    )
    gain = models.FloatField(null=True, help_text=_("Accuracy won since, on the same gold."))
    gain_low = models.FloatField(null=True)
    gain_high = models.FloatField(null=True)
    gain_items = models.PositiveIntegerField(default=0)
    slices = models.JSONField(
        default=list, help_text=_("Parts of the gold: kind, name, items, value, low, high.")
    )
    tokens_per_word = models.FloatField(null=True)
    whole_words = models.FloatField(null=True, help_text=_("Share of words that are one token."))
    words = models.PositiveIntegerField(default=0)
    premium = models.FloatField(
        null=True, help_text=_("Tokens for the same content, against the most frugal language.")
    )
    premium_low = models.FloatField(null=True)
    premium_high = models.FloatField(null=True)
    parallel = models.PositiveIntegerField(default=0)
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ("version", "language__tag")
        verbose_name_plural = _("language figures")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "language"), name="one_row_of_figures_per_version_and_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.language.tag}"


class PublicPage(models.Model):
    """Whether everybody may see where the languages of a campaign stand; nobody may by default."""

    campaign = models.OneToOneField(Campaign, models.CASCADE, related_name="public_page")
    shown = models.BooleanField(_("public"), default=False)
    changed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    changed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.campaign}: {'public' if self.shown else 'not public'}"
