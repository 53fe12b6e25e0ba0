"""Embeddings: which files hold them, and which texts of a language are nearly the same."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import CampaignLanguage, Language
from learning.models.predictions import ScoringShard
from learning.models.versions import ModelVersion


class EmbeddingShard(models.Model):
    """The file with the embeddings of one shard's samples; without this row a file is nothing."""

    shard = models.OneToOneField(ScoringShard, models.CASCADE, related_name="embeddings")
    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="embedding_shards", db_index=False
    )
    path = models.CharField(max_length=200, help_text=_("File within the embeddings storage."))
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the file."))
    samples = models.PositiveIntegerField()
    width = models.PositiveIntegerField(help_text=_("Numbers in one embedding."))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("version", "shard")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "shard"), name="one_embedding_shard_per_version_and_shard"
            ),
        )

    def __str__(self) -> str:
        return self.path


class DuplicateSearch(models.Model):
    """The work of finding one language's near-duplicates among a version's embeddings."""

    class Status(models.TextChoices):
        """Where the search stands."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="duplicate_searches")
    language = models.ForeignKey(Language, models.CASCADE, related_name="+")
    embeddings = models.PositiveBigIntegerField(
        default=0, help_text=_("How many embeddings there were when it was asked for.")
    )
    threshold = models.DecimalField(
        max_digits=4, decimal_places=3, null=True, help_text=_("Cosine that was searched for.")
    )
    fingerprint = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("Of every embedding that was searched: the same ones have the same groups."),
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    groups = models.PositiveIntegerField(default=0)
    texts = models.PositiveIntegerField(default=0, help_text=_("Distinct texts in the groups."))
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("version", "language__tag")
        constraints = (
            models.UniqueConstraint(
                fields=("version", "language"), name="one_duplicate_search_per_version_and_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.language.tag}: {self.status}"


class NearDuplicate(models.Model):
    """A text that is nearly the same as others of its language in the campaign.

    Texts are named by digest, not samples, so that every copy belongs, whenever it came.
    """

    home = models.ForeignKey(CampaignLanguage, models.CASCADE, related_name="near_duplicates")
    digest = models.CharField(max_length=64)
    group = models.CharField(max_length=64, help_text=_("Smallest digest of its group."))

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("home", "digest"), name="one_duplicate_group_per_language_and_text"
            ),
        )

    def __str__(self) -> str:
        return f"{self.digest[:8]} in {self.group[:8]}"
