"""Doors of one language's page: for everybody where the campaign is public, quick, and no texts on it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.feedgenerator import Atom1Feed
from django.utils.http import parse_etags
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from annotation.actions.credit import credit_of
from annotation.models import CampaignLanguage
from annotation.permissions import Ability, may
from training.actions.language_story import Story, record_of, story_of
from training.actions.public_pages import is_public, may_look

# How old a number on a public page may be; names are never older than the visit.
SECONDS = 60


@gzip_page
@require_safe
def page(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """The page itself; whoever has it already is told so in a few bytes."""
    home = _home(request, slug, tag)
    story, record = _told(request, home)
    watch = may(request.user, Ability.WATCH, campaign=home.campaign)
    mark = _mark(request, record, "page", watch, is_public(home.campaign))
    if _has(request, mark):
        return _fresh(HttpResponse(status=304), mark)
    context = {
        "story": story,
        "row": story.row,
        "campaign": home.campaign,
        "language": home.language,
        "names": record["named"],
        "watch": watch,
        "public": is_public(home.campaign),
    }
    return _fresh(render(request, "training/language_page.html", context), mark)


@gzip_page
@require_safe
def as_json(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """The same for programs; any site may fetch what is public."""
    home = _home(request, slug, tag)
    _story, record = _told(request, home)
    mark = _mark(request, record, "json")
    if _has(request, mark):
        return _fresh(HttpResponse(status=304), mark)
    answer = JsonResponse(record, json_dumps_params={"ensure_ascii": False, "indent": 1})
    if is_public(home.campaign):
        answer.headers["Access-Control-Allow-Origin"] = "*"
    return _fresh(answer, mark)


@require_safe
def feed(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """What changed for the language, as an Atom feed: each version that began to serve."""
    home = _home(request, slug, tag)
    story, record = _told(request, home)
    mark = _mark(request, record, "feed")
    if _has(request, mark):
        return _fresh(HttpResponse(status=304), mark)
    there = settings.ENV.web_url + reverse("language_page", args=[slug, tag])
    atom = Atom1Feed(
        title=f"{home.language.name} · {home.campaign.title}",
        link=there,
        description=home.campaign.question,
        language=get_language() or "en",
        feed_url=settings.ENV.web_url + request.path,
    )
    for one in reversed(story.history):
        atom.add_item(
            title=_("Version %d serves") % one.version,
            link=there,
            unique_id=f"{there}#{one.at.isoformat()}",
            unique_id_is_permalink=False,
            description=_sentence(one.metric.value, one.metric.low, one.metric.high, one.items),
            pubdate=one.at,
            updateddate=one.at,
        )
    answer = HttpResponse(atom.writeString("utf-8"), content_type="application/atom+xml")
    return _fresh(answer, mark)


def _sentence(value: float | None, low: float | None, high: float | None, items: int) -> str:
    if value is None:
        return _("It was not measured in this language.")
    said = ngettext(
        "Accuracy %(value).2f (95 %%: %(low).2f to %(high).2f) on %(items)d gold item.",
        "Accuracy %(value).2f (95 %%: %(low).2f to %(high).2f) on %(items)d gold items.",
        items,
    )
    return said % {
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "items": items,
    }


def _home(request: HttpRequest, slug: str, tag: str) -> CampaignLanguage:
    """The language of the campaign if whoever asks may see it; else there is none."""
    homes = CampaignLanguage.objects.filter(active=True).select_related("campaign", "language")
    home = get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
    if not may_look(request.user, home.campaign):
        raise Http404
    return home


def _told(request: HttpRequest, home: CampaignLanguage) -> tuple[Story, Mapping[str, Any]]:
    """The story and its record: kept for a minute for strangers, names looked up each time.

    A name that is taken back is gone with the next visit, whoever keeps what.
    """
    if request.user.is_authenticated:
        story = story_of(home, now=timezone.now())
        return story, record_of(story)
    key = f"language-story-{home.pk}-{get_language()}"
    story = cache.get(key)
    if story is None:
        story = story_of(home, now=timezone.now())
        cache.set(key, story, SECONDS)
    credit = credit_of(home.campaign, language=home.language)
    return story, record_of(story) | {"named": list(credit.names) if credit else []}


def _mark(request: HttpRequest, record: Mapping[str, Any], *more: object) -> str:
    told = json.dumps([record, get_language(), request.user.pk, *more], default=str, sort_keys=True)
    return f'"{hashlib.sha256(told.encode()).hexdigest()[:24]}"'


def _has(request: HttpRequest, mark: str) -> bool:
    """Whether the visitor has this very page already; compression makes a mark weak."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return any(one.removeprefix("W/") == mark for one in known)


def _fresh(answer: HttpResponse, mark: str) -> HttpResponse:
    """Let browsers keep it and ask each time whether it is still so: a name may be gone."""
    answer.headers["ETag"] = mark
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["X-Robots-Tag"] = "noarchive"
    return answer
