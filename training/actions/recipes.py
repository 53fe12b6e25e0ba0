"""Recipes of campaigns: what is asked for instead of what the network advises."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from annotation.errors import InvalidInputError
from annotation.models import Campaign
from training.methods.recipes import Recipe


@transaction.atomic
def set_recipe(campaign: Campaign, *, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change settings of the campaign's recipe and return it; ``None`` takes one back.

    Runs that are open already keep the recipe that they were opened with.
    """
    unknown = sorted(changes.keys() - Recipe.knobs().keys())
    if unknown:
        raise InvalidInputError(
            f"A recipe has no setting called {', '.join(unknown)}.",
            remedy=f"Known are: {', '.join(Recipe.knobs())}.",
        )
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    asked = {
        name: value
        for name, value in (campaign.recipe | dict(changes)).items()
        if value is not None
    }
    whole = Recipe.of(asked)
    campaign.recipe = {name: getattr(whole, name) for name in asked}
    campaign.save(update_fields=["recipe"])
    return dict(campaign.recipe)
