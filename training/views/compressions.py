"""Doors of compressions: what serves, made smaller."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.models import Campaign
from annotation.permissions import Ability, required
from annotation.views.outcomes import attempt
from learning.actions.serving import serving_version
from training.actions.compressions import open_compression


@required(Ability.LEAD)
@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    act = partial(open_compression, campaign, kind=request.POST.get("kind", ""))
    attempt(request, act, done=_("A worker makes it smaller; its gate decides if it may serve."))
    serving = serving_version(campaign)
    return (
        redirect("version_detail", slug, serving.number) if serving else redirect("versions", slug)
    )
