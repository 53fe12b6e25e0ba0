"""Doors of triage: one report with all that is known of it, what is like it, and votes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.reports import brigades, masking, merging, originals, planning, welfare
from annotation.actions.reports import triage as actions
from annotation.actions.reports.alike import Alike, candidates
from annotation.actions.reports.bulk import CLOSING, Outcome, steps_back, take_back, way_back
from annotation.actions.reports.queue import places
from annotation.actions.reports.table import RULES, Actor, votes_of
from annotation.actions.reports.told import led_to, words_of
from annotation.actions.reports.tongues import doubted
from annotation.actions.reports.transitions import broken_link
from annotation.actions.reports.weighing import unseen
from annotation.errors import InvalidInputError
from annotation.models import (
    Campaign,
    CampaignLanguage,
    Report,
    ReportEvent,
    ReportPlan,
    ReportState,
    ReportVote,
)
from annotation.models.reports import CLOSED_UNMENDED, Reason
from annotation.permissions import Ability, may, person_of, required
from annotation.views.outcomes import attempt
from annotation.views.reports import REASONS

SHOWN = 100
State = ReportState
WORDS = {code: words for code, _sign, words in REASONS}


@required(Ability.TRIAGE)
@require_safe
def detail(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """One report: what was told, what the model says now, who agrees, what is like it."""
    home = _home(slug, tag)
    found = _report(home, pk)
    here = {to for start, to in RULES if start == found.state}
    now, user = timezone.now(), person_of(request)
    alike = candidates(found) if found.is_open else []
    beside = _beside(request, alike)
    both = [found, beside.report] if beside else [found]
    veils = welfare.veils_of(both, user=user, now=now)
    if beside is not None and not any(veil.kept for veil in veils.values()):
        merging.look_at_both(found, beside.report, user=user, now=now)
    context = {
        "campaign": home.campaign,
        "language": home.language,
        "report": found,
        "reasons": [WORDS.get(one, one) for one in found.reasons],
        "votes": votes_of(found),
        "said": found.votes.select_related("voter"),
        "reproductions": found.reproductions.all()[:5],
        "alike": alike,
        "looks_like": doubted(found),
        "beside": beside,
        "pair": [(one, *_told(one), veils[one.pk]) for one in both],
        "told": _told(found),
        "may_merge": State.MERGED in here,
        "back": request.GET.get("back", ""),
        "followers": found.followers.all()[:SHOWN],
        "closings": [
            (state, State(state).label, CLOSING[state].label)
            for state in CLOSED_UNMENDED
            if state in here
        ],
        "here": here,
        "questions": actions.QUESTIONS.items(),
        "plan": ReportPlan.objects.filter(report=found).select_related("by").first(),
        "used_up": found.is_open and planning.texts_left(found, home=home) == 0,
        "plannable": found.state in planning.PLANNED_IN,
        "default_plan": found.planned or actions.DEFAULT_PLAN,
        "masks": found.masks.select_related("by", "undone_by"),
        "standing_mask": masking.standing_masks(found).exclude(sealed="").exists(),
        "log": found.log.select_related("actor"),
        "links": led_to(found),
        "unseen": unseen(found) if found.is_open else 0,
        "broken": broken_link(found),
        "original": originals.standing(found, user=user, now=now),
        "messages_told": [
            (one, actions.QUESTIONS.get(one.template, "") or one.text)
            for one in found.messages.all()
        ],
        "workaround": found.workarounds.filter(ended_at=None).first(),
        "veil": veils[found.pk],
        "kinds": welfare.KINDS.items(),
        "shown_kinds": welfare.shown_kinds(user),
        "hard_a_day": settings.ENV.hard_texts_a_day,
    }
    return render(request, "annotation/report_detail.html", context)


def _told(report: Report) -> tuple[str, str]:
    """What the model said and what it should be, in words."""
    return words_of(report, report.output_text), words_of(report, report.expected_text)


def _beside(request: HttpRequest, alike: list[Alike]) -> Alike | None:
    """Which of those that may be the same stands beside the report: the chosen, or the likest."""
    chosen = request.GET.get("beside", "")
    return next((one for one in alike if str(one.report.pk) == chosen), next(iter(alike), None))


@required(Ability.TRIAGE)
@require_POST
def act(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """Do one thing with a report."""
    home = _home(slug, tag)
    found = _report(home, pk)
    actor = actor_of(request, home.campaign)
    there = reverse("report_detail", args=[slug, tag, pk])
    if "back" in request.POST:
        steps = dict(steps_back(request.POST["back"], actor=actor))
        work = partial(_take_back, found, steps.get(pk, 0), actor)
        attempt(request, work, done=_("It is as it was before."))
        return redirect(there)
    chosen = _ACTS.get(request.POST.get("act", ""))
    if chosen is None:
        messages.error(request, _("Choose what is to happen."))
        return redirect(there)
    before = found.events
    attempt(request, partial(chosen[0], request, found, actor, timezone.now()), done=str(chosen[1]))
    found.refresh_from_db()
    moved = [Outcome(found, found.state)] if found.events != before else []
    back = way_back(moved, actor=actor)
    return redirect(f"{there}?{urlencode({'back': back})}" if back else there)


def _take_back(found: Report, events: int, actor: Actor) -> None:
    outcome = take_back([(found, events)], actor=actor, now=timezone.now())[0]
    if outcome.problem:
        raise InvalidInputError(outcome.problem)


def actor_of(request: HttpRequest, campaign: Campaign) -> Actor:
    """Who looks after reports here, as the table of steps calls them."""
    user = person_of(request)
    lead = may(user, Ability.LEAD, campaign=campaign)
    return Actor(ReportEvent.By.ADMIN if lead else ReportEvent.By.COORDINATOR, user)


@required(Ability.ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
def votes(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """What speakers are asked of reports: is it wrong, what the model says? One after the other.

    They see the text and the answer, and never what whoever reported would have instead. Where a
    released fix is doubted they are asked whether it is better.
    """
    home = _home(slug, tag)
    user = person_of(request)
    if request.method == "POST" and "more" in request.POST:
        welfare.show_more(user, now=timezone.now())
        return redirect("report_votes", slug, tag)
    if request.method == "POST":
        found = _report(home, _pk(request, "report"))
        about = _about(found)
        if not about:
            messages.info(request, _("This one is decided already."))
            return redirect("report_votes", slug, tag)
        verdict, note = request.POST.get("verdict", ""), request.POST.get("note", "")
        work = partial(
            actions.vote,
            found,
            voter=user,
            verdict=verdict,
            note=note,
            about=about,
            now=timezone.now(),
        )
        attempt(request, work, done=_("Thank you."))
        return redirect("report_votes", slug, tag)
    left = actions.unvoted(home, user)
    line = places(left, campaign=home.campaign, now=timezone.now())
    first = left.get(pk=line[0].pk) if line else None
    if first is not None and not actions.may_vote(first, user):
        first, line = None, []
    names = {label.key: label.name_in(tag) for label in home.campaign.labels.all()}
    said = first.reproductions.first() if first else None
    context = {
        "campaign": home.campaign,
        "language": home.language,
        "report": first,
        "about": _about(first) if first else "",
        "said": names.get(said.label, said.said) if said else "",
        "left": len(line),
        "veil": welfare.veil_of(first, user=user, now=timezone.now()) if first else welfare.OPEN,
    }
    return render(request, "annotation/report_votes.html", context)


def _about(report: Report) -> str:
    """Return what speakers are asked of a report now: is it wrong, or is it better; or nothing."""
    if report.state == State.AWAITING_TRIAGE:
        return ReportVote.About.DEFECT
    return ReportVote.About.BETTER if report.state in actions.WATCHED else ""


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


def _look(_request: HttpRequest, found: Report, actor: Actor, _now: datetime) -> object:
    return actions.look_at(found, actor=actor)


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


def _plan(request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    told = {name: request.POST.get(name, "").strip() for name in ("texts", "gold", "budget")}
    wrong = [one for one in told.values() if one and not (one.isdecimal() and len(one) < 7)]
    if wrong or not told["texts"]:
        raise InvalidInputError(_("Write whole numbers."))
    return planning.plan(
        found,
        texts=int(told["texts"]),
        gold_percent=int(told["gold"] or 0),
        budget=int(told["budget"]) if told["budget"] else None,
        actor=actor,
        now=now,
    )


def _mask(request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    if actor.user is None:
        raise PermissionDenied
    told = request.POST.get("words", "")
    made = masking.mask_words(found, told=told, user=actor.user, now=now)
    number = sum(one.places for one in made)
    done = ngettext(
        "%(number)s place masked by hand", "%(number)s places masked by hand", number
    ) % {"number": number}
    messages.info(request, done)
    return made


def _unmask(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    if actor.user is None:
        raise PermissionDenied
    return masking.undo_mask(found, user=actor.user, now=now)


def _no_brigade(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    if actor.user is None:
        raise PermissionDenied
    return brigades.undo_brigade(found, user=actor.user, now=now)


def _veil(request: HttpRequest, _found: Report, actor: Actor, _now: datetime) -> object:
    if actor.user is None:
        raise PermissionDenied
    return welfare.show_kinds(actor.user, kinds=request.POST.getlist("kind"))


def _more(_request: HttpRequest, _found: Report, actor: Actor, now: datetime) -> object:
    if actor.user is None:
        raise PermissionDenied
    return welfare.show_more(actor.user, now=now)


def _original(_request: HttpRequest, found: Report, actor: Actor, now: datetime) -> object:
    if actor.user is None:
        raise PermissionDenied
    return originals.ask_for(found, user=actor.user, now=now)


Act = Callable[[HttpRequest, Report, Actor, datetime], object]
_ACTS: dict[str, tuple[Act, object]] = {
    "confirm": (_confirm, gettext_lazy("Confirmed. Texts like it are looked for.")),
    "ask": (_ask, gettext_lazy("Asked. Its clock stands still meanwhile.")),
    "close": (_close, gettext_lazy("Closed. Whoever reported hears why.")),
    "look": (_look, gettext_lazy("From now on this report counts in full.")),
    "let_through": (_let_through, gettext_lazy("Speakers see it now.")),
    "quarantine": (_quarantine, gettext_lazy("Only moderators see it now.")),
    "merge": (_merge, gettext_lazy("Put together. It can be taken apart again.")),
    "unmerge": (_unmerge, gettext_lazy("Taken apart.")),
    "hold": (_hold, gettext_lazy("On hold. Whoever reported hears it.")),
    "resume": (_resume, gettext_lazy("Work goes on.")),
    "keep_off": (_keep_off, gettext_lazy("The model answers no texts like it until then.")),
    "answer_again": (_answer_again, gettext_lazy("The model answers such texts again.")),
    "plan": (_plan, gettext_lazy("Planned. It holds from when the report is confirmed.")),
    "mask": (_mask, gettext_lazy("Masked. You can undo it until the original expires.")),
    "unmask": (_unmask, gettext_lazy("It stands there again as it was told.")),
    "no_brigade": (_no_brigade, gettext_lazy("Each of these reports counts again.")),
    "veil": (_veil, gettext_lazy("Saved. You can change it again at any time.")),
    "more": (_more, gettext_lazy("Ten more are shown today. Rest when you like.")),
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
