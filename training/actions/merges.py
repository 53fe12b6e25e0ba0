"""Merges: a candidate made of adapters that there are, without training; it is judged like any."""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign
from learning.actions.serving import serving_version
from learning.actions.versions import libraries, register_version
from learning.gateways.weights import open_weights
from learning.models import ModelVersion
from training.actions.datasets import lineage
from training.models import TrainingRun

if TYPE_CHECKING:
    from learning.networks import Network
    from training.methods.merging import Merge

Change = Callable[["Network"], "Network"]


def merge_adapters(
    campaign: Campaign, *, merged: "Merge", into: Sequence[str] = (), now: datetime
) -> TrainingRun:
    """Give the languages ``into`` (or those merged) one adapter made of several; return its run.

    A plain merge leaves an encoder without adapters, which can be made smaller and exported. Asked twice for the same, it returns the same run.
    """
    from training.methods.merging import merge

    # A plain merge lies nowhere but in the encoder: one of its languages is where it passes through.
    into = merged.languages[:1] if merged.plain else tuple(sorted(set(into or merged.languages)))
    _refuse_strangers(campaign, (*merged.languages, *into))
    told = asdict(merged) | {"into": list(into)}
    return _candidate(
        campaign,
        change=lambda network: merge(network, merged=merged, into=into),
        told={"merge": told},
        now=now,
    )


def drop_adapters(campaign: Campaign, *, languages: Sequence[str], now: datetime) -> TrainingRun:
    """Take the adapters of these languages away; return the run of what is left.

    They are answered as before their adapters came. Asked twice, it returns the same run.
    """
    from learning.networks.adapted import AdaptedEncoder
    from learning.networks.own_rows import AdaptedStarter

    def without(network: "Network") -> "Network":
        if not isinstance(network, AdaptedEncoder | AdaptedStarter):
            raise InvalidInputError("The serving version has no adapters.")
        for tag in sorted(set(languages)):
            network.drop(tag)
        return network

    told = {"dropped": sorted(set(languages))}
    return _candidate(campaign, change=without, told=told, now=now)


def _candidate(
    campaign: Campaign, *, change: Change, told: dict[str, Any], now: datetime
) -> TrainingRun:
    from learning.networks.opening import load_network

    base = serving_version(campaign)
    if base is None:
        raise ConflictError(f"Nothing serves {campaign} yet.")
    run = _run_behind(base)
    network = change(load_network(open_weights(base.path, digest=base.digest)))
    with tempfile.TemporaryDirectory() as place:
        network.save(Path(place) / "network")
        version = register_version(
            campaign,
            folder=Path(place) / "network",
            network=base.network,
            base=base,
            manifest=told
            | {
                "base": base.digest,
                "labels": base.manifest.get("labels", []),
                "snapshot": run.snapshot.digest,
                "libraries": libraries(),
            },
            parents=[(base, 1.0)],
        )
    return _record(campaign, base=base, version=version, like=run, told=told, now=now)


@transaction.atomic
def _record(
    campaign: Campaign,
    *,
    base: ModelVersion,
    version: ModelVersion,
    like: TrainingRun,
    told: dict[str, Any],
    now: datetime,
) -> TrainingRun:
    """Write the run down once; nothing was learned, so it rests on the data of the one before."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if version.base_id != base.pk:
        raise ConflictError(
            f"That is {version}, which is there already.", remedy="Choose other weights."
        )
    known = campaign.training_runs.filter(candidate=version, base=base).first()
    return known or TrainingRun.objects.create(
        campaign=campaign,
        kind=TrainingRun.Kind.MERGE,
        snapshot=like.snapshot,
        base=base,
        candidate=version,
        status=TrainingRun.Status.FINISHED,
        seed=int.from_bytes(hashlib.sha256(version.digest.encode()).digest()[:6], "big"),
        settings=told,
        started_at=now,
        finished_at=now,
    )


def _run_behind(version: ModelVersion) -> TrainingRun:
    """Return the newest run that a version or one that it came from was made by."""
    run = (
        TrainingRun.objects.filter(candidate__in=lineage(version))
        .order_by("-candidate__number")
        .first()
    )
    if run is None:
        raise ConflictError(
            f"{version} has never been trained, so it has no adapters.",
            remedy="Train with the method lora first: manage.py set_recipe CAMPAIGN method=lora",
        )
    return run


def _refuse_strangers(campaign: Campaign, tags: Sequence[str]) -> None:
    known = set(campaign.languages.values_list("language__tag", flat=True))
    strangers = sorted(set(tags) - known)
    if strangers:
        raise InvalidInputError(
            f"{', '.join(strangers)} is no language of {campaign}.",
            remedy=f"Its languages are: {', '.join(sorted(known))}.",
        )
