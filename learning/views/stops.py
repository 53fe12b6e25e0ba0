"""Doors of stopping: a language that may stop is kept open, or let stop after all."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.models import CampaignLanguage
from annotation.permissions import Ability, person_of, required
from annotation.views.outcomes import attempt
from learning.actions.outlook import set_kept_open


@required(Ability.LEAD)
@require_POST
def keep_open(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    return _set(request, slug, tag, kept=True, done=_("%s goes on being asked."))


@required(Ability.LEAD)
@require_POST
def let_stop(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    return _set(request, slug, tag, kept=False, done=_("%s may stop."))


def _set(request: HttpRequest, slug: str, tag: str, *, kept: bool, done: str) -> HttpResponse:
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    home = get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
    act = partial(set_kept_open, home.campaign, tag=tag, kept=kept, by=person_of(request))
    attempt(request, act, done=done % home.language.name)
    return redirect("campaign_detail", slug)
