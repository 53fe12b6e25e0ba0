"""What generators learned from people, and what people found when two of them were compared."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Annotation, Campaign, Language, User
from learning.models import GeneratorVersion
from training.models.gates import Verdict

# Each look at a candidate has its share of the risk, as at other gates.
LOOKS = 3


class GeneratorLesson(models.Model):
    """One answer that a generator learned and none that it came from had; append-only."""

    version = models.ForeignKey(
        GeneratorVersion, models.CASCADE, related_name="lessons", db_index=False
    )
    annotation = models.ForeignKey(Annotation, models.PROTECT, related_name="taught")
    revision = models.PositiveIntegerField()
    licence = models.CharField(max_length=80, blank=True, help_text=_("Of the text, at the time."))
    person = models.CharField(max_length=16, help_text=_("Pseudonym of whoever answered."))

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("version", "annotation"), name="one_lesson_per_generator_and_answer"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version_id}: {self.annotation_id} r{self.revision}"


class BlindComparison(models.Model):
    """A candidate and the serving generator before people who do not know which is which.

    Until both have written, ``prompts`` wait for a worker; then ``campaign`` asks people.
    """

    home = models.ForeignKey(Campaign, models.CASCADE, related_name="blind_comparisons")
    candidate = models.ForeignKey(
        GeneratorVersion, models.PROTECT, related_name="comparisons_as_candidate"
    )
    champion = models.ForeignKey(
        GeneratorVersion, models.PROTECT, related_name="comparisons_as_champion"
    )
    campaign = models.OneToOneField(
        Campaign, models.CASCADE, null=True, blank=True, related_name="blind_comparison"
    )
    margin = models.FloatField(
        help_text=_("How far below a half the share of preferences may lie.")
    )
    prompts = models.JSONField(default=list, help_text=_("Language and source of each."))
    settings = models.JSONField(default=dict, help_text=_("Of the campaign that is to ask."))
    # No default: SQLite would make the table anew, and triggers elsewhere that name it would stop it.
    tally = models.JSONField(
        null=True,
        blank=True,
        help_text=_("Prompts by language, and for how many both wrote the same."),
    )
    metrics = models.JSONField(
        default=dict,
        help_text=_("Change of chrF by language with its interval; decides nothing."),
    )
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when both have written, or it was given up.")
    )
    error = models.TextField(blank=True)

    class Meta:
        ordering = ("home", "-asked_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(candidate=models.F("champion")), name="no_generator_and_itself"
            ),
            models.CheckConstraint(
                condition=models.Q(margin__gt=0, margin__lt=0.5), name="blind_margin_below_a_half"
            ),
            models.UniqueConstraint(
                fields=("candidate", "champion"),
                condition=models.Q(finished_at=None),
                name="one_pair_of_generators_writes_at_a_time",
            ),
        )

    def __str__(self) -> str:
        return f"{self.candidate} or {self.champion}"


class BlindVerdict(models.Model):
    """What people found at one look, and what follows; append-only.

    It is made of their choices alone. ``look`` counts those at which there were any.
    """

    comparison = models.ForeignKey(BlindComparison, models.CASCADE, related_name="verdicts")
    look = models.PositiveSmallIntegerField()
    alpha = models.FloatField(help_text=_("The risk that this look may run."))
    margin = models.FloatField()
    choices = models.PositiveIntegerField()
    candidate_digest = models.CharField(max_length=64)
    champion_digest = models.CharField(max_length=64)
    verdict = models.CharField(max_length=5, choices=Verdict)
    record = models.JSONField(
        default=dict, help_text=_("Metrics as they were shown, code, libraries, digest of choices.")
    )
    asked_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("comparison", "-look")
        constraints = (
            models.UniqueConstraint(
                fields=("comparison", "look"), name="one_blind_verdict_per_look"
            ),
            models.CheckConstraint(
                condition=models.Q(look__lte=LOOKS), name="blind_looks_no_oftener_than_it_may"
            ),
            models.CheckConstraint(
                condition=~models.Q(verdict=Verdict.PASS) | models.Q(look__gte=1, choices__gte=1),
                name="no_generator_passes_without_people",
            ),
        )

    def __str__(self) -> str:
        return f"{self.comparison}: {self.verdict}"


class BlindCheck(models.Model):
    """The people's gate in one language: counts, interval, verdict; append-only."""

    verdict_of = models.ForeignKey(BlindVerdict, models.CASCADE, related_name="checks")
    language = models.ForeignKey(Language, models.PROTECT, related_name="+")
    choices = models.PositiveIntegerField()
    raters = models.PositiveIntegerField()
    share = models.FloatField(help_text=_("How often the candidate is preferred, ties half."))
    low = models.FloatField()
    high = models.FloatField()
    harm_p = models.FloatField(help_text=_("Corrected over all languages."))
    missing = models.PositiveIntegerField(
        null=True, help_text=_("Choices that would tell; empty: no number would, or none is asked.")
    )
    verdict = models.CharField(max_length=5, choices=Verdict)
    sentence = models.CharField(max_length=500)
    numbers = models.JSONField(default=dict)

    class Meta:
        ordering = ("verdict_of", "language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("verdict_of", "language"), name="one_blind_check_per_language"
            ),
            models.CheckConstraint(
                condition=~models.Q(verdict=Verdict.PASS) | models.Q(choices__gte=2, raters__gte=2),
                name="no_language_passes_without_people",
            ),
        )

    def __str__(self) -> str:
        return f"{self.language.tag}: {self.verdict}"
