"""Doors of recipes: how a campaign's network is fine-tuned, seen, set, and taken back."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotation.models import Campaign
from annotation.permissions import Ability, person_of, required
from annotation.views.outcomes import attempt
from training.actions.recipes import last_change, set_recipe, undo_recipe, usual
from training.forms import RecipeForm

CHANGES_SHOWN = 20


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
def recipe(request: HttpRequest, slug: str) -> HttpResponse:
    """Every setting with its meaning and what it is where nothing is asked for."""
    campaign = get_object_or_404(Campaign, slug=slug)
    newest = last_change(campaign)
    asked = campaign.recipe
    method = str(asked.get("method", ""))
    if request.method == "POST" and request.POST.get("method") in RecipeForm.methods():
        method = request.POST["method"]
    form = RecipeForm(
        request.POST or None,
        initial=asked | {"seen": newest.number if newest else 0},
        usual=usual(campaign, method=method),
    )
    if request.method == "POST" and form.is_valid():
        act = partial(
            set_recipe,
            campaign,
            changes=form.changes(),
            actor=person_of(request),
            seen=form.cleaned_data["seen"],
        )
        if attempt(request, act, done=_("The recipe is set; the next run learns by it.")):
            return redirect("recipe", slug)
    context = {
        "campaign": campaign,
        "form": form,
        "asked": asked,
        "changes": campaign.recipe_changes.select_related("actor")[:CHANGES_SHOWN],
    }
    return render(request, "training/recipe.html", context, status=422 if form.errors else 200)


@required(Ability.LEAD)
@require_POST
def undo(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    act = partial(undo_recipe, campaign, number=number, actor=person_of(request))
    attempt(request, act, done=_("The change is taken back."))
    return redirect("recipe", slug)
