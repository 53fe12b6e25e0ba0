"""Doors of the campaign as a whole: the list, its page, and what moves on it."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.methods.charts import axis
from annotation.models import Campaign
from annotation.permissions import Ability, campaigns_with, may, required
from annotation.views.outcomes import attempt
from learning.actions.outlook import outlook_of
from learning.models import Round
from training.actions.closing import ask_to_train_now
from training.actions.overview import list_campaigns, overview_of
from training.actions.progress import progress_of

STEPS = (
    Round.Status.SCORING,
    Round.Status.SELECTING,
    Round.Status.COLLECTING,
    Round.Status.TRAINING,
    Round.Status.JUDGING,
)

# Where whoever watches may follow a need; the other pages are for those who lead.
WATCHED = ("gate_detail", "people", "round_detail", "run_detail", "version_detail")


def home(request: HttpRequest) -> HttpResponse:
    """Whoever leads begins with the campaigns, whoever answers with their own page."""
    stranger = not request.user.is_authenticated
    return redirect("campaigns" if stranger or may(request.user, Ability.WATCH) else "me")


@required(Ability.WATCH)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    rows = list_campaigns(campaigns_with(request.user, Ability.WATCH))
    return render(request, "training/campaign_list.html", {"rows": rows})


@required(Ability.WATCH)
@require_safe
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    overview = overview_of(campaign)
    lead = may(request.user, Ability.LEAD, campaign=campaign)
    estimates = [e for row in overview.languages for e in (*row.trend, row.metric)]
    context = {
        "overview": overview,
        "campaign": campaign,
        "outlook": outlook_of(campaign),
        "up": axis([v for e in estimates for v in (e.value, e.low, e.high)]),
        "needs": [
            # What is done on this very page needs no link.
            {
                "sentence": need.sentence,
                "address": reverse(need.page, args=need.arguments)
                if need.page != "campaign_detail" and (lead or need.page in WATCHED)
                else "",
            }
            for need in overview.needs
        ],
        **_now(campaign),
    }
    return render(request, "training/campaign_detail.html", context)


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


def _now(campaign: Campaign) -> dict[str, object]:
    round_ = campaign.rounds.select_related("campaign", "version").open().first()
    place = STEPS.index(Round.Status(round_.status)) if round_ else -1
    steps = [
        {"name": step.label, "past": k < place, "now": k == place} for k, step in enumerate(STEPS)
    ]
    number = round_.number if round_ else 0
    return {
        "round": round_,
        "progress": progress_of(round_) if round_ else None,
        "steps": steps,
        "live": round_ is not None or campaign.status == Campaign.Status.RUNNING,
        "state": f"{campaign.status}-{number}-{round_.status if round_ else 'none'}",
    }
