"""Doors of generators: which network writes for a campaign, and what people found of candidates."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.errors import InvalidInputError
from annotation.models import Campaign, CampaignLanguage
from annotation.permissions import Ability, person_of, required
from annotation.views.numbers import number_in
from annotation.views.outcomes import attempt
from learning.actions.generating import sources_of
from learning.actions.generators import JUDGING
from learning.models import GeneratorVersion
from training.actions.comparing_generators import (
    MOST_PROMPTS,
    Pairs,
    ask_to_compare,
    judge_comparison,
    prompts_of,
)
from training.actions.generator_promotion import (
    promote_generator,
    rollback_generator,
    undo_generator,
)
from training.actions.generator_story import story_of
from training.models import BlindComparison
from training.models.generators import LOOKS
from training.views.versions import REASONS

MOST_ANSWERS = 10


@required(Ability.WATCH)
@require_safe
def index(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = _campaign(slug)
    story = story_of(campaign)
    context: dict[str, Any] = {
        "campaign": campaign,
        "story": story,
        "newest": story.moves[0] if story.moves else None,
        "candidates": [row.version for row in story.rows if not row.serves],
        "licences": sorted(
            set(campaign.samples.values_list("source__licence", flat=True)) - {None, ""}
        ),
        "most": MOST_PROMPTS,
        "looks": LOOKS,
        "reasons": REASONS,
    }
    return render(request, "training/generators.html", context)


@required(Ability.LEAD)
@require_POST
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = _campaign(slug)
    candidate = _version(campaign, request.POST.get("candidate", ""))
    licence = request.POST.get("licence", "").strip()[:80]
    answers = number_in(request.POST.get("answers", ""))

    def ask() -> BlindComparison:
        if not licence:
            raise InvalidInputError(_("Say under which licence the outputs are."))
        if answers is None or not 1 <= answers <= MOST_ANSWERS:
            raise InvalidInputError(_("From 1 to 10 people may choose on each pair."))
        return ask_to_compare(
            candidate,
            prompts=_prompts(request, campaign),
            licence=licence,
            answers_per_item=answers,
            actor=person_of(request),
        )

    attempt(request, ask, done=_("A worker has both write; then speakers are asked, blindly."))
    return redirect("generators", slug)


def _prompts(request: HttpRequest, campaign: Campaign) -> Pairs:
    """Read the prompts of a file, or take the campaign's own that nobody has corrected."""
    uploaded = request.FILES.get("prompts")
    if uploaded is None:
        return prompts_of(campaign)
    known = CampaignLanguage.objects.filter(campaign=campaign, active=True)
    tags = set(known.values_list("language__tag", flat=True))
    found: Pairs = []
    for one in sources_of(uploaded.file, filename=uploaded.name or ""):  # type: ignore[arg-type]
        problem = one.problem or ("" if one.language in tags else _("not of this campaign"))
        if problem:
            raise InvalidInputError(
                _("Row %(row)d: %(problem)s.") % {"row": one.row, "problem": problem},
                remedy=_("Mend the row, or leave it out."),
            )
        found.append((one.language, one.source))
        if len(found) > MOST_PROMPTS:
            break
    return list(dict.fromkeys(found))


@required(Ability.LEAD)
@require_POST
def judge(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    act = partial(judge_comparison, _comparison(slug, pk), actor=person_of(request))
    attempt(request, act, done=_("What people chose so far was judged."))
    return redirect("generators", slug)


@required(Ability.LEAD)
@require_POST
def promote(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    comparison = _comparison(slug, pk)
    act = partial(promote_generator, comparison, actor=person_of(request))
    done = _("Generator %d serves from now on.") % comparison.candidate.number
    attempt(request, act, done=done)
    return redirect("generators", slug)


@required(Ability.LEAD)
@require_POST
def roll_back(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = _campaign(slug)
    version = _version(campaign, request.POST.get("generator", ""))
    act = partial(
        rollback_generator,
        campaign,
        to_version=version,
        actor=person_of(request),
        reason=request.POST.get("reason", "")[:300],
    )
    attempt(request, act, done=_("Generator %d serves from now on.") % version.number)
    return redirect("generators", slug)


@required(Ability.LEAD)
@require_POST
def undo(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = _campaign(slug)
    number = number_in(request.POST.get("number", ""))
    if number is None:
        messages.error(request, _("Which move should be taken back was not said."))
        return redirect("generators", slug)
    act = partial(undo_generator, campaign, number=number, actor=person_of(request))
    attempt(request, act, done=_("The move was taken back; what served before it serves again."))
    return redirect("generators", slug)


def _campaign(slug: str) -> Campaign:
    campaign = get_object_or_404(Campaign, slug=slug)
    if campaign.objective not in JUDGING:
        raise Http404
    return campaign


def _version(campaign: Campaign, told: str) -> GeneratorVersion:
    rows = campaign.generators.select_related("campaign", "base")
    return get_object_or_404(rows, number=number_in(told))


def _comparison(slug: str, pk: int) -> BlindComparison:
    rows = BlindComparison.objects.select_related(
        "home", "campaign", "candidate__campaign", "champion__campaign"
    )
    return get_object_or_404(rows, pk=pk, home__slug=slug)
