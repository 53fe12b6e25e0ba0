"""The page of what ratings and preferences of what models wrote amount to, and the same as a file."""

from collections.abc import Iterator
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from annotation.actions.judgements import NEWEST, OVERALL, Compared, Rated, compared, rated
from annotation.models import CampaignLanguage
from annotation.objectives.ratings import ASPECTS
from annotation.permissions import Ability, required
from annotation.views.spreadsheets import spreadsheet

KINDS = ("ratings", "preferences")
# The texts that a page lists, those that need a better one first.
SHOWN = 20
RATED = (
    *("aspect", "sample", "external_id", "system", "text", "ratings"),
    *("grade", "low", "high", "part"),
)
COMPARED = ("system", "against", "strength", "low", "high", "share", "share_low", "share_high")


@required(Ability.LEAD)
@require_safe
def judgements(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Show a language's grades and people, or its systems, with intervals."""
    home = _home(slug, tag)
    context: dict[str, Any] = {
        "campaign": home.campaign,
        "language": home.language,
        "newest": NEWEST,
    }
    if home.campaign.objective == "ratings":
        found = rated(home)
        context |= {"rated": [_summary(one) for one in found]}
        context |= {"people": _people(found), "worst": _worst(found)}
        context |= {"cut": bool(found) and found[0].answers >= NEWEST}
    else:
        told = compared(home)
        context |= {"compared": told, "systems": _systems(told) if told else []}
    return render(request, "annotation/judgements.html", context)


@required(Ability.LEAD)
@require_safe
def judgements_csv(_request: HttpRequest, slug: str, tag: str) -> StreamingHttpResponse:
    """Every grade of every text, or every pair of systems, with intervals; nobody's name."""
    home = _home(slug, tag)
    told = home.campaign.objective == "ratings"
    rows = list(_rated_rows(home) if told else _compared_rows(home))
    head = RATED if told else COMPARED
    return spreadsheet(f"{slug}-{tag}-judgements", head=head, rows=rows)


def _home(slug: str, tag: str) -> CampaignLanguage:
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    home = get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
    if home.campaign.objective not in KINDS:
        raise Http404
    return home


def _named(aspect: str) -> str:
    return _("Overall") if aspect == OVERALL else str(ASPECTS[aspect])


def _summary(one: Rated) -> dict[str, Any]:
    return {
        "name": _named(one.aspect),
        "answers": one.answers,
        "texts": len(one.samples),
        "people": len(one.people),
        "mean": one.mean,
        "good": 100 * one.good,
        "alpha": one.agreement.alpha,
        "islands": one.fit.islands,
    }


def _people(found: list[Rated]) -> list[dict[str, Any]]:
    """How far below a typical person each one grades, aspect by aspect."""
    if not found:
        return []
    return [
        {
            "person": person,
            "severity": [
                (_named(one.aspect), *map(float, one.fit.severity[one.people.index(person)]))
                for one in found
                if person in one.people
            ],
        }
        for person in found[0].people
    ]


def _worst(found: list[Rated]) -> list[tuple[Any, ...]]:
    if not found:
        return []
    overall = found[0]
    order = overall.fit.quality[:, 0].argsort(kind="stable")[:SHOWN]
    return [(overall.samples[at], *map(float, overall.fit.quality[at])) for at in order]


def _systems(told: Compared) -> list[dict[str, Any]]:
    """The systems, the strongest first, and how each does against the strongest of its part."""
    best: dict[int, int] = {}
    rows = []
    for at in told.order:
        island = int(told.fit.island[at])
        top = best.setdefault(island, at)
        rows.append(
            {
                "name": told.systems[at],
                "strength": tuple(map(float, told.fit.strength[at])),
                "share": told.fit.share(at, top),
                "against": told.systems[top] if top != at else "",
                "part": island + 1,
            }
        )
    return rows


def _rated_rows(home: CampaignLanguage) -> Iterator[tuple[Any, ...]]:
    for one in rated(home, newest=None):
        for at, sample in enumerate(one.samples):
            grade, low, high = (round(float(number), 4) for number in one.fit.quality[at])
            system = str(sample.meta.get("system") or "")
            told = (one.aspect, sample.uid, sample.external_id or "", system, sample.shown)
            yield (*told, one.given[at], grade, low, high, int(one.fit.item_island[at]))


def _compared_rows(home: CampaignLanguage) -> Iterator[tuple[Any, ...]]:
    told = compared(home)
    if told is None:
        return
    for at in told.order:
        strength = [round(float(number), 4) for number in told.fit.strength[at]]
        yield (told.systems[at], "", *strength, "", "", "")
        for other in told.order:
            share = told.fit.share(at, other)
            if share.value is not None:
                shares = (share.value, share.low or 0.0, share.high or 0.0)
                cells = (round(number, 4) for number in shares)
                yield (told.systems[at], told.systems[other], "", "", "", *cells)
