"""Generators: networks that write get numbers like other versions, and a pointer says which serves.

``CAMPAIGN@NUMBER`` names one wherever a generator is asked for, ``CAMPAIGN@serving`` the one that serves.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Max

from annotation.errors import ConflictError, InvalidInputError, NotFoundError
from annotation.models import Campaign, User
from learning.actions.versions import libraries
from learning.gateways.weights import open_weights, path_of, store
from learning.methods.identity import identity
from learning.models import Deployment, GeneratorDeployment, GeneratorVersion

if TYPE_CHECKING:
    from learning.networks.asking import Manners

NAME = re.compile(r"(?P<slug>[-a-z0-9_]+)@(?P<which>serving|v?[0-9]{1,9})")
SERVING = "serving"
# The kinds of question whose answers a generator learns from.
JUDGING = ("ratings", "preferences")


def register_generator(
    campaign: Campaign,
    *,
    folder: Path,
    network: str,
    base: GeneratorVersion | None,
    manifest: Mapping[str, Any],
) -> GeneratorVersion:
    """Store a generator's folder and give it the next number; known bytes keep the number they have."""
    if campaign.objective not in JUDGING:
        raise ConflictError(
            f"{campaign.slug!r} does not ask people to judge what a model wrote.",
            remedy="Generators belong to a campaign of ratings or preferences.",
        )
    if base is not None and base.campaign_id != campaign.pk:
        raise ConflictError(f"{base} belongs to another campaign than {campaign.slug!r}.")
    digest = store(folder)
    with transaction.atomic():
        Campaign.objects.select_for_update().get(pk=campaign.pk)
        known = campaign.generators.filter(digest=digest).first()
        if known:
            return known
        last = campaign.generators.aggregate(last=Max("number"))["last"] or 0
        version = GeneratorVersion(
            campaign=campaign,
            number=last + 1,
            digest=digest,
            network=network[:200],
            base=base,
            path=path_of(digest),
            manifest=dict(manifest),
        )
        version.identity = identity_of(version)
        version.save()
        return version


def first_generator(
    campaign: Campaign,
    *,
    name: str,
    manners: "Manners | None" = None,
    actor: User | None = None,
) -> GeneratorVersion:
    """Register the generator of that name or path, and let it serve if none does yet."""
    from learning.networks.generator import open_generator  # torch is for workers only

    generator = open_generator(name, manners=manners)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "generator"
        generator.save(folder)
        told = {"libraries": libraries(), "manners": generator.manners.record()}
        version = register_generator(
            campaign, folder=folder, network=name, base=None, manifest=told
        )
    with transaction.atomic():
        Campaign.objects.select_for_update().get(pk=campaign.pk)
        if serving_generator(campaign) is None:
            deploy_generator(
                version, kind=Deployment.Kind.INITIAL, reason="The first generator.", actor=actor
            )
    return version


def deploy_generator(
    version: GeneratorVersion, *, kind: str, reason: str, actor: User | None = None
) -> GeneratorDeployment:
    """Let a generator serve. If it does already, its row is returned and none is added."""
    campaign = version.campaign
    with transaction.atomic():
        Campaign.objects.select_for_update().get(pk=campaign.pk)
        newest = GeneratorDeployment.objects.serving(campaign)
        if newest and newest.version_id == version.pk:
            return newest
        last = campaign.generator_deployments.aggregate(last=Max("number"))["last"] or 0
        return GeneratorDeployment.objects.create(
            campaign=campaign,
            number=last + 1,
            version=version,
            kind=kind,
            reason=reason[:300],
            actor=actor,
        )


def serving_generator(campaign: Campaign) -> GeneratorVersion | None:
    """Return the generator that serves the campaign now, if one does."""
    newest = GeneratorDeployment.objects.serving(campaign)
    return newest.version if newest else None


def identity_of(version: GeneratorVersion) -> str:
    """Return what the generator's record amounts to now; its ``identity`` is what it was once."""
    return identity(
        version.digest,
        network=version.network,
        manifest=version.manifest,
        base=version.base.identity if version.base else "",
    )


def generator_named(name: str) -> GeneratorVersion | None:
    """Return the registered generator that ``CAMPAIGN@NUMBER`` names; None where it names none."""
    told = NAME.fullmatch(name)
    if told is None or Path(name).exists():
        return None
    campaign = Campaign.objects.filter(slug=told["slug"]).first()
    if campaign is None:
        raise NotFoundError(
            f"There is no campaign {told['slug']!r}.", remedy="See: manage.py list_campaigns"
        )
    if told["which"] == SERVING:
        found = serving_generator(campaign)
    else:
        number = int(told["which"].removeprefix("v"))
        found = campaign.generators.select_related("campaign", "base").filter(number=number).first()
    if found is None:
        raise NotFoundError(
            f"{campaign.slug!r} has no generator {told['which']!r}.",
            remedy=f"See: manage.py generators {campaign.slug}",
        )
    return found


def folder_of(version: GeneratorVersion) -> Path:
    """Return where a generator's weights lie, after making sure that they are what was registered."""
    if version.identity != identity_of(version):
        raise ConflictError(
            f"The record of {version} is not the one that was written when it was made.",
            remedy="Restore the database from a backup, or serve another generator.",
        )
    return open_weights(version.path, digest=version.digest)


def refuse_unregistered(version: GeneratorVersion | None, *, name: str) -> GeneratorVersion:
    """Return the version, or say how a generator is named."""
    if version is None:
        raise InvalidInputError(
            f"{name!r} names no registered generator.",
            remedy="Write CAMPAIGN@NUMBER, such as our-assistant@2.",
        )
    return version
