"""An answer that a plain form sent to a closed door: said to be unsaved, and shown once more."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _

from annotation.permissions import has_agreed, person_of

COOKIE = "unsaved_answer"
SALT = "vernacular.unsaved"
LASTS = timedelta(days=7)
# What browsers keep of a cookie, with its name and attributes, is 4096 bytes.
MOST_BYTES = 3500
LONGEST = {"uid": 36, "item": 36, "answer": 80, "note": 500}

Page = Callable[..., HttpResponseBase]


def keeps_unsaved(view: Page) -> Page:
    """Have a page that is answered by a form keep what it cannot let in, and say so."""

    @wraps(view)
    def kept(request: HttpRequest, slug: str, tag: str) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, slug=slug, tag=tag)
        signed_out = not request.user.is_authenticated
        if not signed_out and has_agreed(person_of(request)):
            return view(request, slug=slug, tag=tag)
        response = (
            redirect_to_login(request.path) if signed_out else view(request, slug=slug, tag=tag)
        )
        messages.error(request, _signed_out() if signed_out else _not_agreed())
        return keep_unsaved(request, response)

    return kept


def keep_unsaved(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Leave what was answered on the device, for the page that it was sent to alone."""
    told = {name: request.POST.get(name, "")[:most] for name, most in LONGEST.items()}
    sealed = signing.dumps(told, salt=SALT, compress=True)
    if len(sealed) > MOST_BYTES:
        sealed = signing.dumps(told | {"note": ""}, salt=SALT, compress=True)
    response.set_cookie(
        COOKIE,
        sealed,
        max_age=LASTS,
        path=request.path,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def unsaved(request: HttpRequest) -> dict[str, str]:
    """What was answered here and not saved; empty if nothing was."""
    try:
        told: dict[str, Any] = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=LASTS
        )
    except signing.BadSignature:
        return {}
    return {name: str(told.get(name, "")) for name in LONGEST}


def forget_unsaved(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Show an unsaved answer only once."""
    if COOKIE in request.COOKIES:
        response.delete_cookie(COOKIE, path=request.path)
    return response


def _signed_out() -> str:
    return _(
        "Your answer was not saved: you are signed out. Come in again, and it is shown once more."
    )


def _not_agreed() -> str:
    return _(
        "Your answer was not saved: your consent is missing. Agree again, and it is shown once more."
    )
