"""Serving: which version answers now. The pointer only ever moves by one more row."""

from django.db import transaction
from django.db.models import Max

from annotation.errors import ConflictError
from annotation.models import Campaign, User
from learning.models import Deployment, ModelVersion


def serving_version(campaign: Campaign) -> ModelVersion | None:
    """Return the version that serves the campaign now, if one does."""
    newest = Deployment.objects.serving(campaign)
    return newest.version if newest else None


def deploy(
    campaign: Campaign,
    *,
    version: ModelVersion,
    kind: str,
    reason: str,
    actor: User | None = None,
) -> Deployment:
    """Let a version serve. If it does already, its row is returned and none is added."""
    if version.campaign_id != campaign.pk:
        raise ConflictError(f"{version} belongs to another campaign than {campaign}.")
    with transaction.atomic():
        # Whoever holds the campaign's row is alone; SQLite has one writer anyway.
        Campaign.objects.select_for_update().get(pk=campaign.pk)
        newest = Deployment.objects.serving(campaign)
        if newest and newest.version_id == version.pk:
            return newest
        last = campaign.deployments.aggregate(last=Max("number"))["last"] or 0
        return Deployment.objects.create(
            campaign=campaign,
            number=last + 1,
            version=version,
            kind=kind,
            reason=reason[:300],
            actor=actor,
        )
