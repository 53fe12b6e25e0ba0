"""Doors of a campaign: make it, tell its speakers what to do, start, pause, finish."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotation.actions.campaigns import (
    LabelSpec,
    create_campaign,
    finish_campaign,
    pause_campaign,
    set_guideline,
    start_campaign,
)
from annotation.errors import VernacularError
from annotation.forms import CampaignForm, GuidelineForm, GuidelinesForm
from annotation.models import Campaign, CampaignLanguage
from annotation.permissions import Ability, person_of, required, staff_required
from annotation.views.outcomes import attempt


@staff_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, form_class: type[CampaignForm] = CampaignForm) -> HttpResponse:
    """Two steps, each carrying the other along: nothing is saved in between.

    The form may be one that an app above has put more into.
    """
    step = request.POST.get("step")
    form = form_class(request.POST or None)
    texts = {name: text for name, text in request.POST.items() if name.startswith("guideline")}
    if step is None or not form.is_valid():
        context = {"form": form, "carried": texts.items()}
        status = 422 if step and form.errors else 200
        return render(request, "annotation/campaign_create.html", context, status=status)
    sent = texts if step == "guidelines" else None
    guidelines = GuidelinesForm(sent, initial=texts, languages=form.cleaned_data["languages"])
    if sent is not None and guidelines.is_valid():
        try:
            campaign = _create(request, form, guidelines)
        except VernacularError as error:
            guidelines.add_error(None, str(error))
        else:
            return redirect("campaign_detail", campaign.slug)
    context = {"form": guidelines, "carried": form.answered(), "title": form.cleaned_data["title"]}
    status = 422 if guidelines.errors else 200
    return render(request, "annotation/campaign_guidelines.html", context, status=status)


def _create(request: HttpRequest, form: CampaignForm, guidelines: GuidelinesForm) -> Campaign:
    data = form.cleaned_data
    return create_campaign(
        slug=data["slug"],
        title=data["title"],
        question=data["question"],
        labels=[LabelSpec(key=key, name=name) for key, name in data["labels"]],
        languages=data["languages"],
        guidelines=guidelines.guidelines(),
        actor=person_of(request),
        **form.settings(),
    )


@required(Ability.GUIDE)
@require_http_methods(["GET", "POST"])
def edit_guideline(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    home = get_object_or_404(
        CampaignLanguage.objects.select_related("campaign", "language"),
        campaign__slug=slug,
        language__tag=tag,
    )
    versions = list(home.guidelines.select_related("created_by").order_by("-version"))
    current = versions[0].text if versions else ""
    form = GuidelineForm(request.POST or None, initial={"text": current})
    if request.method == "POST" and form.is_valid():
        save = partial(
            set_guideline,
            home,
            text=form.cleaned_data["text"],
            actor=person_of(request),
            recalibrate="recalibrate" in request.POST,
        )
        if attempt(request, save, done=_("The guideline is saved as a new version.")):
            return redirect("campaign_detail", slug)
    form.fields["text"].widget.attrs["lang"] = tag
    context = {"form": form, "home": home, "campaign": home.campaign, "versions": versions}
    status = 422 if form.errors else 200
    return render(request, "annotation/guideline_edit.html", context, status=status)


@required(Ability.LEAD)
@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    attempt(request, partial(start_campaign, campaign), done=_("The campaign runs."))
    return redirect("campaign_detail", slug)


@required(Ability.LEAD)
@require_POST
def pause(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    done = _("The campaign pauses. Answers still come home; nothing new is asked.")
    attempt(request, partial(pause_campaign, campaign), done=done)
    return redirect("campaign_detail", slug)


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
def finish(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    if request.method == "POST":
        done = _("The campaign is finished.")
        attempt(request, partial(finish_campaign, campaign), done=done)
        return redirect("campaign_detail", slug)
    return render(request, "annotation/campaign_finish.html", {"campaign": campaign})
