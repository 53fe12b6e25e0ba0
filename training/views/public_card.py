"""The model card that everybody may read where a campaign's model may be tried by everybody."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from annotation.models import Language
from annotation.views.reports import campaign_or_404
from learning.models import GeneratorVersion, ModelVersion
from training.actions.cards import card_of
from training.actions.generator_story import found_of, learned_by
from training.actions.written_cases import written_cases_of


@gzip_page
@require_safe
def public_card(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What a version that has served is, what it learned from, and how good it is where."""
    campaign = campaign_or_404(slug)
    version = get_object_or_404(ModelVersion, campaign=campaign, number=number)
    if not version.deployments.exists():
        raise Http404("it has never answered anybody")
    card = card_of(version)
    names = Language.objects.filter(campaigns__campaign=campaign).in_bulk(field_name="tag")
    quality = [(names.get(tag), tag, row) for tag, row in card["quality"].items()]
    context = {
        "campaign": campaign,
        "card": card,
        "quality": quality,
        "megabytes": card["bytes"] / 1e6 if card["bytes"] else None,
        "made_at": version.created_at,
        "labels": [one.name for one in campaign.labels.order_by("position")],
        "licences": sorted(card["learned_from"]["licences"]),
    }
    return render(request, "training/public_card.html", context)


@gzip_page
@require_safe
def generator_card(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What a generator that has served is, in which languages it learned, and what people found."""
    campaign = campaign_or_404(slug)
    version = get_object_or_404(GeneratorVersion, campaign=campaign, number=number)
    if not version.deployments.exists():
        raise Http404("it has never written for anybody")
    context = {
        "campaign": campaign,
        "version": version,
        "learned": learned_by(version),
        "found": found_of(version),
        "cases": written_cases_of(version),
    }
    return render(request, "training/generator_card.html", context)
