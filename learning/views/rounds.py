"""The door of a round: what each language was due, and why each text was asked."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from annotation.permissions import Ability, required
from learning.models import Pick, Round

PICKS_PER_PAGE = 50


@required(Ability.WATCH)
@require_safe
def detail(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    round_ = get_object_or_404(
        Round.objects.select_related("campaign", "version"), campaign__slug=slug, number=number
    )
    allotments = list(round_.allotments.select_related("campaign_language__language"))
    tag, slot = request.GET.get("language", ""), request.GET.get("slot", "")
    picks = round_.picks.select_related("item__sample__language", "nearest__language").order_by(
        "item__campaign_language__language__tag", "rank"
    )
    if tag:
        picks = picks.filter(item__campaign_language__language__tag=tag)
    if slot in Pick.Slot.values:
        picks = picks.filter(slot=slot)
    query = request.GET.copy()
    query.pop("page", None)
    page = Paginator(picks, PICKS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "looks": round_.looks.all(),
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
