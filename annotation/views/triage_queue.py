"""Doors of the queue of reports: what waits in which language, several chosen at once, and back."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from annotation.actions.reports import bulk, doors, welfare
from annotation.actions.reports import triage as actions
from annotation.actions.reports.limits import is_bursting
from annotation.actions.reports.queue import TABS, counts_of, page_of, ranked
from annotation.actions.reports.table import Actor
from annotation.errors import InvalidInputError
from annotation.models import (
    Campaign,
    CampaignLanguage,
    Language,
    PublicDoor,
    Report,
    ReportEvent,
    ReportState,
    Severity,
)
from annotation.models.reports import OPEN
from annotation.permissions import Ability, languages_with, may, person_of, required
from annotation.views.outcomes import attempt
from annotation.views.triage import actor_of

SHOWN = 100
State = ReportState
TITLES = {
    "triage": gettext_lazy("To decide"),
    "asked": gettext_lazy("Asked back"),
    "moderator": gettext_lazy("Held back"),
    "mending": gettext_lazy("Being mended"),
    "closed": gettext_lazy("Closed"),
}
# What several can have done to them at once, by where they stand.
OFFERED = {
    "triage": ("confirm", "look", "quarantine"),
    "asked": (),
    "moderator": ("let_through",),
    "mending": ("hold", "resume"),
    "closed": (),
}
WORDS = {
    "confirm": gettext_lazy("Confirm that it is wrong"),
    "look": gettext_lazy("Looked at: it counts in full"),
    "let_through": gettext_lazy("Let speakers see it"),
    "quarantine": gettext_lazy("Hide it from all but moderators"),
    "hold": gettext_lazy("Put it on hold for two weeks"),
    "resume": gettext_lazy("Go on with it"),
}


@required(Ability.WATCH)
@require_safe
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """How many reports stand where, language by language; and what names no language of ours."""
    campaign = get_object_or_404(Campaign, slug=slug)
    homes = campaign.languages.filter(
        language__in=languages_with(request.user, Ability.TRIAGE, campaign=campaign)
    )
    counted = homes.select_related("language").annotate(
        waiting=_count(State.AWAITING_TRIAGE),
        quarantined=_count(State.QUARANTINED),
        open=Count(
            "language__reports",
            filter=Q(language__reports__campaign=campaign, language__reports__state__in=OPEN),
            distinct=True,
        ),
    )
    leads = may(request.user, Ability.LEAD, campaign=campaign)
    strays = ranked(campaign, language=None, now=timezone.now(), most=SHOWN) if leads else []
    veils = welfare.veils_of(
        [one.report for one in strays], user=person_of(request), now=timezone.now()
    )
    context = {
        "campaign": campaign,
        "rows": counted.order_by("-waiting", "-open", "language__tag"),
        "door": PublicDoor.objects.filter(campaign=campaign).first(),
        "bursting": is_bursting(campaign, now=timezone.now()),
        "leads": leads,
        "strays": [(one, veils[one.report.pk]) for one in strays],
        "languages": [home.language for home in counted],
    }
    return render(request, "annotation/reports_overview.html", context)


def _count(state: str) -> Count:
    # Of this campaign alone: a language may take part in several.
    here = Q(language__reports__campaign=F("campaign"), language__reports__state=state)
    return Count("language__reports", filter=here, distinct=True)


@required(Ability.LEAD)
@require_POST
def door(request: HttpRequest, slug: str) -> HttpResponse:
    """Open a campaign's model to everybody, or close it; place a report that named no language."""
    campaign = get_object_or_404(Campaign, slug=slug)
    by = person_of(request)
    if "report" in request.POST:
        told = request.POST["report"]
        pk = int(told) if told.isdecimal() and len(told) < 18 else 0
        stray = get_object_or_404(Report, pk=pk, campaign=campaign, language=None)
        actor, tag = Actor(ReportEvent.By.ADMIN, by), request.POST.get("tag", "")
        attempt(
            request,
            lambda: actions.place(stray, tag=tag, actor=actor, now=timezone.now()),
            done=_("Its speakers see it now."),
        )
    else:
        wanted = request.POST.get("open") == "yes"
        done = _("Everybody may try it and report.") if wanted else _("It is closed.")
        attempt(request, lambda: doors.set_door(campaign, is_open=wanted, actor=by), done=done)
    return redirect("reports_overview", slug)


@required(Ability.TRIAGE)
@require_safe
def language_reports(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """The queue of a language, the most urgent first."""
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    home = get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
    return _queue(request, home.campaign, chosen=home.language)


@required(Ability.TRIAGE)
@require_safe
def every_report(request: HttpRequest, slug: str) -> HttpResponse:
    """The queue of all languages that somebody looks after, or of the one that is chosen."""
    campaign = get_object_or_404(Campaign, slug=slug)
    tag = request.GET.get("language", "")
    own = languages_with(request.user, Ability.TRIAGE, campaign=campaign)
    return _queue(request, campaign, chosen=own.filter(tag=tag).first() if tag else None)


def _queue(request: HttpRequest, campaign: Campaign, *, chosen: Language | None) -> HttpResponse:
    own = languages_with(request.user, Ability.TRIAGE, campaign=campaign).order_by("tag")
    languages = [chosen] if chosen else list(own)
    view = _view_of(request)
    page = page_of(
        campaign,
        languages=languages,
        tab=view["tab"],
        severity=int(view["severity"]) if view["severity"] else None,
        after=request.GET.get("after", ""),
        now=timezone.now(),
    )
    kept = {"severity": view["severity"]} | ({"language": chosen.tag} if chosen else {})
    counts = counts_of(campaign, languages=languages)
    context = {
        "campaign": campaign,
        "language": chosen,
        "languages": own,
        "page": page,
        "rows": page.rows,
        "tab": view["tab"],
        "severity": view["severity"],
        "severities": reversed(Severity.choices),
        "tabs": [
            (tab, title, counts[tab], _query(kept | {"tab": tab})) for tab, title in TITLES.items()
        ],
        "offered": _offered(view["tab"]),
        "questions": actions.QUESTIONS.items() if view["tab"] == "triage" else (),
        "closings": _closings(view["tab"]),
        "view": _query(kept | {"tab": view["tab"]}),
        "first": "after" not in request.GET,
        "back": request.GET.get("back", ""),
    }
    return render(request, "annotation/reports_queue.html", context)


def _view_of(request: HttpRequest) -> dict[str, str]:
    """Which tab and which severity somebody looks at; what there is not is the first."""
    tab, severity = request.GET.get("tab", ""), request.GET.get("severity", "")
    return {
        "tab": tab if tab in TABS else "triage",
        "severity": severity if severity in map(str, Severity.values) else "",
    }


def _query(told: dict[str, str]) -> str:
    return urlencode({name: value for name, value in told.items() if value})


def _offered(tab: str) -> list[tuple[str, Any]]:
    return [(name, WORDS[name]) for name in OFFERED[tab]]


def _closings(tab: str) -> list[tuple[str, str]]:
    if tab == "moderator":
        return [(State.CLOSED_SPAM, str(bulk.CLOSING[State.CLOSED_SPAM].label))]
    if tab != "triage":
        return []
    return [(state, str(reason.label)) for state, reason in bulk.CLOSING.items()]


@required(Ability.TRIAGE)
@require_POST
def several(request: HttpRequest, slug: str) -> HttpResponse:
    """Do one thing with several reports: a look at what it would do first, and a way back after."""
    campaign = get_object_or_404(Campaign, slug=slug)
    actor, now = actor_of(request, campaign), timezone.now()
    view = _view_told(request)
    there = reverse("reports_every", args=[slug]) + (f"?{view}" if view else "")
    if "back" in request.POST:
        steps = dict(bulk.steps_back(request.POST["back"], actor=actor))
        found = _chosen(request, campaign, pks=list(steps))
        pairs = [(one, steps[one.pk]) for one in found]
        _tell(request, bulk.take_back(pairs, actor=actor, now=now), back=True)
        return redirect(there)
    pks = [int(one) for one in request.POST.getlist("report") if one.isdecimal() and len(one) < 18]
    found, act = _chosen(request, campaign, pks=pks[: bulk.MOST]), request.POST.get("act", "")
    if not found:
        messages.error(request, _("Choose one report at least."))
        return redirect(there)
    try:
        bulk.work_of(act)
    except InvalidInputError as error:
        messages.error(request, str(error))
        return redirect(there)
    if "sure" not in request.POST:
        outcomes = bulk.preview(found, act=act, actor=actor, now=now)
        _note(request, outcomes=[])  # it was all rolled back
        return _shown(request, campaign, outcomes, act=act, view=view)
    outcomes = bulk.carry_out(found, act=act, actor=actor, now=now)
    _tell(request, outcomes)
    back = bulk.way_back(outcomes, actor=actor)
    return redirect(f"{there}{'&' if view else '?'}{urlencode({'back': back})}" if back else there)


def _view_told(request: HttpRequest) -> str:
    """What was looked at when several were chosen, to go back to; nothing else of what is told."""
    told = QueryDict(request.POST.get("view", "")[:200])
    return _query({name: told.get(name, "") for name in ("severity", "language", "tab")})


def _chosen(request: HttpRequest, campaign: Campaign, *, pks: list[int]) -> list[Report]:
    """The reports of these numbers that somebody looks after, in the order of the page."""
    own = languages_with(request.user, Ability.TRIAGE, campaign=campaign)
    rows = Report.objects.filter(campaign=campaign, language__in=own).select_related("language")
    there = rows.in_bulk(pks)
    return [there[pk] for pk in pks if pk in there]


def _shown(
    request: HttpRequest,
    campaign: Campaign,
    outcomes: list[bulk.Outcome],
    *,
    act: str,
    view: str,
) -> HttpResponse:
    able = [one for one in outcomes if not one.problem]
    context = {
        "campaign": campaign,
        "rows": [(one, State(one.state).label) for one in outcomes],
        "able": able,
        "act": act,
        "view": view,
        "for_good": act == "confirm",
    }
    return render(request, "annotation/reports_several.html", context)


def _tell(request: HttpRequest, outcomes: list[bulk.Outcome], *, back: bool = False) -> None:
    """Say how many it was done to, and of each other one why not."""
    _note(request, outcomes=outcomes, back=back)
    done = sum(not one.problem for one in outcomes)
    if done and back:
        said = ngettext("%d report is as it was.", "%d reports are as they were.", done)
        messages.success(request, said % done)
    elif done:
        said = ngettext("Done with %d report.", "Done with %d reports.", done)
        messages.success(request, said % done)
    for one in outcomes:
        if one.problem:
            told = {"number": one.report.pk, "problem": one.problem}
            messages.warning(request, _("Report %(number)d: %(problem)s") % told)


def _note(request: HttpRequest, *, outcomes: list[bulk.Outcome], back: bool = False) -> None:
    """Let the audit know which reports moved; where none has, there is nothing to write down."""
    moved = [one.report.pk for one in outcomes if not one.problem]
    if moved:
        told: dict[str, object] = {"report": moved} | ({"act": "back"} if back else {})
        request.done_to = told  # type: ignore[attr-defined]
    else:
        request.audited = None  # type: ignore[attr-defined]
