"""Doors for those who were invited: the link, the consent, dialect and script."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.actions.consents import (
    INSEPARABLE,
    give_consent,
    present_text,
    standing_consent,
)
from annotation.actions.entry import homes_of
from annotation.actions.interfaces import choose_interface
from annotation.actions.invitations import (
    LinkError,
    LinkTakenError,
    look_up,
    open_invitation,
    origin_of,
    signs_in,
)
from annotation.actions.welcome import scripts_of, tell_about
from annotation.errors import VernacularError
from annotation.models import Annotator, Consent, ConsentText, Invitation, Purpose, User
from annotation.permissions import person_of, signed_in
from annotation.tasks import members_soon
from annotation.views.links import (
    CHOSEN,
    closed,
    end_other_devices,
    sign_in_by,
    speak,
    spoken,
)
from annotation.views.origin import address_of


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def go(request: HttpRequest, token: str) -> HttpResponse:
    """A personal link: looking at it does nothing, its one button signs in.

    Programs that fetch links for a preview, or to search them, only ever look.
    """
    try:
        told = origin_of(address_of(request))
        invitation = look_up(token, origin=told, now=timezone.now())
        if request.method == "POST":
            user = _let_in(request, invitation)
            if chosen := request.GET.get(CHOSEN):
                choose_interface(user, tag=spoken(chosen))
            return speak(redirect("me"), interface=chosen or invitation.interface)
        if invitation.user not in (None, request.user) and not signs_in(invitation):
            raise LinkTakenError("This link signs nobody in.", invitation=invitation)
    except LinkError as error:
        return closed(request, error)
    here = request.user if request.user.is_authenticated else None
    context = {
        "invitation": invitation,
        "languages": invitation.languages.all(),
        # Somebody invited twice keeps one account; who else holds this device gets their own.
        "here": here
        if here and invitation.user is None and not person_of(request).is_staff
        else None,
    }
    # A choice made on this very page; a word kept on the device may be somebody else's.
    with translation.override(spoken(request.GET.get(CHOSEN) or invitation.interface)):
        return render(request, "annotation/go.html", context)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def consent(request: HttpRequest) -> HttpResponse:
    """What is asked in plain words, and what was said to it; every change is kept beside the last."""
    user = person_of(request)
    text = present_text(translation.get_language() or "en")
    before = standing_consent(user)
    error = ""
    if request.method == "POST":
        # What counts is what was read, even if a newer text has come since.
        text = _read(request) or text
        if _ends_something(request, before):
            return redirect(f"{request.path}?end=1")
        try:
            return _answered(request, user, text=text, before=before)
        except VernacularError as refusal:
            error = str(refusal)
    context = {
        "text": text,
        "paragraphs": text.text.split("\n\n"),
        "before": before,
        "purposes": _purposes(request, text=text, before=before),
        "of_age": before.of_age if before else "of_age" in request.POST,
        "error": error,
        "history": Consent.objects.filter(user=user).order_by("-given_at", "-id")[:20],
    }
    ending = request.method != "POST" and "end" in request.GET and before and before.train
    page = "annotation/consent_end.html" if ending else "annotation/consent.html"
    return render(request, page, context, status=422 if error else 200)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def about_me(request: HttpRequest) -> HttpResponse:
    """Which dialect and script somebody speaks and writes; all of it may be left out."""
    user = person_of(request)
    teams = list(user.annotators.select_related("language").order_by("language__tag"))
    if request.method == "POST":
        for team in teams:
            tell_about(
                team, dialect=_told(request, "dialect", team), script=_told(request, "script", team)
            )
        return redirect("me")
    rows = []
    for team in teams:
        scripts = scripts_of(team.language)
        known = team.script in {script.code for script in scripts}
        rows.append({"team": team, "scripts": scripts, "known": known})
    return render(request, "annotation/about_me.html", {"rows": rows})


def _answered(
    request: HttpRequest, user: User, *, text: ConsentText, before: Consent | None
) -> HttpResponse:
    yes = request.POST.get("answer") == "yes"
    chosen = [purpose for purpose in Purpose.values if purpose in request.POST]
    given = give_consent(
        user,
        text=text,
        granted={INSEPARABLE, *chosen} if yes else set(),
        of_age="of_age" in request.POST,
        now=timezone.now(),
    )
    members_soon(homes_of(user))
    first = yes and (before is None or not before.train)
    if given.train and not first and before != given:
        messages.success(request, _("Saved. You can change it again at any time."))
    return redirect("about_me" if first and user.annotators.exists() else "me")


def _ends_something(request: HttpRequest, before: Consent | None) -> bool:
    """Whether a no would erase answers, and has not been confirmed yet."""
    no = request.POST.get("answer") != "yes"
    return no and before is not None and before.train and "sure" not in request.POST


def _read(request: HttpRequest) -> ConsentText | None:
    told = request.POST.get("text", "")
    known = told.isdecimal() and len(told) < 18
    return ConsentText.objects.filter(pk=int(told)).first() if known else None


def _purposes(
    request: HttpRequest, *, text: ConsentText, before: Consent | None
) -> list[dict[str, object]]:
    given = before.granted if before else []
    return [
        {
            "name": purpose,
            "sentence": text.purposes[purpose],
            "fixed": purpose == INSEPARABLE,
            "checked": purpose == INSEPARABLE
            or purpose in (request.POST if request.method == "POST" else given),
        }
        for purpose in Purpose.values
    ]


def _told(request: HttpRequest, what: str, team: Annotator) -> str:
    other = request.POST.get(f"{what}-other-{team.pk}", "").strip()
    return other or request.POST.get(f"{what}-{team.pk}", "").strip()


def _let_in(request: HttpRequest, invitation: Invitation) -> User:
    """Sign the link's owner in; who took it up with an account of theirs only goes on with it."""
    here = _same_person(request, invitation)
    taken = here is not None and invitation.user is None
    user = open_invitation(invitation, now=timezone.now(), user=here)
    invitation.refresh_from_db()
    if signs_in(invitation):
        sign_in_by(request, invitation=invitation, user=user)
    elif taken:
        # Whoever knows an older link of theirs is not to get the new role with it.
        end_other_devices(request, user)
    return user


def _same_person(request: HttpRequest, invitation: Invitation) -> User | None:
    """Whoever is signed in here, if the link is theirs or they say that it is."""
    here = request.user
    if not isinstance(here, User):
        return None
    says_so = "mine" in request.POST and not here.is_staff
    return here if says_so or here == invitation.user else None
