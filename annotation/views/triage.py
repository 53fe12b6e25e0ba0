"""Doors of triage: the queue of a language, one report with all that is known of it, and votes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.reports import doors, merging, originals
from annotation.actions.reports import triage as actions
from annotation.actions.reports.alike import candidates
from annotation.actions.reports.queue import ranked
from annotation.actions.reports.table import RULES, Actor, votes_of
from annotation.actions.reports.transitions import broken_link
from annotation.errors import InvalidInputError
from annotation.models import (
    Campaign,
    CampaignLanguage,
    PublicDoor,
    Report,
    ReportEvent,
    ReportState,
    ReportVote,
)
from annotation.models.reports import CLOSED_UNMENDED, OPEN, Reason
from annotation.permissions import Ability, languages_with, may, person_of, required
from annotation.views.outcomes import attempt
from annotation.views.reports import REASONS

SHOWN = 100
State = ReportState
WORDS = {code: words for code, _sign, words in REASONS}
# Why a coordinator closes: what they choose from for each way.
CLOSING = {
    State.CLOSED_NOT_A_DEFECT: Reason.RIGHT,
    State.CLOSED_OUT_OF_SCOPE: Reason.NOT_OURS,
    State.CLOSED_CANNOT_REPRODUCE: Reason.GONE,
    State.CLOSED_WONT_FIX: Reason.UNWISE,
    State.CLOSED_SPAM: Reason.SPAM,
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
    context = {
        "campaign": campaign,
        "rows": counted.order_by("language__tag"),
        "door": PublicDoor.objects.filter(campaign=campaign).first(),
        "leads": leads,
        "strays": ranked(campaign, language=None, now=timezone.now())[:SHOWN] if leads else [],
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
        stray = get_object_or_404(
            Report, pk=_pk(request, "report"), campaign=campaign, language=None
        )
        actor = Actor(ReportEvent.By.ADMIN, by)
        tag = request.POST.get("tag", "")
        act = partial(actions.place, stray, tag=tag, actor=actor, now=timezone.now())
        attempt(request, act, done=_("Its speakers see it now."))
    else:
        wanted = request.POST.get("open") == "yes"
        done = _("Everybody may try it and report.") if wanted else _("It is closed.")
        attempt(request, partial(doors.set_door, campaign, is_open=wanted, actor=by), done=done)
    return redirect("reports_overview", slug)


@required(Ability.TRIAGE)
@require_safe
def language_reports(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """The queue of a language, the most urgent first."""
    home = _home(slug, tag)
    rows = ranked(home.campaign, language=home.language, now=timezone.now())
    moderated = [one for one in rows if one.report.state == State.QUARANTINED]
    context = {
        "campaign": home.campaign,
        "language": home.language,
        "rows": [one for one in rows if one.report.state != State.QUARANTINED][:SHOWN],
        "quarantined": moderated[:SHOWN],
        "closed": Report.objects.in_language(home.campaign, home.language).exclude(state__in=OPEN)[
            :SHOWN
        ],
    }
    return render(request, "annotation/reports_queue.html", context)


@required(Ability.TRIAGE)
@require_safe
def detail(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """One report: what was told, what the model says now, who agrees, what is like it."""
    home = _home(slug, tag)
    found = _report(home, pk)
    here = {to for start, to in RULES if start == found.state}
    now, user = timezone.now(), person_of(request)
    alike = candidates(found) if found.is_open else []
    for one in alike:
        merging.look_at_both(found, one.report, user=user, now=now)
    context = {
        "campaign": home.campaign,
        "language": home.language,
        "report": found,
        "reasons": [WORDS.get(one, one) for one in found.reasons],
        "votes": votes_of(found),
        "said": found.votes.select_related("voter"),
        "reproductions": found.reproductions.all()[:5],
        "alike": alike,
        "may_merge": State.MERGED in here,
        "followers": found.followers.all()[:SHOWN],
        "closings": [
            (state, State(state).label, CLOSING[state].label)
            for state in CLOSED_UNMENDED
            if state in here
        ],
        "here": here,
        "questions": actions.QUESTIONS.items(),
        "log": found.log.select_related("actor"),
        "links": found.links.exclude(kind="neighbour").exclude(kind="probe"),
        "broken": broken_link(found),
        "original": originals.standing(found, user=user, now=now),
        "messages_told": found.messages.all(),
        "workaround": found.workarounds.filter(ended_at=None).first(),
        "blurred": found.severity == 4 or "insult" in found.reasons,
    }
    return render(request, "annotation/report_detail.html", context)


@required(Ability.TRIAGE)
@require_POST
def act(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """Do one thing with a report."""
    home = _home(slug, tag)
    found = _report(home, pk)
    user = person_of(request)
    lead = may(user, Ability.LEAD, campaign=home.campaign)
    actor = Actor(ReportEvent.By.ADMIN if lead else ReportEvent.By.COORDINATOR, user)
    chosen = _ACTS.get(request.POST.get("act", ""))
    if chosen is None:
        messages.error(request, _("Choose what is to happen."))
    else:
        work = partial(chosen[0], request, found, actor, timezone.now())
        attempt(request, work, done=str(chosen[1]))
    return redirect("report_detail", slug, tag, pk)


@required(Ability.ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
def votes(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """What speakers are asked of reports: is it wrong, what the model says? One after the other.

    They see the text and the answer, and never what whoever reported would have instead.
    """
    home = _home(slug, tag)
    user = person_of(request)
    if request.method == "POST":
        found = _report(home, _pk(request, "report"))
        if found.state != State.AWAITING_TRIAGE:
            messages.info(request, _("This one is decided already."))
            return redirect("report_votes", slug, tag)
        verdict, note = request.POST.get("verdict", ""), request.POST.get("note", "")
        work = partial(
            actions.vote, found, voter=user, verdict=verdict, note=note, now=timezone.now()
        )
        attempt(request, work, done=_("Thank you."))
        return redirect("report_votes", slug, tag)
    waiting = [
        one.report
        for one in ranked(
            home.campaign,
            language=home.language,
            now=timezone.now(),
            states=(State.AWAITING_TRIAGE,),
        )
        if actions.may_vote(one.report, user)
    ]
    seen = set(user_votes(user.pk, [one.pk for one in waiting]))
    left = [one for one in waiting if one.pk not in seen and one.reproductions.exists()]
    first = left[0] if left else None
    names = {label.key: label.name_in(tag) for label in home.campaign.labels.all()}
    said = first.reproductions.first() if first else None
    context = {
        "campaign": home.campaign,
        "language": home.language,
        "report": first,
        "said": names.get(said.label, said.label) if said else "",
        "left": len(left),
        "blurred": bool(first and (first.severity == 4 or "insult" in first.reasons)),
    }
    return render(request, "annotation/report_votes.html", context)


def user_votes(user_id: int, pks: list[int]) -> list[int]:
    """Return which of some reports somebody has voted on already."""
    rows = ReportVote.objects.filter(voter=user_id, about="defect", report__in=pks)
    return list(rows.values_list("report", flat=True))


def _confirm(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    return actions.confirm(found, actor=actor, now=now)


def _ask(request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    question = request.POST.get("question", "")
    return actions.ask_back(found, question=question, actor=actor, now=now)


def _close(request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    to = request.POST.get("to", "")
    if to not in CLOSED_UNMENDED:
        raise InvalidInputError(_("Choose why it is closed."))
    reason, note = CLOSING[State(to)], request.POST.get("note", "")
    return actions.close(found, to=to, reason=reason, actor=actor, now=now, note=note)


def _let_through(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    return actions.let_through(found, actor=actor, now=now)


def _quarantine(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    return actions.quarantine(found, actor=actor, now=now)


def _merge(request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    into = get_object_or_404(Report, pk=_pk(request, "into"), campaign=found.campaign_id)
    return merging.merge(found, into=into, actor=actor, now=now)


def _unmerge(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    return merging.unmerge(found, actor=actor, now=now)


def _hold(request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    until = now + timedelta(days=_days(request))
    return actions.hold(found, reason=Reason.NOT_SOLVED, until=until, actor=actor, now=now)


def _resume(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    return actions.resume(found, actor=actor, now=now)


def _keep_off(request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    until = now + timedelta(days=_days(request))
    note = request.POST.get("note", "")
    return actions.keep_harm_off(found, note=note, until=until, actor=actor, now=now)


def _answer_again(_request: HttpRequest, found: Report, _actor: Actor, now: datetime) -> object:
    return actions.end_workaround(found, now=now)


def _original(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    if actor.user is None:
        raise PermissionDenied
    return originals.ask_for(found, user=actor.user, now=now)


Act = Callable[[HttpRequest, Report, Actor, datetime], object]
_ACTS: dict[str, tuple[Act, object]] = {
    "confirm": (_confirm, gettext_lazy("Confirmed. Texts like it are looked for.")),
    "ask": (_ask, gettext_lazy("Asked. Its clock stands still meanwhile.")),
    "close": (_close, gettext_lazy("Closed. Whoever reported hears why.")),
    "let_through": (_let_through, gettext_lazy("Speakers see it now.")),
    "quarantine": (_quarantine, gettext_lazy("Only moderators see it now.")),
    "merge": (_merge, gettext_lazy("Put together. It can be taken apart again.")),
    "unmerge": (_unmerge, gettext_lazy("Taken apart.")),
    "hold": (_hold, gettext_lazy("On hold. Whoever reported hears it.")),
    "resume": (_resume, gettext_lazy("Work goes on.")),
    "keep_off": (_keep_off, gettext_lazy("The model answers no texts like it until then.")),
    "answer_again": (_answer_again, gettext_lazy("The model answers such texts again.")),
    "original": (_original, gettext_lazy("Noted. A second person has to agree.")),
}


def _home(slug: str, tag: str) -> CampaignLanguage:
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    return get_object_or_404(homes, campaign__slug=slug, language__tag=tag)


def _report(home: CampaignLanguage, pk: int) -> Report:
    rows = Report.objects.in_language(home.campaign, home.language)
    return get_object_or_404(rows.select_related("campaign", "language", "duplicate_of"), pk=pk)


def _pk(request: HttpRequest, name: str) -> int:
    told = request.POST.get(name, "")
    return int(told) if told.isdecimal() and len(told) < 18 else 0


def _days(request: HttpRequest) -> int:
    told = request.POST.get("days", "")
    if not told.isdecimal() or len(told) > 2 or not 1 <= int(told) <= 90:
        raise InvalidInputError(_("Choose from 1 to 90 days."))
    return int(told)
