"""Settings of disagreement: how many eyes a disputed text gets, and whether it is settled at all."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

# So many people must have answered before their differing is an opinion and not an accident.
OPINIONS = 3
MOST_EYES = 25


class DisagreementSettings(models.Model):
    """What a campaign does where people do not agree; columns of the campaign."""

    most_answers = models.PositiveSmallIntegerField(
        _("most answers per item"),
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_EYES)],
        help_text=_("A disputed text is shown to so many people before a coordinator decides."),
    )
    subjective = models.BooleanField(
        _("a matter of opinion"),
        default=False,
        help_text=_("Nobody decides disputed texts: the spread of the answers is what is learned."),
    )

    class Meta:
        abstract = True
