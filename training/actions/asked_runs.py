"""Runs that a person asks for now, inside a round or apart from all rounds."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign
from learning.actions.serving import serving_version
from learning.models import Round
from training.actions.datasets import take_snapshot
from training.actions.runs import open_run
from training.methods.recipes import Recipe
from training.models import TrainingRun

UNFINISHED = (TrainingRun.Status.QUEUED, TrainingRun.Status.RUNNING)


def run_to_train(
    campaign: Campaign, *, settings: Mapping[str, Any], apart: bool, now: datetime
) -> TrainingRun:
    """Return the run that waits or goes on; else open one, for the round that collects or apart.

    Settings go over the campaign's recipe. A run that is open already keeps its own.
    """
    told = _recipe(campaign, settings=settings)
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
        waiting = (
            campaign.training_runs.filter(kind=TrainingRun.Kind.UPDATE, status__in=UNFINISHED)
            .order_by("pk")
            .first()
        )
        if waiting is not None:
            if settings and waiting.settings != told:
                raise ConflictError(
                    f"Run {waiting.pk} is open with settings of its own.",
                    remedy="Take it up without settings, or abort it first: manage.py abort_run.",
                )
            return waiting
        round_ = campaign.rounds.filter(status=Round.Status.COLLECTING).first()
        run = None if apart or round_ is None else open_run(round_, now=now)
        if run is None:
            return _open_apart(campaign, settings=told)
        TrainingRun.objects.filter(pk=run.pk).update(settings=told)
        run.settings = told
        return run


def _recipe(campaign: Campaign, *, settings: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(settings.keys() - Recipe.knobs().keys())
    if unknown:
        raise InvalidInputError(
            f"A recipe has no setting called {', '.join(unknown)}.",
            remedy=f"Known are: {', '.join(Recipe.knobs())}.",
        )
    whole = Recipe.of(dict(campaign.recipe) | dict(settings))
    return dict(campaign.recipe) | {name: getattr(whole, name) for name in settings}


def _open_apart(campaign: Campaign, *, settings: Mapping[str, Any]) -> TrainingRun:
    """Open a run that no round waits for; its candidate is judged and promoted by hand."""
    base = serving_version(campaign)
    if base is None:
        raise ConflictError(
            f"Nothing serves {campaign} yet, so there is nothing to go on from.",
            remedy="Start the campaign first: manage.py run_campaign.",
        )
    snapshot = take_snapshot(campaign)
    if not snapshot.samples:
        raise ConflictError(
            f"{campaign} has no agreed answers to learn from.",
            remedy="Wait until people have answered; manage.py inspect_campaign says how many.",
        )
    before = campaign.training_runs.count()
    name = f"{campaign.seed}:{campaign.slug}:apart:{before}"
    return TrainingRun.objects.create(
        campaign=campaign,
        snapshot=snapshot,
        base=base,
        seed=int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big"),
        settings=dict(settings),
    )
