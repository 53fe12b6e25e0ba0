"""Recipes of campaigns: what is asked for instead of what the network advises, and who asked."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign, User
from learning.actions.kinds import advice_of
from learning.actions.serving import serving_version
from training.methods.recipes import Recipe
from training.models import RecipeChange


@transaction.atomic
def set_recipe(
    campaign: Campaign,
    *,
    changes: Mapping[str, Any],
    actor: User | None = None,
    seen: int | None = None,
) -> dict[str, Any]:
    """Change settings of the campaign's recipe and return it; ``None`` takes one back.

    Runs that are open already keep the recipe that they were opened with. ``seen`` is the number of
    the newest change that whoever asks has seen; if there is a newer one, nothing is changed.
    """
    unknown = sorted(changes.keys() - Recipe.knobs().keys())
    if unknown:
        raise InvalidInputError(
            f"A recipe has no setting called {', '.join(unknown)}.",
            remedy=f"Known are: {', '.join(Recipe.knobs())}.",
        )
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    newest = last_change(campaign)
    number = newest.number if newest else 0
    if seen is not None and seen != number:
        raise ConflictError(
            "Somebody has changed the recipe since this page was opened.",
            remedy="Look at what it is now, and change that.",
        )
    before = dict(campaign.recipe)
    asked = {name: value for name, value in (before | dict(changes)).items() if value is not None}
    whole = Recipe.of(advice_for(campaign), asked)
    campaign.recipe = {name: getattr(whole, name) for name in asked if name in Recipe.knobs()}
    moved = [n for n in Recipe.knobs() if before.get(n) != campaign.recipe.get(n)]
    if moved:
        campaign.save(update_fields=["recipe"])
        RecipeChange.objects.create(
            campaign=campaign,
            number=number + 1,
            before={name: before[name] for name in moved if name in before},
            after={name: campaign.recipe[name] for name in moved if name in campaign.recipe},
            actor=actor,
        )
    return dict(campaign.recipe)


def undo_recipe(campaign: Campaign, *, number: int, actor: User | None) -> dict[str, Any]:
    """Take the newest change back, if it still is the newest; by one more change."""
    newest = last_change(campaign)
    if newest is None or newest.number != number:
        raise ConflictError(
            f"Change {number} is not the newest any more.", remedy="Look at what came after it."
        )
    moved = {*newest.before, *newest.after}
    back = {name: newest.before.get(name) for name in moved}
    return set_recipe(campaign, changes=back, actor=actor, seen=number)


def last_change(campaign: Campaign) -> RecipeChange | None:
    """Return the newest change of the campaign's recipe."""
    return campaign.recipe_changes.order_by("-number").first()


def advice_for(campaign: Campaign) -> dict[str, Any]:
    """Return what the serving network advises, as far as it can be read from here."""
    serving = serving_version(campaign)
    return advice_of(serving) if serving else {}


def usual(campaign: Campaign, *, method: str = "") -> dict[str, Any]:
    """Return every setting as it is where the campaign asks for nothing, under a method."""
    asked = {"method": method} if method else {}
    return asdict(Recipe.of(advice_for(campaign), asked))
