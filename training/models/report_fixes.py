"""What mends a report: its regression cases, and the people's word on a mended model."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Label, Report, Sample, User
from learning.models import GeneratorVersion, ModelVersion
from training.models.cases import RegressionCase


class ReportCase(models.Model):
    """A regression case that a report brought; it stays for ever, whatever becomes of the report."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="cases")
    case = models.ForeignKey(RegressionCase, models.PROTECT, related_name="reports")
    own_words = models.BooleanField(
        default=False, help_text=_("Written by us: nothing in it is the reporter's text.")
    )
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("report", "pk")
        constraints = (
            models.UniqueConstraint(fields=("report", "case"), name="one_case_per_report_and_case"),
        )

    def __str__(self) -> str:
        return f"case {self.case_id} of {self.report}"


class Check(models.Model):
    """What checks of fixes have in common: the report's cases, and unseen texts judged blindly."""

    class State(models.TextChoices):
        """How far it is."""

        JUDGING = "judging", _("speakers compare")
        PASSED = "passed", _("mended")
        FAILED = "failed", _("not mended")

    report = models.ForeignKey(Report, models.CASCADE, related_name="%(class)ss")
    attempt = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State, default=State.JUDGING)
    cases = models.JSONField(default=list, help_text=_("[case, said, right]."))
    cases_hold = models.BooleanField(default=False)
    wins = models.PositiveIntegerField(default=0)
    losses = models.PositiveIntegerField(default=0)
    ties = models.PositiveIntegerField(default=0)
    right = models.PositiveIntegerField(default=0)
    p_value = models.FloatField(null=True)
    right_low = models.FloatField(null=True, help_text=_("Wilson's lower bound, 95 %."))
    reasons = models.JSONField(default=list)
    opened_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.report}: {self.state}"


class Verification(Check):
    """One check whether a version mends a report: its cases, and unseen texts like it."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="+")
    against = models.ForeignKey(ModelVersion, models.CASCADE, related_name="+")

    class Meta:
        ordering = ("report", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("report", "version", "attempt"), name="one_verification_per_attempt"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="passed") | models.Q(cases_hold=True),
                name="no_fix_passes_without_its_cases",
            ),
        )


class WritingCheck(Check):
    """One check whether a generator mends a report: what it writes for the cases, and for texts like it.

    Its own table, as a generator is no ModelVersion. ``cases_hold`` may wait for people's grades.
    """

    version = models.ForeignKey(GeneratorVersion, models.CASCADE, related_name="+")
    against = models.ForeignKey(GeneratorVersion, models.CASCADE, related_name="+")

    class Meta:
        ordering = ("report", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("report", "version", "attempt"), name="one_writing_check_per_attempt"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="passed") | models.Q(cases_hold=True),
                name="no_writing_passes_without_its_cases",
            ),
        )


class Choice(models.TextChoices):
    """Which of two answers is right."""

    FIRST = "first", _("only the first")
    SECOND = "second", _("only the second")
    BOTH = "both", _("both")
    NEITHER = "neither", _("neither")


class Probe(models.Model):
    """One unseen text with what the old and the new version say, sides drawn by lot."""

    verification = models.ForeignKey(Verification, models.CASCADE, related_name="probes")
    sample = models.ForeignKey(Sample, models.CASCADE, related_name="+")
    old_label = models.ForeignKey(Label, models.PROTECT, related_name="+")
    new_label = models.ForeignKey(Label, models.PROTECT, related_name="+")
    new_first = models.BooleanField()

    class Meta:
        ordering = ("verification", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("verification", "sample"), name="one_probe_per_verification_and_text"
            ),
        )

    def __str__(self) -> str:
        return f"probe {self.pk}"


class ProbeChoice(models.Model):
    """What one speaker says of a probe, without knowing which side is new."""

    Choice = Choice

    probe = models.ForeignKey(Probe, models.CASCADE, related_name="choices")
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    choice = models.CharField(max_length=8, choices=Choice)
    at = models.DateTimeField()

    class Meta:
        ordering = ("probe", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("probe", "user"), name="one_choice_per_probe_and_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.probe}: {self.choice}"


class WritingProbe(models.Model):
    """One unseen source with what the old and the new generator wrote for it, sides drawn by lot."""

    check_of = models.ForeignKey(WritingCheck, models.CASCADE, related_name="probes")
    source = models.TextField()
    old_text = models.TextField()
    new_text = models.TextField()
    new_first = models.BooleanField()

    class Meta:
        ordering = ("check_of", "pk")

    def __str__(self) -> str:
        return f"written probe {self.pk}"


class WritingChoice(models.Model):
    """What one speaker says of two texts, without knowing which is the new generator's."""

    Choice = Choice

    probe = models.ForeignKey(WritingProbe, models.CASCADE, related_name="choices")
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    choice = models.CharField(max_length=8, choices=Choice)
    at = models.DateTimeField()

    class Meta:
        ordering = ("probe", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("probe", "user"), name="one_choice_per_writing_probe_and_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.probe}: {self.choice}"
