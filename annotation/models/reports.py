"""Reports: somebody says that the model is wrong, and every step until it is truly mended.

A report's state is what its last event says: the database writes it when the event arrives, and takes
it from nobody else (triggers, on SQLite and PostgreSQL).
"""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.campaigns import Campaign
from annotation.models.languages import Language
from annotation.models.people import User


class ReportState(models.TextChoices):
    """Where a report stands, in the words that whoever made it reads."""

    NEW = "new", _("on its way")
    RECEIVED = "received", _("received")
    SCREENED = "screened", _("read by a machine")
    QUARANTINED = "quarantined", _("waits for a moderator")
    NEEDS_INFO = "needs_info", _("we have a question")
    AWAITING_TRIAGE = "awaiting_triage", _("waits for speakers of the language")
    CONFIRMED = "confirmed", _("confirmed by speakers")
    COLLECTING = "collecting", _("speakers are giving examples")
    TRAINING = "training", _("in the next training")
    VERIFYING = "verifying", _("a mended model is being checked")
    FIX_PENDING_RELEASE = "fix_pending_release", _("mended, not released yet")
    RELEASED = "released", _("mended and released")
    REOPENED = "reopened", _("wrong again, and open again")
    ON_HOLD = "on_hold", _("on hold")
    MERGED = "merged", _("told by others too")
    CLOSED_FIXED = "closed_fixed", _("mended")
    CLOSED_NOT_A_DEFECT = "closed_not_a_defect", _("closed: speakers find it right")
    CLOSED_OUT_OF_SCOPE = "closed_out_of_scope", _("closed: nothing that this model does")
    CLOSED_CANNOT_REPRODUCE = "closed_cannot_reproduce", _("closed: it does not happen any more")
    CLOSED_WONT_FIX = "closed_wont_fix", _("closed: it will not be mended")
    CLOSED_SPAM = "closed_spam", _("closed: no report")
    WITHDRAWN = "withdrawn", _("taken back")


class Reason(models.TextChoices):
    """Why a report went where it went, as whoever made it is told."""

    NONE = "", _("no reason")
    RIGHT = "right", _("Speakers of the language read it and found the answer right.")
    NOT_OURS = "not_ours", _("This model is not made for that.")
    GONE = "gone", _("The model that answers now does not make this mistake.")
    NO_ANSWER = (
        "no_answer",
        _("We asked you something and heard nothing; an answer opens it again."),
    )
    NO_READER = "no_reader", _("Nobody who reads this language could look at it.")
    UNWISE = "unwise", _("To mend it would spoil more than it helps.")
    SPAM = "spam", _("It looks like advertising, or like text without a meaning.")
    DUPLICATE = "duplicate", _("Others have told us the same; you hear what becomes of theirs.")
    NOT_SOLVED = "not_solved", _("We tried and did not solve it yet.")
    FEW_EXAMPLES = "few_examples", _("Too few examples have come yet.")
    NO_RUN = "no_run", _("No training has come yet.")
    NOT_VERIFIED = "not_verified", _("Nobody could check the mended model yet.")
    NOT_RELEASED = "not_released", _("The mended model has not been released yet.")
    RED_AGAIN = "red_again", _("A check found the same mistake again.")
    PEOPLE_SAY_NO = "people_say_no", _("People told us that it is not better.")
    OVERDUE = "overdue", _("It has waited for too long.")
    APPEAL = "appeal", _("You asked that it be looked at once more.")
    ANSWERED = "answered", _("You answered our question.")
    SUSPECT = "suspect", _("A moderator looks at it first.")
    PRIVATE = "private", _("It holds private data, which a moderator removes first.")
    CROWD = (
        "crowd",
        _("Very many came in at once; it is looked at as soon as they have passed."),
    )
    CALM = "calm", _("The crowd has passed.")
    STEADY = "steady", _("It has stayed right since.")
    RESUMED = "resumed", _("Work on it goes on.")
    APART = "apart", _("It is not the same as the other report after all.")


OPEN = (
    ReportState.RECEIVED,
    ReportState.SCREENED,
    ReportState.QUARANTINED,
    ReportState.NEEDS_INFO,
    ReportState.AWAITING_TRIAGE,
    ReportState.CONFIRMED,
    ReportState.COLLECTING,
    ReportState.TRAINING,
    ReportState.VERIFYING,
    ReportState.FIX_PENDING_RELEASE,
    ReportState.RELEASED,
    ReportState.REOPENED,
    ReportState.ON_HOLD,
)
# Closed for a reason that its maker is owed.
CLOSED_UNMENDED = (
    ReportState.CLOSED_NOT_A_DEFECT,
    ReportState.CLOSED_OUT_OF_SCOPE,
    ReportState.CLOSED_CANNOT_REPRODUCE,
    ReportState.CLOSED_WONT_FIX,
    ReportState.CLOSED_SPAM,
)
CLOSED = (ReportState.CLOSED_FIXED, *CLOSED_UNMENDED)
TEXTS = ("input_text", "output_text", "expected_text", "description", "public_note")


class Severity(models.IntegerChoices):
    """How bad it is; the greater the worse."""

    LOW = 1, _("low")
    MEDIUM = 2, _("medium")
    HIGH = 3, _("high")
    CRITICAL = 4, _("critical")


class Told(models.TextChoices):
    """How bad whoever reports finds it."""

    ANNOYING = "annoying", _("It is annoying")
    WRONG = "wrong", _("It is wrong")
    HARMFUL = "harmful", _("It does harm")


class Surface(models.TextChoices):
    """By which way a report came in."""

    WEB = "web", _("report page")
    TRY = "try", _("after a try")
    API = "api", _("a program")
    ANNOTATOR = "annotator", _("an annotator, from an item")


class ReportQuerySet(models.QuerySet["Report"]):
    """Reads of reports."""

    def open(self) -> "ReportQuerySet":
        """Reports on which something is to be done."""
        return self.filter(state__in=OPEN)

    def in_language(self, campaign: Campaign, language: Language) -> "ReportQuerySet":
        """Reports of one language of a campaign."""
        return self.filter(campaign=campaign, language=language)


class Report(models.Model):
    """What somebody told; its text is never a label, and goes when its maker takes it back."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="reports")
    tag = models.CharField(
        _("language as told"), max_length=35, blank=True, help_text=_("BCP 47, as it was told.")
    )
    language = models.ForeignKey(
        Language,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="reports",
        help_text=_("Empty: none that takes part; it waits for somebody who reads it."),
    )
    dialect = models.CharField(_("dialect"), max_length=120, blank=True)
    detected_script = models.CharField(max_length=4, blank=True, help_text=_("ISO 15924."))
    detected_tag = models.CharField(
        max_length=35, blank=True, help_text=_("Language of the campaign that it looks most like.")
    )
    detected_share = models.FloatField(default=0.0)
    version_number = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Version that is said to be wrong.")
    )
    version_digest = models.CharField(max_length=64, blank=True)
    surface = models.CharField(max_length=10, choices=Surface, default=Surface.WEB)
    interface = models.CharField(max_length=35, default="en")
    input_text = models.TextField(_("text"), blank=True)
    output_text = models.TextField(_("what the model said"), blank=True)
    expected_text = models.TextField(_("what it should be"), blank=True)
    description = models.TextField(_("what is wrong"), blank=True)
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the text, normalised."))
    reasons = models.JSONField(default=list, blank=True)
    severity_told = models.CharField(max_length=10, choices=Told, default=Told.WRONG)
    severity = models.PositiveSmallIntegerField(choices=Severity, default=Severity.LOW)
    consent_train = models.BooleanField(default=False)
    consent_test = models.BooleanField(default=False)
    consent_quote = models.BooleanField(default=False)
    consent_version = models.PositiveSmallIntegerField(default=1)
    user = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="reports_made"
    )
    client = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("Keyed digest of network and kind of browser, another one every day."),
    )
    key = models.CharField(max_length=64, unique=True, help_text=_("Of the form; sent twice, one."))
    follow_digest = models.CharField(max_length=64, unique=True)
    schema_version = models.PositiveSmallIntegerField(default=1)
    spam = models.FloatField(default=0.0)
    flags = models.JSONField(default=list, blank=True, help_text=_("What screening found."))
    masked = models.BooleanField(default=False, help_text=_("Private data was taken out."))
    limited = models.BooleanField(default=False, help_text=_("Looked at before anybody sees it."))
    frozen = models.BooleanField(default=False, help_text=_("Priority does not grow with numbers."))
    unseen_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("A newcomer's, which nobody has looked at yet: till then it weighs little."),
    )
    reporters = models.PositiveIntegerField(default=1, help_text=_("Different clients."))
    state = models.CharField(max_length=30, choices=ReportState, default=ReportState.NEW)
    events = models.PositiveIntegerField(default=0)
    last_hash = models.CharField(max_length=64, blank=True)
    since = models.DateTimeField(null=True, blank=True, help_text=_("In this state."))
    duplicate_of = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="followers"
    )
    due_at = models.DateTimeField(null=True, blank=True)
    hold_until = models.DateTimeField(null=True, blank=True)
    planned = models.PositiveIntegerField(default=0, help_text=_("Neighbours to be answered."))
    attempts = models.PositiveSmallIntegerField(default=0)
    public_note = models.TextField(blank=True)
    coordinator = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    received_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)

    objects = ReportQuerySet.as_manager()

    class Meta:
        ordering = ("-received_at", "-pk")
        indexes = (
            models.Index(fields=("campaign", "language", "state"), name="report_queue"),
            models.Index(fields=("client", "received_at"), name="report_by_client"),
            models.Index(fields=("state", "since"), name="report_clock"),
            models.Index(fields=("campaign", "digest"), name="report_by_text"),
            models.Index(fields=("campaign", "language", "received_at"), name="report_by_arrival"),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state="merged", duplicate_of__isnull=False)
                | (~models.Q(state="merged") & models.Q(duplicate_of__isnull=True)),
                name="merged_reports_name_their_target",
            ),
            models.CheckConstraint(
                condition=models.Q(duplicate_of__isnull=True)
                | ~models.Q(duplicate_of=models.F("pk")),
                name="no_report_is_its_own_duplicate",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="withdrawn")
                | models.Q(
                    input_text="",
                    output_text="",
                    expected_text="",
                    description="",
                    public_note="",
                    erased_at__isnull=False,
                ),
                name="withdrawn_reports_are_empty",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ReportState.values), name="report_states_are_known"
            ),
            models.UniqueConstraint(
                fields=("campaign", "version_digest", "digest", "client"),
                condition=models.Q(state__in=OPEN) & ~models.Q(client=""),
                name="one_open_report_per_text_and_client",
            ),
        )

    def __str__(self) -> str:
        # Never the text: what names a report lands in logs.
        return f"report {self.pk}"

    @property
    def harms(self) -> list[str]:
        """Of which kinds its words are that may hurt whoever reads them; none of most."""
        found = [one for one in ("insult", "unsafe", "private") if one in self.reasons]
        if self.severity_told == Told.HARMFUL or (self.severity == Severity.CRITICAL and not found):
            found.append("harmful")
        if self.state in (ReportState.QUARANTINED, ReportState.CLOSED_SPAM):
            found.append("unseen")
        return found

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.state in OPEN


class ReportEvent(models.Model):
    """One step of a report; append-only, each holds the hash of the one before."""

    class By(models.TextChoices):
        """In which role somebody, or something, made the step."""

        SYSTEM = "system", _("the service")
        REPORTER = "reporter", _("whoever reported")
        NATIVE = "native", _("speakers")
        COORDINATOR = "coordinator", _("coordinator")
        ADMIN = "admin", _("admin")

    report = models.ForeignKey(Report, models.CASCADE, related_name="log")
    number = models.PositiveIntegerField()
    from_state = models.CharField(max_length=30, choices=ReportState)
    to_state = models.CharField(max_length=30, choices=ReportState)
    by = models.CharField(max_length=12, choices=By)
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=20, choices=Reason, blank=True)
    target = models.ForeignKey(
        Report, models.CASCADE, null=True, blank=True, related_name="+", db_constraint=False
    )
    at = models.DateTimeField()
    previous = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ("report", "number")
        constraints = (
            models.UniqueConstraint(fields=("report", "number"), name="one_event_per_number"),
            models.CheckConstraint(
                condition=~models.Q(to_state__in=CLOSED_UNMENDED) | ~models.Q(reason=""),
                name="closed_reports_tell_why",
            ),
            models.CheckConstraint(
                condition=~models.Q(to_state="merged") | models.Q(target__isnull=False),
                name="merging_events_name_their_target",
            ),
        )

    def __str__(self) -> str:
        return f"{self.report_id}.{self.number}: {self.from_state} → {self.to_state}"
