"""Regression cases: what once was wrong, or must never be, checked at every gate."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.methods.texts import shown
from annotation.models import Campaign, GoldItem, Label, Language, Severity, User
from training.models.gates import GateRun


class RegressionCase(models.Model):
    """A text with the labels of which any is right; never trained on."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="regression_cases")
    language = models.ForeignKey(Language, models.PROTECT, related_name="+")
    text = models.TextField(_("text"))
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the text, normalised."))
    expected = models.ManyToManyField(
        Label, related_name="+", verbose_name=_("right answers"), help_text=_("Any is right.")
    )
    source = models.CharField(_("where it comes from"), max_length=200, blank=True)
    gold = models.ForeignKey(
        GoldItem, models.SET_NULL, null=True, blank=True, related_name="regression_cases"
    )
    active = models.BooleanField(_("active"), default=True)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign", "language__tag", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "language", "digest"), name="one_case_per_text"
            ),
        )

    def __str__(self) -> str:
        return shown(self.text)[:60]


class CaseCheck(models.Model):
    """What champion and candidate said of one case at one gate."""

    gate = models.ForeignKey(GateRun, models.CASCADE, related_name="case_checks")
    case = models.ForeignKey(RegressionCase, models.CASCADE, related_name="checks")
    champion_label = models.ForeignKey(Label, models.PROTECT, related_name="+")
    candidate_label = models.ForeignKey(Label, models.PROTECT, related_name="+")
    champion_right = models.BooleanField()
    candidate_right = models.BooleanField()
    learned = models.BooleanField(
        default=False,
        help_text=_("The candidate learned the text, or nearly the same: it is no evidence."),
    )
    # No default: SQLite would make the table anew.
    terms = models.JSONField(
        null=True, blank=True, help_text=_("Version, severity, and whether it was disputed.")
    )

    class Meta:
        ordering = ("gate", "case")
        constraints = (
            models.UniqueConstraint(fields=("gate", "case"), name="one_check_per_gate_and_case"),
        )

    def __str__(self) -> str:
        return f"{self.case}: {self.champion_label} -> {self.candidate_label}"

    @property
    def broken(self) -> bool:
        """Whether the candidate spoils what was right, on a text that it had not learned.

        A case that speakers dispute decides nothing.
        """
        spoilt = self.champion_right and not self.candidate_right and not self.learned
        return spoilt and not self.disputed

    @property
    def disputed(self) -> bool:
        """Whether speakers disputed what it asks for, when the gate looked."""
        return bool((self.terms or {}).get("disputed"))

    @property
    def severity(self) -> int:
        """How bad it was that it came back, when the gate looked."""
        return int((self.terms or {}).get("severity", Severity.MEDIUM))

    @property
    def mends(self) -> bool:
        """Whether the candidate gets right what somebody reported, on a text that it had not learned."""
        right = self.candidate_right and not self.champion_right and not self.learned
        return right and bool(self.case.reports.all())
