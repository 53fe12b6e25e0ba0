"""Doors of group sessions: opened by a coordinator, answered alone, talked about together."""

import uuid
from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.actions.calibration_story import labels_of
from annotation.actions.exposures import glance
from annotation.actions.groups import (
    answer_text,
    conclude,
    next_text,
    open_group,
    put_side_by_side,
    remark,
    side_by_side,
)
from annotation.errors import VernacularError
from annotation.models import Annotator, CampaignLanguage, GroupSession, GroupText
from annotation.permissions import (
    Ability,
    has_agreed,
    may,
    members_of,
    person_of,
    required,
    signed_in,
    team_of,
)
from annotation.views.fields import fields_of, form_of
from annotation.views.outcomes import attempt
from annotation.views.sessions import home_at, number_in

TEXTS = 12


@required(Ability.PEOPLE)
@require_http_methods(["GET", "HEAD", "POST"])
def group_open(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Choose people and texts."""
    home = home_at(slug, tag)
    people = list(team_of(home.campaign, home.language).select_related("user"))
    chosen = [person for person in people if str(person.pk) in request.POST.getlist("members")]
    if request.method == "POST":
        try:
            session = open_group(
                home,
                title=request.POST.get("title", ""),
                members=chosen,
                number=number_in(request, "number") or TEXTS,
                disputed=request.POST.get("texts") == "disputed",
                actor=person_of(request),
            )
        except VernacularError as error:
            messages.error(request, str(error))
        else:
            return redirect("group", slug, tag, session.pk)
    context = {
        "home": home,
        "campaign": home.campaign,
        "people": people,
        "chosen": chosen,
        "posted": request.POST,
        "texts": TEXTS,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "annotation/group_open.html", context, status=status)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def group(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """A member's next text; side by side for members and coordinators as soon as it is time."""
    home = home_at(slug, tag)
    session = get_object_or_404(GroupSession, pk=pk, campaign_language=home)
    member = _member(request, session)
    leads = _leads(request, home)
    if member is None and not leads:
        raise PermissionDenied
    if member is not None and not has_agreed(member.user):
        return redirect("consent")
    if request.method == "POST":
        return _take(request, home, session, member)
    text = next_text(session, annotator=member) if member else None
    context: dict[str, object] = {
        "home": home,
        "campaign": home.campaign,
        "session": session,
        "member": member,
        "leads": leads,
        "labels": labels_of(home),
        "form": form_of(home.campaign),
        "token": str(uuid.uuid4()),
        "guideline": home.guidelines.order_by("-version").first(),
    }
    if session.state == GroupSession.State.ANSWERING and text is not None:
        return render(request, "annotation/group_answer.html", context | {"text": text})
    # Until they lie side by side only coordinators see how far everybody is, and nobody what.
    side = side_by_side(session)
    if member is None and session.state != GroupSession.State.ANSWERING:
        known = [row.text.sample.gold for row in side.rows if row.known]
        glance(person_of(request), golds=known, now=timezone.now())
    context |= {"side": side, "remarks": session.remarks.select_related("author")}
    return render(request, "annotation/group.html", context)


def _take(
    request: HttpRequest, home: CampaignLanguage, session: GroupSession, member: Annotator | None
) -> HttpResponse:
    here = redirect("group", home.campaign.slug, home.language.tag, session.pk)
    text = get_object_or_404(GroupText, session=session, position=number_in(request, "position"))
    if member is None:
        raise PermissionDenied
    try:
        answer_text(
            text,
            annotator=member,
            fields=fields_of(request),
            why=request.POST.get("why", ""),
            now=timezone.now(),
        )
    except VernacularError as error:
        messages.error(request, str(error))
    return here


@signed_in
@require_POST
def group_remark(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    home = home_at(slug, tag)
    session = get_object_or_404(GroupSession, pk=pk, campaign_language=home)
    member = _member(request, session)
    if member is None and not _leads(request, home):
        raise PermissionDenied
    if member is not None and not has_agreed(member.user):
        return redirect("consent")
    position = number_in(request, "position")
    text = None if position is None else session.texts.filter(position=position).first()
    act = partial(
        remark,
        session,
        author=person_of(request),
        says=request.POST.get("says", ""),
        token=request.POST.get("token", ""),
        text=text,
    )
    attempt(request, act, done=_("Said."))
    return redirect("group", slug, tag, pk)


@required(Ability.PEOPLE)
@require_POST
def group_side(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    session = get_object_or_404(GroupSession, pk=pk, campaign_language=home_at(slug, tag))
    done = _("Everybody sees everybody's answers now.")
    attempt(request, partial(put_side_by_side, session), done=done)
    return redirect("group", slug, tag, pk)


@required(Ability.GUIDE)
@require_POST
def group_conclude(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    session = get_object_or_404(GroupSession, pk=pk, campaign_language=home_at(slug, tag))
    act = partial(
        conclude,
        session,
        conclusion=request.POST.get("conclusion", ""),
        guideline=request.POST.get("guideline", ""),
        recalibrate="recalibrate" in request.POST,
        now=timezone.now(),
        actor=person_of(request),
    )
    attempt(request, act, done=_("The session is closed."))
    return redirect("group", slug, tag, pk)


def _member(request: HttpRequest, session: GroupSession) -> Annotator | None:
    """Who is here, if they are in the session and nobody has let them go since."""
    home = session.campaign_language
    team = members_of(home.campaign, home.language)
    here = session.members.filter(user=person_of(request), pk__in=team.values("pk"))
    return here.select_related("user").first()


def _leads(request: HttpRequest, home: CampaignLanguage) -> bool:
    user = person_of(request)
    return may(user, Ability.PEOPLE, campaign=home.campaign, language=home.language)
