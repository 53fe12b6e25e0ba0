"""Samples: texts with their origin, licence and, for some, a known answer."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.methods.texts import shown
from annotation.models.among import Among
from annotation.models.campaigns import Campaign
from annotation.models.labels import Label
from annotation.models.languages import Language
from annotation.models.people import User

models.CharField.register_lookup(Among)


class Source(models.Model):
    """Where texts come from and under which licence."""

    name = models.CharField(_("name"), max_length=120)
    licence = models.CharField(_("licence"), max_length=80, help_text=_("SPDX identifier."))
    origin = models.CharField(_("origin"), max_length=300, blank=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("name", "licence"), name="one_source_per_name_and_licence"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.licence})"


class SampleImport(models.Model):
    """One file on its way in: what was read, kept and refused."""

    class Status(models.TextChoices):
        """Where the import stands."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")
        FAILED = "failed", _("failed")

    class OnError(models.TextChoices):
        """What happens to good rows when some are bad."""

        KEEP_GOOD = "keep_good", _("keep the good rows")
        REFUSE_ALL = "refuse_all", _("refuse the whole file")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="imports")
    filename = models.CharField(_("file"), max_length=255)
    path = models.CharField(max_length=500, help_text=_("Our own copy, removed when done."))
    digest = models.CharField(max_length=64, blank=True)
    format = models.CharField(_("format"), max_length=10)
    options = models.JSONField(default=dict, blank=True)
    on_error = models.CharField(
        _("bad rows"), max_length=10, choices=OnError, default=OnError.KEEP_GOOD
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.QUEUED)
    rows_read = models.PositiveBigIntegerField(default=0)
    rows_kept = models.PositiveBigIntegerField(default=0)
    rows_refused = models.PositiveBigIntegerField(default=0)
    rows_skipped = models.JSONField(
        default=dict, blank=True, help_text=_("Reason to count: fuzzy, obsolete, untranslated.")
    )
    last_row = models.PositiveBigIntegerField(
        default=0, help_text=_("Up to this row all is committed; a new worker goes on after it.")
    )
    bytes_read = models.PositiveBigIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    token = models.PositiveIntegerField(default=0, help_text=_("Fencing token of the worker."))
    claims = models.PositiveIntegerField(
        default=0, help_text=_("How often a worker took it and did not give it back.")
    )
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.filename} → {self.campaign}"


class RefusedRow(models.Model):
    """A row that did not come in, with the reason."""

    sample_import = models.ForeignKey(SampleImport, models.CASCADE, related_name="refused_rows")
    row = models.PositiveBigIntegerField(help_text=_("Row or line number in the file, from 1."))
    field = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=300)
    excerpt = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("sample_import", "row")
        constraints = (
            models.UniqueConstraint(
                fields=("sample_import", "row"), name="one_refusal_per_imported_row"
            ),
        )

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"


def is_ready(via: str = "") -> models.Q:
    """Whether a sample's import has ended well, or it came without one, and it was not taken back.

    ``via`` leads to the sample, such as ``"sample__"``: asked so, by a join and not by a list of
    samples within, a database that has not seen the table yet plans it well, too.
    """
    done = SampleImport.Status.DONE
    came = models.Q((f"{via}sample_import", None)) | models.Q((f"{via}sample_import__status", done))
    return came & models.Q((f"{via}withdrawn_at", None))


class SampleQuerySet(models.QuerySet["Sample"]):
    """Reads of samples."""

    def ready(self) -> "SampleQuerySet":
        """Samples whose import has ended well, or that came without one, and not taken back."""
        return self.filter(is_ready())

    def pool(self) -> "SampleQuerySet":
        """Samples that may be scored and asked about: ready, and not gold."""
        return self.ready().filter(gold=None)

    def unasked(self) -> "SampleQuerySet":
        """Samples of the pool that were never put to the desk."""
        return self.pool().filter(items=None)


class Sample(models.Model):
    """One text in one language of one campaign."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="samples")
    language = models.ForeignKey(Language, models.PROTECT, related_name="samples")
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    text = models.TextField(_("text"))
    digest = models.CharField(
        max_length=64, help_text=_("SHA-256 of the text, normalised: equal texts are asked once.")
    )
    dialect = models.CharField(_("dialect"), max_length=80, blank=True)
    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True)
    external_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - NULLs are distinct in the unique constraint
    group = models.CharField(
        max_length=200, blank=True, help_text=_("Translations of each other share a group.")
    )
    meta = models.JSONField(default=dict, blank=True)
    sample_import = models.ForeignKey(
        SampleImport, models.CASCADE, null=True, blank=True, related_name="samples"
    )
    row = models.PositiveBigIntegerField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when it is neither asked nor learned from.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SampleQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        indexes = (
            # Both hold what tells whether a sample is ready, so that a pool of millions is counted
            # without a look at its rows.
            models.Index(
                fields=("campaign", "language", "id", "sample_import", "withdrawn_at"),
                name="sample_by_language",
            ),
            # The text first, whatever its language: a gold text must not be trained on in any.
            models.Index(
                fields=("campaign", "digest", "language", "sample_import", "withdrawn_at"),
                name="sample_by_digest",
            ),
            models.Index(
                fields=("campaign", "group"), name="sample_by_group", condition=~models.Q(group="")
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "language", "external_id"), name="one_sample_per_external_id"
            ),
            models.UniqueConstraint(
                fields=("sample_import", "row"), name="one_sample_per_imported_row"
            ),
        )

    def __str__(self) -> str:
        return self.shown[:60]

    @property
    def shown(self) -> str:
        """The text as people read it: the parts of a pair under each other."""
        return shown(self.text)


class GoldQuerySet(models.QuerySet["GoldItem"]):
    """Reads of gold."""

    def present(self, campaign: int, *, language: int) -> "GoldQuerySet":
        """Gold of a language that is neither retired nor on a sample that is not ready, by keys."""
        here = self.filter(sample__campaign=campaign, sample__language=language, retired_at=None)
        return here.filter(is_ready("sample__"))


class GoldItem(models.Model):
    """A sample whose answer is known; never trained on."""

    class Split(models.TextChoices):
        """What the item is for: tuning, or judging."""

        DEV = "dev", _("development")
        GATE = "gate", _("gate")

    # Made of what speakers agreed on: it judges models, but not the people who made it.
    SPEAKERS = "speakers"

    sample = models.OneToOneField(Sample, models.CASCADE, related_name="gold")
    label = models.ForeignKey(Label, models.PROTECT)
    split = models.CharField(max_length=4, choices=Split, default=Split.GATE)
    origin = models.CharField(max_length=30, default="import")
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = GoldQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.sample} = {self.label}"
