"""Who may come in: staff lead campaigns, others answer at the desk."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url

from annotation.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def staff_required(view: View[P]) -> View[P]:
    """Let staff in; send strangers to sign in, and tell everybody else a plain no."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        if not request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    # A polling partial must not be replaced by the sign-in page: the whole page goes there.
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": resolve_url("sign_in")})
    if request.method != "GET":
        return redirect_to_login(resolve_url("home"))
    return redirect_to_login(request.get_full_path())


def person_of(request: HttpRequest) -> User:
    """Who is signed in, where the door has made sure that somebody is."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
