"""Doors of versions: what served when, and the way back."""

from functools import partial

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from annotation.models import Campaign
from annotation.permissions import person_of, staff_required
from annotation.views.outcomes import attempt
from learning.models import Deployment, ModelVersion
from training.actions.promotion import rollback
from training.actions.review import versions_of


@staff_required
@require_safe
def index(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    rows = versions_of(campaign)
    served = {d.version_id for d in campaign.deployments.all()}
    context = {
        "campaign": campaign,
        "rows": rows,
        "served": served,
        "deployments": campaign.deployments.select_related("version", "actor").order_by("-number"),
    }
    return render(request, "training/version_list.html", context)


@staff_required
@require_http_methods(["GET", "POST"])
def roll_back(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = get_object_or_404(
        ModelVersion.objects.select_related("campaign"), campaign__slug=slug, number=number
    )
    serving = Deployment.objects.serving(version.campaign)
    if not version.deployments.exists():
        # What never served was never let through a gate: there is no way back to it.
        raise Http404
    if request.method == "POST":
        reason = request.POST.get("reason", "")[:300]
        act = partial(
            rollback,
            version.campaign,
            to_version=version,
            reason=reason,
            actor=person_of(request),
        )
        attempt(request, act, done=_("Version %d serves from now on.") % number)
        return redirect("versions", slug)
    context = {"campaign": version.campaign, "version": version, "serving": serving}
    return render(request, "training/version_roll_back.html", context)
