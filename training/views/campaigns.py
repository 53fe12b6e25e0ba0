"""Doors of the campaign as a whole: the list, its page, and what moves on it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.methods.charts import Estimate, axis
from annotation.models import Campaign
from annotation.permissions import Ability, campaigns_with, may, required
from annotation.templatetags.words import CSV
from annotation.views.outcomes import attempt
from annotation.views.spreadsheets import spreadsheet
from learning.actions.outlook import outlook_of
from learning.models import Round
from training.actions.campaign_tables import LED, TABLES, campaigns
from training.actions.closing import ask_to_train_now
from training.actions.counts import DAYS, counted_at
from training.actions.monday import gain_curves, imports_under_way, next_step, since, total_of
from training.actions.needs import Need, alarms_of
from training.actions.overview import list_campaigns, overview_of
from training.actions.parity import parity_of
from training.actions.progress import progress_of

STEPS = (
    Round.Status.SCORING,
    Round.Status.SELECTING,
    Round.Status.COLLECTING,
    Round.Status.TRAINING,
    Round.Status.JUDGING,
)

# Who comes back within the hour is still at the same visit.
VISIT = timedelta(hours=1)
# So many languages are drawn beside chance; the file has all.
MOST_CURVES = 12

# With two hundred languages a page of all is too long for a phone, and for its line.
LANGUAGES_PER_PAGE = 50

# Where whoever watches may follow a need; the other pages are for those who lead.
WATCHED = (
    *("gate_detail", "language_page", "people", "reports_overview", "round_detail"),
    *("run_detail", "version_detail"),
)


def home(request: HttpRequest) -> HttpResponse:
    """Whoever leads begins with the campaigns, whoever answers with their own page."""
    stranger = not request.user.is_authenticated
    return redirect("campaigns" if stranger or may(request.user, Ability.WATCH) else "me")


@required(Ability.WATCH)
@require_safe
def index(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    rows = list_campaigns(campaigns_with(request.user, Ability.WATCH), now=timezone.now())
    if CSV in request.GET:
        head, listed = campaigns(rows)
        return spreadsheet("campaigns", head=head, rows=listed)
    return render(request, "training/campaign_list.html", {"rows": rows})


@required(Ability.WATCH)
@require_safe
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    now = timezone.now()
    overview = overview_of(campaign, now=now)
    lead = may(request.user, Ability.LEAD, campaign=campaign)
    estimates = [e for row in overview.languages for e in (*row.trend, row.metric)]
    moment, days = _since(request, campaign, now=now)
    curves = gain_curves(campaign)
    stand = parity_of([campaign], now=now)
    needs = [*alarms_of(campaign, rows=stand), *overview.needs]
    page = Paginator(overview.languages, LANGUAGES_PER_PAGE).get_page(request.GET.get("languages"))
    here = {row.home.pk for row in page}
    context = {
        "overview": overview,
        "campaign": campaign,
        "page": page,
        "outlook": [row for row in outlook_of(campaign) if row.home.pk in here],
        "up": axis([v for e in estimates for v in (e.value, e.low, e.high)]),
        "since": since(campaign, moment, days=days),
        "days": days,
        "choices": DAYS,
        "curves": curves[:MOST_CURVES],
        # One scale for all, so that languages can be compared.
        "chance_up": axis(
            [v for c in curves for p in c.points for e in (p.chosen, p.random) for v in _ends(e)],
            aim=3,
        ),
        "more_curves": max(len(curves) - MOST_CURVES, 0),
        "spent": [row for row in stand if row.spent.answers and row.home.pk in here],
        "in_all": total_of(stand),
        "counted": counted_at(campaign),
        "next": next_step(campaign, needs),
        "needs": _addressed(needs, lead=lead),
        **_now(campaign),
    }
    return render(request, "training/campaign_detail.html", context)


def _addressed(needs: Sequence[Need], *, lead: bool) -> list[dict[str, str]]:
    """What is needed with where to do it; what is done on this very page needs no link."""
    return [
        {
            "sentence": need.sentence,
            "address": reverse(need.page, args=need.arguments)
            if need.page != "campaign_detail" and (lead or need.page in WATCHED)
            else "",
        }
        for need in needs
    ]


@required(Ability.WATCH)
@require_safe
def table(request: HttpRequest, slug: str, name: str) -> StreamingHttpResponse:
    """One table of the page as CSV."""
    campaign = get_object_or_404(Campaign, slug=slug)
    if name in LED and not may(request.user, Ability.LEAD, campaign=campaign):
        raise PermissionDenied
    if name not in TABLES | LED:
        raise Http404
    head, rows = (TABLES | LED)[name](campaign)
    return spreadsheet(f"{slug}-{name}", head=head, rows=rows)


@required(Ability.WATCH)
@require_safe
def live(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    context = {"campaign": campaign, **_now(campaign)}
    response = render(request, "training/_campaign_now.html", context)
    if request.GET.get("seen") != context["state"]:
        # Something ended or began: tables and charts of the page are old now.
        response.headers["HX-Refresh"] = "true"
    return response


@required(Ability.LEAD)
@require_POST
def train_now(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    act = partial(ask_to_train_now, campaign, now=timezone.now())
    attempt(request, act, done=_("Training starts with the answers that are there."))
    return redirect("campaign_detail", slug)


def _ends(estimate: Estimate) -> tuple[float | None, ...]:
    return estimate.value, estimate.low, estimate.high


def _since(request: HttpRequest, campaign: Campaign, *, now: datetime) -> tuple[datetime, int]:
    """From when on to tell, and for how many days that was asked; 0: since the last visit.

    A visit is kept with the session: what somebody looked at is nobody else's matter.
    """
    visits = dict(request.session.get("visits", {}))
    before, last = visits.get(campaign.slug, (None, None))
    if last is None or now - datetime.fromisoformat(last) > VISIT:
        before = last
    if last is None or now - datetime.fromisoformat(last) > VISIT / 12:
        visits[campaign.slug] = (before, now.isoformat())
        request.session["visits"] = visits
    wanted = request.GET.get("days", "")
    if wanted in map(str, DAYS) or before is None:
        days = int(wanted) if wanted in map(str, DAYS) else DAYS[0]
        return now - timedelta(days=days), days
    return datetime.fromisoformat(before), 0


def _now(campaign: Campaign) -> dict[str, object]:
    round_ = campaign.rounds.select_related("campaign", "version").open().first()
    place = STEPS.index(Round.Status(round_.status)) if round_ else -1
    steps = [
        {"name": step.label, "past": k < place, "now": k == place} for k, step in enumerate(STEPS)
    ]
    number = round_.number if round_ else 0
    imports = imports_under_way(campaign)
    return {
        "round": round_,
        "progress": progress_of(round_) if round_ else None,
        "imports": imports,
        "steps": steps,
        "live": bool(imports) or round_ is not None or campaign.status == Campaign.Status.RUNNING,
        "state": f"{campaign.status}-{number}-{round_.status if round_ else 'none'}"
        + (f"-{len(imports)}" if imports else ""),
    }
