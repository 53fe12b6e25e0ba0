"""What a campaign may choose about its gate."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class GateMetric(models.TextChoices):
    """What the gate compares."""

    ACCURACY = "accuracy", _("accuracy")
    MACRO_F1 = "macro-f1", _("macro-F1")


class CaseRule(models.TextChoices):
    """What a broken regression case means."""

    REPORT = "report", _("it is reported")
    HOLD = "hold", _("the candidate is held")
    BLOCK = "block", _("the candidate is blocked")
