"""What regression cases ask for, as it was said at each time; who disputes it; what was written for them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Severity, User
from learning.models import GeneratorVersion
from training.methods import predicates
from training.models.cases import RegressionCase


class CaseVersion(models.Model):
    """One version of what a case asks for; append-only, the newest holds.

    A case without any is one of before there were versions: any of its right answers, of medium weight.
    """

    class State(models.TextChoices):
        """Whether it decides."""

        ACTIVE = "active", _("decides")
        DISPUTED = "disputed", _("disputed: it is asked, and decides nothing")
        RETIRED = "retired", _("retired: it is asked no more")

    class Predicate(models.TextChoices):
        """What must hold of an answer."""

        RIGHT = predicates.RIGHT, _("is one of the right answers")
        WITHOUT = predicates.WITHOUT, _("holds none of these labels")
        SOME = predicates.SOME, _("holds one of these labels")
        LACKS = predicates.LACKS, _("holds none of these words")
        HOLDS = predicates.HOLDS, _("holds one of these words")
        LANGUAGE = predicates.LANGUAGE, _("is in the language")
        REFUSES = predicates.REFUSES, _("refuses")
        ANSWERS = predicates.ANSWERS, _("does not refuse")
        PEOPLE = predicates.PEOPLE, _("is rated 4 of 5 by speakers")

    case = models.ForeignKey(RegressionCase, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    predicate = models.CharField(max_length=10, choices=Predicate, default=Predicate.RIGHT)
    told = models.JSONField(default=list, help_text=_("Labels or words that the predicate names."))
    severity = models.PositiveSmallIntegerField(choices=Severity, default=Severity.MEDIUM)
    of_three = models.BooleanField(
        default=False, help_text=_("It differs over seeds: two of three have to be right.")
    )
    guideline_version = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    made_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ("case", "number")
        constraints = (
            models.UniqueConstraint(fields=("case", "number"), name="one_case_version_per_number"),
            models.CheckConstraint(
                condition=models.Q(state="active") | ~models.Q(reason=""),
                name="cases_are_set_aside_for_a_reason",
            ),
        )

    def __str__(self) -> str:
        return f"case {self.case_id}, version {self.number}"


class CaseDispute(models.Model):
    """A speaker says that what a case asks for is not right, or not any more."""

    case = models.ForeignKey(RegressionCase, models.CASCADE, related_name="disputes")
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(help_text=_("The version that they dispute."))
    note = models.CharField(max_length=300)
    at = models.DateTimeField()

    class Meta:
        ordering = ("case", "at", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("case", "user", "number"), name="one_dispute_per_person_and_version"
            ),
            models.CheckConstraint(condition=~models.Q(note=""), name="disputes_say_why"),
        )

    def __str__(self) -> str:
        return f"case {self.case_id} disputed"


class WrittenAnswer(models.Model):
    """What a generator wrote for a case, as visitors are answered and twice drawn; once a version."""

    case = models.ForeignKey(RegressionCase, models.CASCADE, related_name="written")
    version = models.ForeignKey(GeneratorVersion, models.CASCADE, related_name="+")
    texts = models.JSONField(default=list)
    languages = models.JSONField(default=list, help_text=_("Which each looks like."))
    learned = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        ordering = ("case", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("case", "version"), name="one_answer_per_case_and_generator"
            ),
        )

    def __str__(self) -> str:
        return f"case {self.case_id} by {self.version_id}"


class WrittenGrade(models.Model):
    """How good a speaker finds what was written for a case; the same words are rated once."""

    case = models.ForeignKey(RegressionCase, models.CASCADE, related_name="grades")
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the words, normalised."))
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    grade = models.PositiveSmallIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("case", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("case", "digest", "user"), name="one_grade_per_person_and_words"
            ),
            models.CheckConstraint(
                condition=models.Q(grade__gte=1, grade__lte=5), name="grades_go_from_one_to_five"
            ),
        )

    def __str__(self) -> str:
        return f"case {self.case_id}: {self.grade}"
