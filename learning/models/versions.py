"""Model versions: stored weights with their history, and which one serves."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import Campaign, Language, User


class ModelVersion(models.Model):
    """Weights that can be served, named by what they contain."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="model_versions")
    number = models.PositiveIntegerField(help_text=_("1, 2, 3 … within the campaign."))
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the stored bytes."))
    network = models.CharField(max_length=200)
    base = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="descendants"
    )
    identity = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("SHA-256 of the bytes, the manifest, the base and the parents together."),
    )
    path = models.CharField(max_length=500, help_text=_("Folder within the weights storage."))
    manifest = models.JSONField(
        default=dict, help_text=_("What the weights are made of: settings, data, libraries.")
    )
    pruned_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when its bytes are not kept any more.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign", "number")
        constraints = (
            models.UniqueConstraint(fields=("campaign", "number"), name="one_version_per_number"),
            models.UniqueConstraint(fields=("campaign", "digest"), name="one_version_per_digest"),
        )

    def __str__(self) -> str:
        return f"v{self.number} ({self.digest[:8]})"


class ModelParent(models.Model):
    """One of several versions whose weights were merged into another, and its share."""

    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="parents", db_index=False
    )
    parent = models.ForeignKey(ModelVersion, models.PROTECT, related_name="merged_into")
    weight = models.FloatField(help_text=_("Share of its weights in the merge."))

    class Meta:
        ordering = ("version", "-weight", "parent")
        constraints = (
            models.UniqueConstraint(fields=("version", "parent"), name="one_share_per_parent"),
            models.CheckConstraint(
                condition=~models.Q(version=models.F("parent")), name="no_version_of_itself"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version}: {self.weight:.2f} of {self.parent}"


class Temperature(models.Model):
    """What makes a version's probabilities honest in one language, fitted on gold only."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="temperatures")
    language = models.ForeignKey(Language, models.PROTECT)
    value = models.FloatField(default=1.0)
    gold = models.PositiveIntegerField(help_text=_("Gold items it was fitted on."))
    fitted_on = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("SHA-256 of the development gold of all languages; empty: not known."),
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("version", "language"), name="one_temperature_per_version_and_language"
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.language.tag}: {self.value:.2f}"


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    """Reads of deployments."""

    def serving(self, campaign: Campaign) -> "Deployment | None":
        """The deployment that holds now: the newest row."""
        return self.filter(campaign=campaign).select_related("version").order_by("-number").first()


class Deployment(models.Model):
    """One move of the pointer that says what serves; append-only, rollback is one more row."""

    class Kind(models.TextChoices):
        """Why the pointer moved."""

        INITIAL = "initial", _("initial")
        PROMOTION = "promotion", _("promotion")
        ROLLBACK = "rollback", _("rollback")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="deployments")
    number = models.PositiveIntegerField()
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="deployments")
    kind = models.CharField(max_length=10, choices=Kind)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(User, models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        ordering = ("campaign", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "number"), name="one_deployment_per_number"
            ),
        )

    def __str__(self) -> str:
        return f"{self.campaign}: {self.version} ({self.kind})"
