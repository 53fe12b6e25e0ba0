"""Doors of parity: where all languages stand side by side, for everybody where it is public."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe

from annotation.methods.charts import axis
from annotation.models import Campaign
from annotation.permissions import Ability, campaigns_with, may, person_of, required
from annotation.views.spreadsheets import spreadsheet
from training.actions.language_story import SMALL_CELL
from training.actions.parity import ParityRow, parity_of
from training.actions.public_pages import is_public, may_look, seen_by, set_public
from training.methods.gaps import Ends

# The picture above the table has all; more rows at once keep a phone on a bad line waiting.
PER_PAGE = 100
Key = Callable[[ParityRow], float | str | None]


@dataclass(frozen=True)
class Column:
    """A column that rows can be sorted by; ``down`` if the largest is what is looked for first."""

    name: str
    title: str | Promise
    key: Key
    down: bool = False
    end: bool = True


def _value(found: Ends | None) -> float | None:
    return found.value if found else None


def _figure(name: str) -> Key:
    return lambda row: getattr(row.figures, name) if row.figures else None


COLUMNS = (
    Column("name", gettext_lazy("Language"), lambda r: r.language.name.casefold(), end=False),
    Column("accuracy", gettext_lazy("Accuracy"), lambda r: r.metric.value),
    Column("gap", gettext_lazy("Behind the best"), lambda r: _value(r.gap), down=True),
    Column("trend", gettext_lazy("Trend"), lambda r: _value(r.moved), True, False),
    Column("labels", gettext_lazy("Labels"), lambda r: r.spent.answers, down=True),
    Column("cost", gettext_lazy("Minutes a point"), lambda r: _value(r.cost), down=True),
    Column("tokens", gettext_lazy("Tokens"), _figure("premium"), down=True),
    Column("words", gettext_lazy("Whole words"), _figure("whole_words")),
    Column("calibration", gettext_lazy("Calibration error"), _figure("ece"), down=True),
    Column("set", gettext_lazy("Labels in a set"), lambda r: r.set_size, down=True),
    Column(
        "days",
        gettext_lazy("Days to a decision"),
        lambda r: r.service.decided.value if r.service.decided else None,
        down=True,
    ),
)
SHOWN = {
    "": gettext_lazy("all"),
    "behind": gettext_lazy("falling behind"),
    "slow": gettext_lazy("served slowly"),
    "unmeasured": gettext_lazy("not measured"),
}


@never_cache
@gzip_page
@require_safe
def languages(request: HttpRequest) -> HttpResponse:
    """All languages of all campaigns that whoever asks may see."""
    seen = list(seen_by(request.user).distinct())
    return _page(request, seen, campaign=None)


@never_cache
@gzip_page
@require_safe
def campaign_languages(request: HttpRequest, slug: str) -> HttpResponse:
    """All languages of one campaign."""
    campaign = seen_campaign(request, slug)
    return _page(request, [campaign], campaign=campaign)


@never_cache
@require_safe
def as_csv(request: HttpRequest, slug: str = "") -> StreamingHttpResponse:
    """The same rows, filtered and sorted alike, for a spreadsheet."""
    seen = [seen_campaign(request, slug)] if slug else list(seen_by(request.user).distinct())
    rows, _query = _chosen(request, parity_of(seen, now=timezone.now()))
    watched = set(campaigns_with(request.user, Ability.WATCH).values_list("pk", flat=True))
    told = (_cells(row, whole=row.campaign.pk in watched) for row in rows)
    return spreadsheet(f"languages-{slug or 'all'}", head=CSV_COLUMNS, rows=told)


@required(Ability.LEAD)
@require_POST
def publish(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the pages of a campaign's languages to everybody, or to nobody any more."""
    campaign = get_object_or_404(Campaign, slug=slug)
    shown = request.POST.get("shown") == "1"
    set_public(campaign, shown=shown, actor=person_of(request), now=timezone.now())
    said = _("Everybody can see this now.") if shown else _("Only those who watch see this now.")
    messages.success(request, said)
    return redirect("campaign_languages", slug)


def seen_campaign(request: HttpRequest, slug: str) -> Campaign:
    """The campaign if whoever asks may see its languages; nobody is told that there is another."""
    campaign = get_object_or_404(Campaign, slug=slug)
    if not may_look(request.user, campaign):
        raise Http404
    return campaign


def _page(
    request: HttpRequest, seen: Sequence[Campaign], *, campaign: Campaign | None
) -> HttpResponse:
    everything = parity_of(seen, now=timezone.now())
    rows, query = _chosen(request, everything)
    known = [row.metric.value for row in everything if row.metric.value is not None]
    watched = set(campaigns_with(request.user, Ability.WATCH).values_list("pk", flat=True))
    carried = urlencode({name: value for name, value in query.items() if value})
    trends = [point for row in everything for point in row.trend]
    context = {
        "campaign": campaign,
        "up": axis(point.value for point in trends),
        "several": campaign is None,
        "everything": everything,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "found": len(rows),
        "columns": _headings(query),
        "query": query,
        "carried": carried,
        "carried_more": f"&{carried}" if carried else "",
        "shown": SHOWN.items(),
        "mean": sum(known) / len(known) if known else None,
        "worst": min(known, default=None),
        "behind": [row for row in everything if row.behind],
        "slow": [row for row in everything if row.service.slow],
        "watched": watched,
        "small": SMALL_CELL,
        "public": is_public(campaign) if campaign else True,
        "lead": campaign is not None and may(request.user, Ability.LEAD, campaign=campaign),
        "watch": campaign is not None and campaign.pk in watched,
    }
    return render(request, "training/parity.html", context)


def _chosen(
    request: HttpRequest, rows: Sequence[ParityRow]
) -> tuple[list[ParityRow], Mapping[str, str]]:
    """Filter and sort rows as the address says; what is not known comes last either way."""
    query = {name: request.GET.get(name, "") for name in ("q", "show", "sort", "down")}
    column = next((one for one in COLUMNS if one.name == query["sort"]), None)
    wanted = query["q"].strip().casefold()
    kept = [row for row in rows if _fits(row, wanted=wanted, show=query["show"])]
    if column is None:
        # Whom it concerns most comes first: who falls behind, then who is served worst.
        kept.sort(
            key=lambda r: (
                not r.behind,
                not r.service.slow,
                r.metric.value is None,
                r.metric.value or 0.0,
            )
        )
        return kept, query
    known = [(column.key(row), row) for row in kept]
    unknown = [row for value, row in known if value is None]
    told = [(value, row) for value, row in known if value is not None]
    told.sort(key=lambda pair: pair[0], reverse=query["down"] == "1")
    return [row for _value, row in told] + unknown, query


def _fits(row: ParityRow, *, wanted: str, show: str) -> bool:
    language = row.language
    told = f"{language.name}\n{language.autonym}\n{language.tag}\n{language.script}".casefold()
    if (show == "behind" and not row.behind) or (show == "slow" and not row.service.slow):
        return False
    if show == "unmeasured" and row.metric.value is not None:
        return False
    return wanted in told


def _headings(query: Mapping[str, str]) -> list[dict[str, Any]]:
    """What each heading says and leads to: a second press turns the order round."""
    headings = []
    for column in COLUMNS:
        here = query["sort"] == column.name
        down = query["down"] != "1" if here else column.down
        address = {name: query[name] for name in ("q", "show") if query[name]}
        address |= {"sort": column.name} | ({"down": "1"} if down else {})
        order = ("descending" if query["down"] == "1" else "ascending") if here else ""
        headings.append({"column": column, "address": urlencode(address), "order": order})
    return headings


CSV_COLUMNS = [
    "campaign",
    "language",
    "name",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "gold",
    "behind",
    "behind_low",
    "behind_high",
    "falls_behind",
    "labels",
    "people",
    "seconds",
    "seconds_per_point",
    "seconds_per_point_low",
    "seconds_per_point_high",
    "premium",
    "premium_low",
    "premium_high",
    "parallel_texts",
    "whole_words",
    "words",
    "ece",
    "ece_low",
    "ece_high",
    "ece_items",
    "set_size",
    "days_to_decision",
    "days_low",
    "days_high",
    "served_slowly",
]


def _cells(row: ParityRow, *, whole: bool) -> list[Any]:
    """One row of the file; what would tell of a few people's time is for those who watch."""
    known, gap, spent, days = row.figures, row.gap, row.spent, row.service.decided
    cost = row.cost if whole or spent.people >= SMALL_CELL else None
    people = spent.people if whole or spent.people >= SMALL_CELL or not spent.people else "< 5"
    open_ = whole or spent.people >= SMALL_CELL
    names = ["premium", "premium_low", "premium_high", "parallel", "whole_words", "words"]
    names += ["ece", "ece_low", "ece_high", "ece_items"]
    return [
        row.campaign.slug,
        row.language.tag,
        row.language.name,
        *(row.metric.value, row.metric.low, row.metric.high, row.items),
        *((gap.value, gap.low, gap.high) if gap else (None,) * 3),
        row.behind,
        *(spent.answers, people, round(spent.seconds) if open_ else None),
        *((cost.value, cost.low, cost.high) if cost else (None,) * 3),
        *(getattr(known, name) if known else None for name in names),
        row.set_size,
        *((days.value, days.low, days.high) if days else (None,) * 3),
        row.service.slow,
    ]
