"""Public doors of reports: tell what is wrong, without an account, without scripts."""

import re
import secrets
from dataclasses import replace
from uuid import UUID

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.reports.intake import Telling, receive, report_of
from annotation.actions.reports.limits import client_of, is_bursting, least_seconds
from annotation.actions.reports.told import WRITING, open_to_everybody
from annotation.errors import VernacularError
from annotation.methods import proof_of_work
from annotation.models import (
    Campaign,
    CampaignLanguage,
    GroupText,
    PublicDoor,
    Report,
    Reservation,
    Sample,
    User,
)
from annotation.models.reports import Surface, Told
from annotation.objectives import objective
from annotation.permissions import Ability, person_of, required
from annotation.tasks import soon, tend_reports
from annotation.views.origin import address_of

BEGUN = "vernacular.report.begun"
FORM_LASTS = 24 * 3600
# A sum that was done in advance is worth nothing later.
PROOF_LASTS = 2 * 3600
PURPOSES = ("train", "test", "quote")
# A sign that needs no reading beside each reason, as the path of its drawing; the words say it all.
REASONS = (
    ("meaning", "M5 9h14M5 15h14M17 5 7 19", gettext_lazy("Wrong meaning")),
    ("unnatural", "M3 12c3-6 6-6 9 0s6 6 9 0", gettext_lazy("Nobody would say it like that")),
    (
        "dialect",
        "M12 21s7-6.2 7-11.5a7 7 0 0 0-14 0C5 14.8 12 21 12 21zM12 7a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
        gettext_lazy("Wrong dialect or tone"),
    ),
    (
        "language",
        "M4 8h15m-4-4 4 4-4 4M20 16H5m4-4-4 4 4 4",
        gettext_lazy("Wrong language, or languages mixed"),
    ),
    (
        "script",
        "m6 20 6-13 6 13M8.2 15.5h7.6M9.5 2.5l2.5 2 2.5-2",
        gettext_lazy("Wrong script, spelling or marks"),
    ),
    ("idiom", "M4 5h16v11h-9l-5 4v-4H4z", gettext_lazy("A saying or custom misunderstood")),
    ("insult", "M4 5h16v11h-9l-5 4v-4H4zm5.5 3 5 5m0-5-5 5", gettext_lazy("Insulting or biased")),
    ("unsafe", "M12 4 2.8 20h18.4zm0 6v4.5m0 2.7v.3", gettext_lazy("Dangerous advice")),
    (
        "refuses",
        "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM5.7 5.7l12.6 12.6",
        gettext_lazy("Refuses without a cause"),
    ),
    (
        "missing",
        "M8 4H5v16h3m8-16h3v16h-3M9 12h.01M12 12h.01M15 12h.01",
        gettext_lazy("Something is missing, or too much"),
    ),
    (
        "private",
        "M6 11h12v9H6zm2.5 0V7.5a3.5 3.5 0 0 1 7 0V11",
        gettext_lazy("Shows somebody's private data"),
    ),
    (
        "layout",
        "M4 6h16M4 12h9m-9 6h9m7-6-3 3 3 3",
        gettext_lazy("Runs the wrong way, or looks broken"),
    ),
    ("other", "M12 5v14M5 12h14", gettext_lazy("Something else")),
)
KEY = re.compile(r"[\w-]{1,64}", re.ASCII)


@never_cache
@require_safe
def report_index(request: HttpRequest) -> HttpResponse:
    """What may be tried and reported here."""
    doors = PublicDoor.objects.filter(open=True).select_related("campaign").order_by("campaign")
    return render(request, "annotation/report_index.html", {"doors": doors})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest, slug: str) -> HttpResponse:
    """Tell what the model got wrong: one text is enough."""
    campaign = campaign_or_404(slug)
    # From what was tried: its text comes along in the body, for addresses land in logs.
    if request.method == "POST" and "fill" not in request.POST:
        try:
            return _take(request, campaign)
        except VernacularError as refusal:
            return shown(request, form_of(request, campaign), refusal=refusal)
    return shown(request, form_of(request, campaign))


def shown(
    request: HttpRequest, context: dict[str, object], *, refusal: VernacularError | None = None
) -> HttpResponse:
    """Show the form with all that was told so far and, where it was not taken, why and until when."""
    context |= {"error": str(refusal or "")}
    if refusal is None:
        return render(request, "annotation/report.html", context)
    wait = getattr(refusal, "seconds", 0)
    response = render(request, "annotation/report.html", context, status=429 if wait else 422)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


@required(Ability.ANSWER)
@require_POST
def report_item(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Tell, from a text at hand, that it or what a model makes of it is wrong: one tap leads here."""
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    home = get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
    sample, refusal = _at_hand(request, home), None
    if "begun" in request.POST:
        try:
            return _take(request, home.campaign, at_hand=(sample, home))
        except VernacularError as error:
            refusal = error
    context = form_of(request, home.campaign) | {
        "sample": sample,
        "language": home.language,
        "item": request.POST.get("item", ""),
        "of": request.POST.get("of", ""),
    }
    return shown(request, context, refusal=refusal)


def _labels(campaign: Campaign, *, tag: str) -> list[tuple[str, str]]:
    """Return the labels of which one is the answer; none where answers are composed, or written."""
    if campaign.objective in WRITING or not objective(campaign.objective).PLAIN:
        return []
    return [(one.key, one.name_in(tag)) for one in campaign.labels.order_by("position")]


def _at_hand(request: HttpRequest, home: CampaignLanguage) -> Sample:
    """The text that somebody was handed on the light page, or talked about in a group; no other."""
    user, texts = person_of(request), Sample.objects.filter(campaign=home.campaign)
    texts = texts.filter(language=home.language)
    try:
        item, of = (UUID(one) if one else None for one in map(request.POST.get, ("item", "of")))
    except ValueError:
        raise Http404("this is no text") from None
    if item is not None:
        held = Reservation.objects.filter(annotator__user=user, item__uid=item)
        return get_object_or_404(texts, pk__in=held.values("item__sample"))
    together = GroupText.objects.filter(
        session__campaign_language=home, session__members__user=user
    )
    return get_object_or_404(texts, uid=of, pk__in=together.values("sample"))


def form_of(request: HttpRequest, campaign: Campaign) -> dict[str, object]:
    """What the form shows: what was told so far, and what there is to choose from."""
    told = request.POST if request.method == "POST" else request.GET
    # Never from an address: whoever planted a key there could ask for what came under it.
    key = _key_of(request) or secrets.token_urlsafe(16)
    begun = request.POST.get("begun") or signing.dumps(timezone.now().timestamp(), salt=BEGUN)
    tag = told.get("language", "")
    homes = campaign.languages.filter(active=True).select_related("language")
    return {
        "campaign": campaign,
        "languages": [home.language for home in homes.order_by("language__tag")],
        "labels": _labels(campaign, tag=tag),
        "reasons": REASONS,
        "severities": Told.choices,
        "chosen": told.getlist("reason"),
        "told": told,
        "key": key,
        "bursting": is_bursting(campaign, now=timezone.now()),
        "seed": proof_of_work.seed_of(begun, key),
        "puzzles": proof_of_work.PUZZLES,
        "bits": proof_of_work.BITS,
        # The secret page of an earlier report, told in the body alone: addresses land in logs.
        "after": request.POST.get("after", "")[:64],
        "begun": begun,
    }


def _take(
    request: HttpRequest,
    campaign: Campaign,
    *,
    at_hand: tuple[Sample, CampaignLanguage] | None = None,
) -> HttpResponse:
    told = request.POST
    proven = is_proven(told)
    least = least_seconds(campaign, now=timezone.now(), proven=proven)
    if not _took_its_time(told.get("begun", ""), least=least):
        raise VernacularError(
            _("That was very quick."), remedy=_("Look at it once more, then send it.")
        )
    other = told.get("other_language", "").strip()
    surface = Surface.TRY if told.get("version") else Surface.WEB
    telling = Telling(
        text=told.get("text", "").strip(),
        tag=other or told.get("language", ""),
        output=told.get("output", ""),
        expected=told.get("expected", "") or told.get("expected_words", "").strip(),
        description=told.get("description", "").strip(),
        dialect=told.get("dialect", "").strip(),
        reasons=told.getlist("reason"),
        severity=told.get("severity") or Told.WRONG,
        contact=told.get("contact", "").strip(),
        version_number=_number(told.get("version")),
        version_digest=told.get("digest", "")[:64],
        surface=surface,
        interface=translation.get_language() or "en",
        **{f"consent_{name}": name in told for name in PURPOSES},
    )
    if at_hand is not None:
        sample, home = at_hand
        tag = home.language.tag
        telling = replace(telling, text=sample.text, tag=tag, surface=Surface.ANNOTATOR)
    now = timezone.now()
    user = request.user if isinstance(request.user, User) else None
    got = receive(
        campaign,
        telling=telling,
        key=_key_of(request) or secrets.token_urlsafe(16),
        client=client_of(address_of(request), agent=request.headers.get("User-Agent", ""), now=now),
        now=now,
        user=user,
        first=report_of(told["after"]) if told.get("after") else None,
        proven=proven,
        # A field that no person sees was filled in.
        suspect=bool(told.get("website")),
    )
    if got.fresh:
        soon(tend_reports)
    return redirect("report_follow", got.token)


def _key_of(request: HttpRequest) -> str:
    """The number that the form was given here, if it is one."""
    key = request.POST.get("key", "")
    return key if KEY.fullmatch(key) else ""


def is_proven(told: QueryDict) -> bool:
    """Whether the browser did the sum for this very form; it holds once, as the form's key does."""
    begun, key = told.get("begun", ""), told.get("key", "")
    numbers = told.get("proof", "").split(",")
    if not all(one.isdecimal() and len(one) < 12 for one in numbers) or not KEY.fullmatch(key):
        return False
    if not 0 <= _open_for(begun) <= PROOF_LASTS:
        return False
    seed = proof_of_work.seed_of(begun, key)
    return proof_of_work.is_solved(seed, [int(one) for one in numbers])


def _took_its_time(begun: str, *, least: int) -> bool:
    """Whether a form was open for so long as a person needs; without the sign, it was not."""
    return _open_for(begun) >= least


def _open_for(begun: str) -> float:
    """Return for how many seconds a form has been open by its sign; -1 without one of ours."""
    try:
        since = float(signing.loads(begun, salt=BEGUN, max_age=FORM_LASTS))
    except (signing.BadSignature, TypeError, ValueError):
        return -1
    return timezone.now().timestamp() - since


def campaign_or_404(slug: str) -> Campaign:
    """Return a campaign that is open to everybody; a closed one is not there."""
    campaign = open_to_everybody(slug)
    if campaign is None:
        raise Http404("no campaign of that name is open to everybody")
    return campaign


def report_or_404(token: str) -> Report:
    """Return whose follow link it is."""
    found = report_of(token)
    if found is None:
        raise Http404("no report has this link")
    return found


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 9 else None
