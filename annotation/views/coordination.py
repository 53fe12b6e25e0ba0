"""Doors for who looks after a language: who waits, what is disputed, what people are owed."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.actions.calibration_story import labels_of
from annotation.actions.choosing import chosen_label
from annotation.actions.disputes import adjudicate, disputed, to_adjudicate, undo
from annotation.actions.hours import Work, work_done
from annotation.actions.objections import keep_text, note_dialect, open_again, set_text_aside
from annotation.errors import InvalidInputError, VernacularError
from annotation.models import (
    Adjudication,
    Annotation,
    Annotator,
    CampaignLanguage,
    Concern,
    Consent,
    Invitation,
    Objection,
    Sample,
    Standing,
    User,
)
from annotation.permissions import Ability, members_of, person_of, required, roles_with, team_of
from annotation.views.fields import fields_of, form_of
from annotation.views.outcomes import attempt
from annotation.views.spreadsheets import spreadsheet

PER_PAGE = 10
SHOWN = 50
DAYS = 30
UNREADY = (Standing.State.NEWCOMER, Standing.State.NOT_YET)


@required(Ability.SETTLE)
@require_safe
def language_desk(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Everything that waits for whoever looks after a language."""
    home = _home(slug, tag)
    until = timezone.localdate()
    disputes = Paginator(to_adjudicate(home).select_related("sample"), PER_PAGE)
    page = disputes.get_page(request.GET.get("page"))
    objections = _objections(home)
    context = {
        "campaign": home.campaign,
        "home": home,
        "language": home.language,
        "page": page,
        "disputes": [(row, _answers(row.sample)) for row in page],
        "asked_again": disputed(home).count() - disputes.count,
        "labels": labels_of(home),
        "form": form_of(home.campaign),
        "objections": [(row, _voices(row)) for row in objections[:SHOWN]],
        "more_objections": max(objections.count() - SHOWN, 0),
        "settled": _settled(home),
        "waiting": _waiting(home),
        "concerns": Concern.objects.filter(campaign_language=home, outcome="").select_related(
            "annotator__user"
        )[:SHOWN],
        "since": until - timedelta(days=DAYS),
        "until": until,
        "work": work_done(home, since=until - timedelta(days=DAYS), until=until),
    }
    return render(request, "annotation/language_desk.html", context)


@required(Ability.SETTLE)
@require_POST
def decide_dispute(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    home = _home(slug, tag)
    sample = get_object_or_404(Sample, campaign=home.campaign, language=home.language, pk=pk)
    try:
        label = chosen_label(home.campaign, fields=fields_of(request), text=sample.text)
    except InvalidInputError as error:
        messages.error(request, f"{_('Choose the answer that is right, then say why.')} {error}")
        return redirect("language_desk", slug, tag)
    act = partial(
        adjudicate,
        sample,
        label=label,
        reason=request.POST.get("reason", ""),
        by=person_of(request),
        now=timezone.now(),
    )
    attempt(request, act, done=_("Decided. It can be undone below."))
    return redirect("language_desk", slug, tag)


@required(Ability.SETTLE)
@require_POST
def undo_dispute(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    home = _home(slug, tag)
    decisions = Adjudication.objects.filter(
        sample__campaign=home.campaign, sample__language=home.language
    )
    act = partial(
        undo, get_object_or_404(decisions, pk=pk), by=person_of(request), now=timezone.now()
    )
    attempt(request, act, done=_("Undone. The answers speak for themselves again."))
    return redirect("language_desk", slug, tag)


@required(Ability.SETTLE)
@require_POST
def decide_objection(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    home = _home(slug, tag)
    rows = Objection.objects.filter(sample__campaign=home.campaign, sample__language=home.language)
    objection = get_object_or_404(rows, pk=pk)
    by, now = person_of(request), timezone.now()
    why = request.POST.get("why", "")
    acts = {
        "keep": (partial(keep_text, objection, why=why, by=by, now=now), _("The text stays.")),
        "set_aside": (
            partial(set_text_aside, objection, why=why, by=by, now=now),
            _("The text is set aside: nobody is asked about it."),
        ),
        "dialect": (
            partial(note_dialect, objection, dialect=why, by=by, now=now),
            _("The dialect is noted. The text stays."),
        ),
        "open": (partial(open_again, objection, by=by, now=now), _("It is open again.")),
    }
    chosen = acts.get(request.POST.get("decision", ""))
    if chosen is None:
        messages.error(request, _("Choose what is to happen with the text."))
    else:
        attempt(request, chosen[0], done=chosen[1])
    return redirect("language_desk", slug, tag)


@required(Ability.SETTLE)
@require_safe
def hours_csv(request: HttpRequest, slug: str, tag: str) -> HttpResponseBase:
    """Hours and items of a span of days, a person a row."""
    home = _home(slug, tag)
    try:
        since, until = (_day(request.GET.get(name, "")) for name in ("since", "until"))
        work = work_done(home, since=since, until=until)
    except VernacularError as error:
        messages.error(request, str(error))
        return redirect("language_desk", slug, tag)
    rows = [_row(each, since=since, until=until) for each in work]
    return spreadsheet(f"{slug}-{tag}-{since}-{until}", head=_COLUMNS, rows=rows)


_COLUMNS = (
    "person",
    "name",
    "language",
    "from",
    "to",
    "items",
    "answered",
    "flagged",
    "skipped",
    "tested",
    "hours",
    "items_without_time",
)


def _row(work: Work, *, since: date, until: date) -> list[object]:
    user = work.annotator.user
    return [
        user.username,
        user.name,
        work.annotator.language.tag,
        since.isoformat(),
        until.isoformat(),
        work.items,
        work.answered,
        work.flagged,
        work.skipped,
        work.tested,
        f"{work.hours:.2f}",
        work.untimed,
    ]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            _("“%s” is no day.") % text[:20], remedy=_("Write days as 2026-11-21.")
        ) from None


def _home(slug: str, tag: str) -> CampaignLanguage:
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    return get_object_or_404(homes, campaign__slug=slug, language__tag=tag)


def _objections(home: CampaignLanguage) -> QuerySet[Objection]:
    """What waits for a decision, the most said first."""
    rows = Objection.objects.filter(
        sample__campaign=home.campaign,
        sample__language=home.language,
        state=Objection.State.OPEN,
    )
    return rows.select_related("sample").order_by("-voices", "opened_at", "pk")


def _settled(home: CampaignLanguage) -> list[Adjudication | Objection]:
    """The newest decisions, to be looked at again and undone."""
    here = {"sample__campaign": home.campaign, "sample__language": home.language}
    decided = Adjudication.objects.filter(undone_at=None, **here)
    objections = Objection.objects.filter(
        state__in=(Objection.State.KEPT, Objection.State.SET_ASIDE), **here
    )
    rows: list[Adjudication | Objection] = [
        *decided.select_related("sample", "label", "decided_by")[:SHOWN],
        *objections.select_related("sample", "decided_by").order_by("-decided_at")[:SHOWN],
    ]
    rows.sort(key=lambda row: row.decided_at or row.sample.created_at, reverse=True)
    return rows[:SHOWN]


def _answers(sample: Sample) -> list[Annotation]:
    """Everybody's word on a text, in the order in which it was given."""
    said = Annotation.objects.filter(
        item__sample=sample, state__in=(Annotation.State.ANSWERED, Annotation.State.SKIPPED)
    )
    return list(said.select_related("annotator__user", "label").order_by("created_at", "pk"))


def _voices(objection: Objection) -> list[Annotation]:
    return [
        one
        for one in _answers(objection.sample)
        if one.flag == objection.kind and one.annotator.active
    ]


def _without_consent(home: CampaignLanguage) -> list[User]:
    """Who may answer but has not agreed, or does not any more; no team knows who never did."""
    standing = Invitation.objects.standing(timezone.now()).filter(
        campaign=home.campaign, languages=home.language, role__in=roles_with(Ability.ANSWER)
    )
    members = members_of(home.campaign, home.language)
    gone = Annotator.objects.filter(language=home.language, active=False)
    here = Q(pk__in=members.values("user")) | Q(pk__in=standing.exclude(user=None).values("user"))
    people = User.objects.filter(here, is_active=True).exclude(pk__in=gone.values("user"))
    agreed = Consent.objects.training().filter(user=OuterRef("pk"))
    return list(people.filter(~Exists(agreed)).order_by("username")[:SHOWN])


def _waiting(home: CampaignLanguage) -> dict[str, Sequence[object]]:
    """Who cannot answer yet, and why."""
    team = team_of(home.campaign, home.language).select_related("user")
    standings = Standing.objects.filter(campaign=home.campaign)
    invited = Invitation.objects.filter(
        campaign=home.campaign, languages=home.language, user=None, revoked_at=None
    )
    here = Prefetch("standings", queryset=standings, to_attr="here")
    unready: list[object] = []
    if home.campaign.calibrate:
        ready = standings.filter(annotator=OuterRef("pk")).exclude(state__in=UNREADY)
        unready = list(team.filter(~Exists(ready)).prefetch_related(here)[:SHOWN])
    return {
        "invited": list(invited[:SHOWN]),
        "without_consent": _without_consent(home),
        "unready": unready,
    }
