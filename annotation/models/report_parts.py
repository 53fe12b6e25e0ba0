"""What belongs to a report: who to write to, what speakers say, what it led to."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign
from annotation.models.items import Item
from annotation.models.outgoing import Outgoing
from annotation.models.people import User
from annotation.models.reports import Report, ReportEvent
from annotation.models.samples import Sample


class PublicDoor(models.Model):
    """Whether a campaign's model may be tried, and reported, by anybody."""

    campaign = models.OneToOneField(Campaign, models.CASCADE, related_name="public_door")
    open = models.BooleanField(_("open to everybody"), default=False)
    burst_until = models.DateTimeField(
        null=True, blank=True, help_text=_("Until then every report is looked at before it counts.")
    )
    changed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.campaign}: {'open' if self.open else 'closed'}"


class ReportContact(models.Model):
    """Where to write to, sealed with a key of this installation; gone when it is over."""

    report = models.OneToOneField(Report, models.CASCADE, related_name="contact")
    sealed = models.TextField()
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Set when the report is closed: ninety days later.")
    )

    def __str__(self) -> str:
        return f"contact of {self.report}"


class ReportOriginal(models.Model):
    """What was told before private data was taken out: sealed, for two people together."""

    report = models.OneToOneField(Report, models.CASCADE, related_name="original")
    sealed = models.TextField()
    asked_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    agreed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(agreed_by__isnull=True)
                | (models.Q(asked_by__isnull=False) & ~models.Q(agreed_by=models.F("asked_by"))),
                name="originals_are_opened_by_two",
            ),
        )

    def __str__(self) -> str:
        return f"original of {self.report}"


class ReportMessage(models.Model):
    """A question to whoever reported, or their answer; erased with the report."""

    class Kind(models.TextChoices):
        """Who speaks."""

        QUESTION = "question", _("question")
        ANSWER = "answer", _("answer")

    report = models.ForeignKey(Report, models.CASCADE, related_name="messages")
    kind = models.CharField(max_length=8, choices=Kind)
    template = models.CharField(max_length=20, blank=True, help_text=_("Which question it is."))
    text = models.TextField(blank=True)
    written_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ("report", "at", "pk")

    def __str__(self) -> str:
        return f"{self.kind} of {self.report}"


class ReportVote(models.Model):
    """What one native speaker says of a report, or of whether it is better now."""

    class About(models.TextChoices):
        """What was asked."""

        DEFECT = "defect", _("is it wrong?")
        BETTER = "better", _("is it better?")

    class Verdict(models.TextChoices):
        """What was said."""

        YES = "yes", _("yes")
        NO = "no", _("no")
        UNSURE = "unsure", _("cannot tell")

    report = models.ForeignKey(Report, models.CASCADE, related_name="votes")
    about = models.CharField(max_length=8, choices=About, default=About.DEFECT)
    voter = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Empty: whoever reported, by the follow link."),
    )
    verdict = models.CharField(max_length=8, choices=Verdict)
    confidence = models.PositiveSmallIntegerField(default=2)
    note = models.CharField(max_length=500, blank=True)
    guideline_version = models.PositiveIntegerField(default=0)
    version_number = models.PositiveIntegerField(null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ("report", "at", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("report", "about", "voter"),
                condition=models.Q(voter__isnull=False),
                name="one_vote_per_person_and_report",
            ),
            models.UniqueConstraint(
                fields=("report", "about"),
                condition=models.Q(voter__isnull=True),
                name="one_vote_of_who_reported",
            ),
        )

    def __str__(self) -> str:
        return f"{self.report}: {self.about} {self.verdict}"


class ReportLink(models.Model):
    """From a report to what it led to; what other apps made is named, and looked up there."""

    class Kind(models.TextChoices):
        """What it led to."""

        NEIGHBOUR = "neighbour", _("text like it that speakers answer")
        GOLD = "gold", _("text with a known answer beside them")
        PROBE = "probe", _("unseen text like it, to check a fix on")
        CASE = "case", _("regression case")
        RUN = "run", _("training run")
        VERSION = "version", _("model version")
        VERIFIED = "verified", _("version on which a fix was verified")
        FAILED = "failed", _("version on which it was not")
        SAME = "same", _("same phenomenon in another language")

    report = models.ForeignKey(Report, models.CASCADE, related_name="links")
    kind = models.CharField(max_length=10, choices=Kind)
    sample = models.ForeignKey(Sample, models.CASCADE, null=True, blank=True, related_name="+")
    item = models.ForeignKey(Item, models.CASCADE, null=True, blank=True, related_name="+")
    ref = models.CharField(max_length=40, blank=True, help_text=_("Number in its own app."))
    attempt = models.PositiveSmallIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        ordering = ("report", "at", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("report", "kind", "sample"),
                condition=models.Q(sample__isnull=False),
                name="one_link_per_report_and_sample",
            ),
            models.UniqueConstraint(
                fields=("report", "kind", "ref"),
                condition=models.Q(sample__isnull=True),
                name="one_link_per_report_and_thing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.report} → {self.kind} {self.ref or self.sample_id}"


class Reproduction(models.Model):
    """What one version said of a report's text when it was asked again."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="reproductions")
    version_number = models.PositiveIntegerField()
    version_digest = models.CharField(max_length=64)
    label = models.CharField(max_length=200)
    told = models.JSONField(default=dict, help_text=_("Confidence and probabilities."))
    still_wrong = models.BooleanField()
    seed = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        ordering = ("report", "-at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("report", "version_digest"), name="one_reproduction_per_version"
            ),
        )

    def __str__(self) -> str:
        return f"{self.report} on v{self.version_number}"

    @property
    def said(self) -> str:
        """What it said in words of the report's language."""
        return str(self.told.get("name") or self.label)


class Workaround(models.Model):
    """Harm is kept off until it is mended: the model does not answer texts like this one."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="workarounds")
    note = models.CharField(max_length=300)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("report", "-made_at")
        constraints = (
            models.UniqueConstraint(
                fields=("report",),
                condition=models.Q(ended_at__isnull=True),
                name="one_standing_workaround_per_report",
            ),
        )

    def __str__(self) -> str:
        return f"workaround of {self.report}"


class ReportLetter(Outgoing):
    """One thing to tell whoever reported, or a follower; its event makes it one, asked twice."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="letters")
    event = models.ForeignKey(ReportEvent, models.CASCADE, related_name="letters")

    class Meta:
        ordering = ("report", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("report", "event"), name="one_letter_per_report_and_event"
            ),
        )

    def __str__(self) -> str:
        return f"{self.report}: {self.state}"


class ReportGlance(models.Model):
    """Somebody saw a report's text and another's before they were made one."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="glances")
    other = models.ForeignKey(Report, models.CASCADE, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("report", "other", "user"), name="one_glance_per_pair_and_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.report} beside {self.other}"
