"""What a personal link signs in for: long on one device, and no longer than the link holds."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import resolve
from django.utils import timezone, translation
from django.utils.translation import get_supported_language_variant

from annotation.actions.invitations import LinkEndedError, LinkError, may_be_renewed
from annotation.models import Invitation, User
from annotation.models.often import Often
from annotation.views.unsaved import keep_unsaved

LASTS = timedelta(days=90)
KEY = "invitation"
# In the address of a personal link: the interface language chosen there.
CHOSEN = "interface"
STANDING = Often(
    lambda invitation, now: (
        Invitation.objects.standing(now).filter(pk=invitation).order_by().values_list("pk")
    ),
    invitation=int,
    now=datetime,
)


class PersonalLinks:
    """Middleware: whoever signed in by a link that holds no more is out, and told whom to ask."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Look at the link behind a session, if there is one."""
        pk = request.session.get(KEY) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if pk is None or STANDING.rows(invitation=pk, now=timezone.now()):
            return self.get_response(request)
        logout(request)
        over = Invitation.objects.select_related("created_by").filter(pk=pk).first()
        error = LinkEndedError("This link is over.", invitation=over)
        lost = request.method == "POST" and resolve(request.path_info).url_name == "answer"
        page = closed(request, error, lost=lost)
        return keep_unsaved(request, page) if lost else page


def sign_in_by(request: HttpRequest, *, invitation: Invitation, user: User) -> None:
    """Sign somebody in on this device for as long as the link holds, ninety days at most."""
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session[KEY] = invitation.pk
    request.session.set_expiry(int(LASTS.total_seconds()))


def end_other_devices(request: HttpRequest, user: User) -> None:
    """Sign somebody without a password out everywhere but here; their links open as before."""
    if not user.has_usable_password():
        user.set_unusable_password()
        user.save(update_fields=["password"])
        update_session_auth_hash(request, user)


def speak(response: HttpResponse, *, interface: str) -> HttpResponse:
    """Have the next pages speak an interface language on this device."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        spoken(interface),
        max_age=LASTS,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def spoken(tag: str) -> str:
    """The interface language that comes nearest to a tag; the first one where none does."""
    try:
        return get_supported_language_variant(tag)
    except LookupError:
        return str(settings.LANGUAGE_CODE)


def closed(request: HttpRequest, error: LinkError, *, lost: bool = False) -> HttpResponse:
    """The page of a link that opens nothing: it names whom to ask, and an answer that is lost."""
    invitation = error.invitation
    tag = spoken(invitation.interface) if invitation else translation.get_language()
    with translation.override(tag):
        context = {
            "error": error,
            "invitation": invitation,
            "lost": lost,
            "helps": invitation is not None and may_be_renewed(invitation),
        }
        return render(request, "annotation/link_closed.html", context, status=error.status)
