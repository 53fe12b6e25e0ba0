"""Generators: networks that write, as versions with a past, and which of them serves."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, User
from learning.models.versions import Deployment


class GeneratorVersion(models.Model):
    """Weights that write; the texts they write are what the campaign's speakers judge.

    It is no ModelVersion: that answers its campaign's question, and everything that walks a campaign's
    versions (scoring, gold, gate, figures, pruning) asks it for probabilities of labels. A
    campaign of ratings has both, one network that rates and one that writes, each with a pointer of
    its own. Bytes, digests and identities are the same storage's and the same function's.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="generators")
    number = models.PositiveIntegerField(help_text=_("1, 2, 3 … within the campaign."))
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the stored bytes."))
    network = models.CharField(max_length=200, help_text=_("What it was opened by."))
    base = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="descendants"
    )
    identity = models.CharField(
        max_length=64, help_text=_("SHA-256 of the bytes, the manifest and the base together.")
    )
    path = models.CharField(max_length=500, help_text=_("Folder within the weights storage."))
    manifest = models.JSONField(
        default=dict, help_text=_("What the weights are made of: recipe, lessons, libraries.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign", "number")
        constraints = (
            models.UniqueConstraint(fields=("campaign", "number"), name="one_generator_per_number"),
            models.UniqueConstraint(fields=("campaign", "digest"), name="one_generator_per_digest"),
        )

    def __str__(self) -> str:
        return f"{self.campaign.slug}@{self.number}"


class GeneratorDeploymentQuerySet(models.QuerySet["GeneratorDeployment"]):
    """Reads of deployments."""

    def serving(self, campaign: Campaign) -> "GeneratorDeployment | None":
        """The deployment that holds now: the newest row."""
        found = self.filter(campaign=campaign).select_related("version__campaign")
        return found.order_by("-number").first()


class GeneratorDeployment(models.Model):
    """One move of the pointer that says which generator serves; append-only.

    The database lets none be promoted whom people did not pass, and none be gone back to that
    never served (migration 0021 of training).
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="generator_deployments")
    number = models.PositiveIntegerField()
    version = models.ForeignKey(GeneratorVersion, models.PROTECT, related_name="deployments")
    kind = models.CharField(max_length=10, choices=Deployment.Kind)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = GeneratorDeploymentQuerySet.as_manager()

    class Meta:
        ordering = ("campaign", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "number"), name="one_generator_deployment_per_number"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} ({self.kind})"
