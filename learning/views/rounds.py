"""The door of a round: what each language was due, and why each text was asked."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from annotation.permissions import Ability, required
from annotation.views.spreadsheets import spreadsheet
from learning.actions.report_boost import asked_for_reports
from learning.models import Pick, Round

PICKS_PER_PAGE = 50
DUE = ("language", "target", "got", "capped_by", "pool", "debt_before", "debt_after")
ASKED = (
    *("language", "rank", "text_id", "text", "paid_by", "why", "nearest", "nearest_distance"),
    *("chosen_by", "propensity"),
)


@required(Ability.WATCH)
@require_safe
def detail(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    round_ = get_object_or_404(
        Round.objects.select_related("campaign", "version"), campaign__slug=slug, number=number
    )
    allotments = list(round_.allotments.select_related("campaign_language__language"))
    tag, slot, picks = _picks(request, round_)
    query = request.GET.copy()
    query.pop("page", None)
    page = Paginator(picks, PICKS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "looks": round_.looks.all(),
        "for_reports": asked_for_reports(round_),
        "measured": any(pick.nearest_distance is not None for pick in page),
        "round": round_,
        "campaign": round_.campaign,
        "allotments": allotments,
        "slots": Pick.Slot.choices,
        "language": tag,
        "slot": slot,
        "page": page,
        "query": f"&{query.urlencode()}" if query else "",
    }
    return render(request, "learning/round_detail.html", context)


@required(Ability.WATCH)
@require_safe
def table(request: HttpRequest, slug: str, number: int, name: str) -> StreamingHttpResponse:
    """What was due, or what was asked and why, as the page filters it."""
    round_ = get_object_or_404(Round, campaign__slug=slug, number=number)
    if name not in ("due", "asked"):
        raise Http404
    if name == "due":
        due = round_.allotments.values_list("campaign_language__language__tag", *DUE[1:])
        return spreadsheet(f"{slug}-{number}-due", head=DUE, rows=due)
    _tag, _slot, picks = _picks(request, round_)
    rows = (
        (
            *(pick.item.sample.language.tag, pick.rank, pick.item.sample.uid),
            *(pick.item.sample.shown, pick.slot, pick.rationale),
            pick.nearest.shown if pick.nearest else "",
            *(pick.nearest_distance, pick.strategy, pick.propensity),
        )
        for pick in picks.iterator(chunk_size=500)
    )
    return spreadsheet(f"{slug}-{number}-asked", head=ASKED, rows=rows)


def _picks(request: HttpRequest, round_: Round) -> "tuple[str, str, QuerySet[Pick]]":
    """The language and the slot that were asked for, and the picks that fit."""
    tag, slot = request.GET.get("language", ""), request.GET.get("slot", "")
    picks = round_.picks.select_related("item__sample__language", "nearest__language").order_by(
        "item__campaign_language__language__tag", "rank"
    )
    if tag:
        picks = picks.filter(item__campaign_language__language__tag=tag)
    if slot in Pick.Slot.values:
        picks = picks.filter(slot=slot)
    return tag, slot, picks
