"""Versions: stored weights get a number, once for each digest."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Max

from annotation.errors import ConflictError
from annotation.models import Campaign
from annotation.objectives import several, spans
from learning.actions.identities import identity_of
from learning.actions.kinds import kind_in
from learning.actions.serving import deploy, serving_version
from learning.gateways.weights import path_of, store
from learning.models import Deployment, ModelParent, ModelVersion

LIBRARIES = ("torch", "transformers", "safetensors", "numpy")


def initial_version(campaign: Campaign) -> ModelVersion:
    """Make, register and deploy the campaign's first version; later calls return what serves."""
    from learning.networks.opening import open_network  # torch is for workers only

    serving = serving_version(campaign)
    if serving:
        return serving
    labels = list(campaign.labels.order_by("position").values_list("key", flat=True))
    marks = campaign.objective == spans.NAME
    if len(labels) < 2 - marks:
        few = "no label" if marks else "fewer than two labels"
        raise ConflictError(f"{campaign} has {few}; there is nothing to learn.")
    sets = campaign.objective == several.NAME
    shape = {"spans": True} if marks else {"several": True} if sets else {}
    network = open_network(campaign.network, labels=labels, seed=campaign.seed, **shape)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "network"
        folder.mkdir()
        network.save(folder)
        version = register_version(
            campaign,
            folder=folder,
            network=campaign.network,
            base=None,
            manifest={"labels": labels, "seed": campaign.seed, "libraries": libraries()},
        )
    with transaction.atomic():
        Campaign.objects.select_for_update().get(pk=campaign.pk)
        quicker = serving_version(campaign)
        if quicker:
            return quicker
        deploy(campaign, version=version, kind=Deployment.Kind.INITIAL, reason="The first version.")
    return version


def register_version(  # noqa: PLR0913 - what a version is, and who may say so
    campaign: Campaign,
    *,
    folder: Path,
    network: str,
    base: ModelVersion | None,
    manifest: Mapping[str, Any],
    parents: Sequence[tuple[ModelVersion, float]] = (),
    confirm: Callable[[], None] | None = None,
) -> ModelVersion:
    """Store the folder and give it the next number; known bytes keep the number they have.

    ``parents`` are versions whose weights were merged into these, each with its share.
    ``confirm`` is called in the transaction that writes, and raises if the caller may write no more.
    """
    digest = store(folder)
    with transaction.atomic():
        if confirm:
            confirm()
        Campaign.objects.select_for_update().get(pk=campaign.pk)
        version = campaign.model_versions.filter(digest=digest).first()
        if version is None:
            last = campaign.model_versions.aggregate(last=Max("number"))["last"] or 0
            version = ModelVersion.objects.create(
                campaign=campaign,
                number=last + 1,
                digest=digest,
                network=network,
                base=base,
                path=path_of(digest),
                manifest=kind_in(folder) | dict(manifest),
            )
            ModelParent.objects.bulk_create(
                ModelParent(version=version, parent=parent, weight=weight)
                for parent, weight in parents
            )
            version.identity = identity_of(version)
            version.save(update_fields=["identity"])
    if version.pruned_at is not None:
        # Somebody may have removed these bytes between our storing them and now.
        store(folder)
        version.pruned_at = None
        version.save(update_fields=["pruned_at"])
    return version


def libraries() -> dict[str, str]:
    """Return the releases of the libraries that shape weights."""
    return {name: library_version(name) for name in LIBRARIES}
