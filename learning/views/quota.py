"""Doors of the quota: seen, tried, set, and taken back."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotation.models import Campaign
from annotation.permissions import Ability, person_of, required
from annotation.views.outcomes import attempt
from learning.actions.quota_settings import (
    KnobError,
    last_change,
    preview_proposal,
    propose,
    set_quota,
    undo_quota,
)
from learning.forms import QuotaForm

CHANGES_SHOWN = 20


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
def quota(request: HttpRequest, slug: str) -> HttpResponse:
    """The knobs beside what they would do; saved only by the button that says so."""
    campaign = get_object_or_404(Campaign, slug=slug)
    homes = list(campaign.languages.select_related("language"))
    last = last_change(campaign)
    form = QuotaForm(
        request.POST or None,
        instance=Campaign.objects.get(pk=campaign.pk),
        homes=homes,
        initial={"seen": last.number if last else 0},
    )
    proposal = propose(campaign, values={})
    if request.method == "POST" and form.is_valid():
        values, languages = form.values(), form.language_values()
        try:
            proposal = propose(campaign, values=values, languages=languages)
        except KnobError as error:
            form.show(error)
        else:
            act = partial(
                set_quota,
                campaign,
                values=values,
                languages=languages,
                actor=person_of(request),
                seen=form.cleaned_data["seen"],
            )
            if "save" in request.POST and attempt(request, act, done=_("The quota is set.")):
                return redirect("quota", slug)
    preview = preview_proposal(campaign, proposal)
    context = {
        "campaign": campaign,
        "form": form,
        "proposal": proposal,
        "preview": preview,
        "rows": list(zip(preview.rows, form.language_fields(), strict=True)),
        "changes": campaign.quota_changes.select_related("actor", "undoes")[:CHANGES_SHOWN],
    }
    status = 422 if form.errors else 200
    return render(request, "learning/quota.html", context, status=status)


@required(Ability.LEAD)
@require_POST
def undo(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    act = partial(undo_quota, campaign, actor=person_of(request), seen=number)
    attempt(request, act, done=_("The change is taken back."))
    return redirect("quota", slug)
