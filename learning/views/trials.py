"""Public doors to what serves: a visitor's text is answered by a worker while they wait."""

import time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.reports.limits import client_of
from annotation.actions.reports.told import open_to_everybody
from annotation.errors import InvalidInputError, VernacularError
from annotation.methods.texts import unstorable
from annotation.models import Campaign, Language
from annotation.tasks import soon
from annotation.views.origin import address_of
from annotation.views.report_api import body_of, told_as_problems
from annotation.views.reports import campaign_or_404
from learning.actions import trying
from learning.actions.served_writing import writes
from learning.models import Trial
from learning.tasks import answer_trial

# Most answers are there at once; who waits longer gets a page that looks again by itself.
PATIENCE_S, LOOK_EVERY_S = 1.2, 0.1
AGAIN_S = 2
# Kinds of question whose answer is one of the labels, and how many of them a page tells at least.
SINGLE, MOST_SHOWN = ("classes", "pairs", "grades"), 4


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def try_it(request: HttpRequest, slug: str) -> HttpResponse:
    """A text, a language, a button."""
    campaign = campaign_or_404(slug)
    error = ""
    if request.method == "POST":
        try:
            trial = _ask(
                request,
                campaign,
                tag=request.POST.get("language", ""),
                text=request.POST.get("text", ""),
            )
        except VernacularError as refusal:
            error = str(refusal)
        else:
            _wait(trial)
            return redirect("trial", trial.uid)
    homes = campaign.languages.filter(active=True).select_related("language")
    context = {
        "campaign": campaign,
        "languages": [home.language for home in homes.order_by("language__tag")],
        "told": request.POST,
        "error": error,
        "writes": writes(campaign),
        "nothing": trying.why_nothing(campaign),
    }
    return render(request, "learning/try.html", context, status=422 if error else 200)


@never_cache
@require_safe
def trial(request: HttpRequest, uid: UUID) -> HttpResponse:
    """What was said of a text; while nobody has said it yet, the page comes again by itself."""
    found = _trial(uid)
    answer = _shown(found.answer) | _likely(found)
    campaign = found.campaign
    context = {"trial": found, "campaign": campaign, "answer": answer, "writes": writes(campaign)}
    response = render(request, "learning/trial.html", context)
    if found.state == Trial.State.WAITING:
        response.headers["Refresh"] = str(AGAIN_S)
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    """What was said, as the page writes it: shares as per cent, and what else may hold of a set."""
    if "confidence" not in told:
        return told
    parts = [one | {"percent": _percent(one["confidence"])} for one in told.get("parts", ())]
    held = {one["label"] for one in parts}
    maybe = [one for one in told["set"] if one["label"] not in held] if "value" in told else []
    return told | {"percent": _percent(told["confidence"]), "parts": parts, "maybe": maybe}


def _likely(found: Trial) -> dict[str, Any]:
    """The likeliest labels with how sure the model is of each, and which it cannot leave out."""
    told = found.answer
    if found.campaign.objective not in SINGLE or "probabilities" not in told:
        return {}
    names = {one.key: one.name_in(found.language.tag) for one in found.campaign.labels.all()}
    held = {one["label"] for one in told.get("set", ())}
    line = sorted(told["probabilities"].items(), key=lambda one: -one[1])
    rows = [
        {"name": names.get(key, key), "share": share, "percent": _percent(share), "in": key in held}
        for key, share in line[: max(MOST_SHOWN, len(held))]
    ]
    level = told.get("set_level")
    return {"likely": rows, "level": f"{100 * level:.0f}" if level and held else ""}


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@never_cache
@csrf_exempt
@require_POST
@told_as_problems
def trial_create(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a program's text; the answer is there at once, or under the address of Location."""
    campaign = campaign_or_404(slug)
    told = body_of(request)
    text, tag = told.get("text"), told.get("language")
    if not isinstance(text, str) or not isinstance(tag, str):
        raise InvalidInputError("text, language: no text.", remedy="Send both as strings.")
    made = _ask(request, campaign, tag=tag, text=text)
    _wait(made)
    made.refresh_from_db()
    response = JsonResponse(_record(made), status=200 if made.answered_at else 202)
    response.headers["Location"] = settings.ENV.web_url.rstrip("/") + reverse(
        "api_trial", args=[made.uid]
    )
    return response


@never_cache
@require_safe
@told_as_problems
def trial_state(request: HttpRequest, uid: UUID) -> HttpResponse:
    """What was said of a program's text, once somebody has."""
    found = _trial(uid)
    return JsonResponse(_record(found), status=200 if found.answered_at else 202)


def _record(found: Trial) -> dict[str, object]:
    told = {"id": str(found.uid), "state": found.state, "language": found.language.tag}
    error = {"error": found.error} if found.error else {}
    return {**told, **found.answer, **error}


def _trial(uid: UUID) -> Trial:
    found = Trial.objects.select_related("campaign", "language").filter(uid=uid).first()
    if found is None or open_to_everybody(found.campaign.slug) is None:
        raise Http404("it was never asked, or has been forgotten by now")
    return found


def _ask(request: HttpRequest, campaign: Campaign, *, tag: str, text: str) -> Trial:
    known = None if unstorable(tag) else Language.objects.filter(campaigns__campaign=campaign)
    language = known.filter(tag=tag).first() if known is not None else None
    if language is None:
        raise InvalidInputError(_("Choose one of the languages."))
    now = timezone.now()
    agent = request.headers.get("User-Agent", "")
    client = client_of(address_of(request), agent=agent, now=now)
    made = trying.ask(campaign, language=language, text=text, client=client, now=now)
    soon(answer_trial, trial_id=made.pk)
    return made


def _wait(made: Trial) -> None:
    """Look a moment whether it is answered already."""
    until = time.monotonic() + PATIENCE_S
    waiting = Trial.objects.filter(pk=made.pk, state=Trial.State.WAITING)
    while time.monotonic() < until and waiting.exists():
        time.sleep(LOOK_EVERY_S)
