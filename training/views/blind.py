"""The door of the people's gate: what they found when two systems were compared blindly."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from annotation.errors import InvalidInputError
from annotation.models import Campaign
from annotation.permissions import Ability, required
from training.actions.blind import is_open, judge_generators
from training.actions.corrections import systems_of
from training.models import BlindComparison


@required(Ability.LEAD)
@require_safe
def blind(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask which two systems, and show the verdict in every language."""
    campaign = get_object_or_404(Campaign, slug=slug)
    if campaign.objective != "preferences":
        raise Http404
    kept = BlindComparison.objects.filter(campaign=campaign).select_related("home").first()
    if kept is not None:
        # Its looks are counted, so nobody peeks here.
        return redirect("generators", kept.home.slug)
    candidate, champion = (request.GET.get(side, "") for side in ("candidate", "champion"))
    context: dict[str, Any] = {
        "campaign": campaign,
        "systems": systems_of(campaign),
        "candidate": candidate,
        "champion": champion,
    }
    status = 200
    if candidate or champion:
        try:
            verdicts = judge_generators(campaign, candidate=candidate, champion=champion)
        except InvalidInputError as error:
            context["wrong"], status = str(error), 422
        else:
            context |= {"verdicts": verdicts, "open": is_open(verdicts)}
    return render(request, "training/blind.html", context, status=status)
