"""Settings of calibration sessions: whether a campaign wants them, and where they let through."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class CalibrationSettings(models.Model):
    """What a campaign asks of people before their answers count; columns of the campaign."""

    calibrate = models.BooleanField(
        _("calibration sessions"),
        default=False,
        help_text=_("Answers count once a session has let their author through."),
    )
    qualify_low = models.DecimalField(
        _("not good enough"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.50"),
        validators=[MinValueValidator(Decimal("0.05")), MaxValueValidator(Decimal("0.90"))],
        help_text=_("Skill (0 guessing, 1 perfect) at which hardly anybody may be let through."),
    )
    qualify_high = models.DecimalField(
        _("good"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.80"),
        validators=[MinValueValidator(Decimal("0.10")), MaxValueValidator(Decimal("0.98"))],
        help_text=_("Skill at which hardly anybody may be turned away."),
    )
    qualify_alpha = models.DecimalField(
        _("let through wrongly"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.05"),
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(Decimal("0.30"))],
        help_text=_("At most this share of those who are not good enough."),
    )
    qualify_beta = models.DecimalField(
        _("turned away wrongly"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.10"),
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(Decimal("0.30"))],
        help_text=_("At most this share of those who are good."),
    )
    qualify_cap = models.PositiveSmallIntegerField(
        _("most questions of a session"),
        default=40,
        validators=[MinValueValidator(8), MaxValueValidator(200)],
        help_text=_("Whoever is neither by then goes on with a second pair of eyes."),
    )
    qualify_after_hours = models.PositiveSmallIntegerField(
        _("hours until the next try"),
        default=24,
        validators=[MaxValueValidator(24 * 30)],
        help_text=_("Time to read the guideline again."),
    )

    class Meta:
        abstract = True
