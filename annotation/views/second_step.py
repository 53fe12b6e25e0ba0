"""Doors of signing in: the password, the second step, and setting that up or turning it off."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import django_otp
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django_otp.models import Device

from annotation.actions.second_step import (
    accept,
    begin,
    codes_left,
    confirm,
    has_second_step,
    must_have_second_step,
    renew_codes,
    turn_off,
)
from annotation.actions.sign_in import must_wait, note_failure
from annotation.errors import VernacularError
from annotation.models import User
from annotation.permissions import person_of, signed_in
from annotation.views.origin import address_of
from annotation.views.outcomes import attempt

# Doors that stay open to whoever has yet to give a code, or to set the second step up.
_ALWAYS = {"second_step_ask", "sign_in", "sign_out", "interface", "healthz", "readyz", "metrics"}
_SETTING_UP = _ALWAYS | {"second_step", "second_step_off"}


class SignInForm(AuthenticationForm):
    """Name and password, with patience for no more than some wrong ones."""

    def clean(self) -> dict[str, Any]:
        """Look at the password unless too many were wrong lately."""
        name, now = str(self.data.get("username", "")), timezone.now()
        address = address_of(self.request) if self.request else ""
        if must_wait(name, address=address, now=now):
            raise ValidationError(
                _("Too many wrong passwords. Wait ten minutes, then try again."), code="wait"
            )
        try:
            return super().clean()
        except ValidationError:
            note_failure(name, address=address, now=now)
            raise


class SignIn(LoginView):
    """The first step."""

    template_name = "annotation/sign_in.html"
    redirect_authenticated_user = True
    authentication_form = SignInForm


class SecondStep:
    """Middleware: a password alone opens nothing where there is, or must be, a second step.

    Whoever comes by a personal link has no password, and is asked where they must have a second step.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Everything is decided when the door is known."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: Any, _args: Any, _kwargs: Mapping[str, Any]
    ) -> HttpResponseBase | None:
        """Send whoever owes a step to where it is taken."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        name = request.resolver_match.url_name if request.resolver_match else ""
        if name in _ALWAYS or is_proven(request):
            return None
        user = request.user
        if not isinstance(user, User) or not _is_asked(user):
            return None
        if has_second_step(user):
            return _sent(request, "second_step_ask")
        if name not in _SETTING_UP and must_have_second_step(user):
            return _sent(request, "second_step")
        return None


def _is_asked(user: User) -> bool:
    return user.has_usable_password() or must_have_second_step(user)


def is_proven(request: HttpRequest) -> bool:
    """Whether the second step was taken here since the password, by what the person still has."""
    kept = request.session.get(django_otp.DEVICE_ID_SESSION_KEY)
    found = Device.from_persistent_id(kept) if kept else None
    return found is not None and found.confirmed and found.user_id == request.user.pk


def _sent(request: HttpRequest, to: str) -> HttpResponse:
    come_from = request.get_full_path() if request.method == "GET" else ""
    address = reverse(to) + ("?" + urlencode({"next": come_from}) if come_from else "")
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": reverse(to)})
    return redirect(address)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("code")
@never_cache
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for the code, from the phone or a recovery code; a right one opens everything."""
    user, to = person_of(request), _next(request)
    if is_proven(request) or not has_second_step(user):
        return redirect(to)
    wrong = False
    if request.method == "POST":
        device = accept(user, code=request.POST.get("code", ""))
        if device is not None:
            request.session.cycle_key()
            django_otp.login(request, device)
            return redirect(to)
        wrong = True
    context = {"next": to, "wrong": wrong}
    return render(request, "annotation/second_step_ask.html", context, status=422 if wrong else 200)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("code", "password")
@never_cache
def set_up(request: HttpRequest) -> HttpResponse:
    """Set the second step up: the password again, a picture for the phone, and its first code."""
    user = person_of(request)
    if not (_is_asked(user) or has_second_step(user)):
        return redirect("me")
    if request.method == "POST":
        return _do(request, user)
    return _page(request, user)


def _do(request: HttpRequest, user: User) -> HttpResponse:
    if has_second_step(user):
        if "first" in request.POST:  # sent twice: it is on, and codes not seen are made anew there
            return redirect("second_step")
        if accept(user, code=request.POST.get("code", "")) is None:
            return _page(request, user, wrong=True)
        return _codes(request, renew_codes(user), user)
    if "code" not in request.POST:
        return _begun(request, user)
    try:
        codes = confirm(user, code=request.POST["code"])
    except VernacularError as error:
        if not has_second_step(user):  # it is on where the same code came twice at once
            messages.error(request, str(error))
        return redirect("second_step")
    if not codes:
        phone = user.totpdevice_set.filter(confirmed=False).first()  # type: ignore[attr-defined]
        return _page(request, user, phone=phone, wrong=True)
    request.session.cycle_key()
    return _codes(request, codes, user)


def _begun(request: HttpRequest, user: User) -> HttpResponse:
    """Show a phone what to keep, to who knows the password, where there is one.

    Guessing it here is as slow as at the door.
    """
    if not user.has_usable_password():
        return _page(request, user, phone=begin(user))
    address, now = address_of(request), timezone.now()
    if must_wait(user.username, address=address, now=now):
        messages.error(request, _("Too many wrong passwords. Wait ten minutes, then try again."))
        return redirect("second_step")
    if not user.check_password(request.POST.get("password", "")):
        note_failure(user.username, address=address, now=now)
        return _page(request, user, wrong=True)
    return _page(request, user, phone=begin(user))


@signed_in
@require_POST
@sensitive_post_parameters("code")
def off(request: HttpRequest) -> HttpResponse:
    """Turn it off again, by a code."""
    user = person_of(request)
    done = _("You sign in with your password alone from now on.")
    if attempt(request, lambda: turn_off(user, code=request.POST.get("code", "")), done=done):
        request.session.pop(django_otp.DEVICE_ID_SESSION_KEY, None)
    return redirect("second_step")


def _page(
    request: HttpRequest, user: User, *, phone: Any = None, wrong: bool = False
) -> HttpResponse:
    context: dict[str, Any] = {"wrong": wrong, "on": has_second_step(user)}
    context |= {"left": codes_left(user), "must": must_have_second_step(user)}
    if phone is not None:
        context |= {"picture": _picture(phone.config_url), "secret": _spelled(phone)}
    return render(request, "annotation/second_step.html", context, status=422 if wrong else 200)


def _codes(request: HttpRequest, codes: list[str], user: User) -> HttpResponse:
    # By the phone: codes that somebody came in by may just have been replaced.
    django_otp.login(request, user.totpdevice_set.get(confirmed=True))  # type: ignore[attr-defined]
    return render(request, "annotation/second_step_codes.html", {"codes": codes})


def _next(request: HttpRequest) -> str:
    told = request.POST.get("next") or request.GET.get("next") or ""
    here = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(told, here, require_https=request.is_secure())
    return told if safe else resolve_url(settings.LOGIN_REDIRECT_URL)


def _picture(address: str) -> str:
    import segno  # only who sets it up needs it

    return str(segno.make(address, error="m").svg_data_uri(scale=5, border=3, light="#fff"))


def _spelled(phone: Any) -> str:
    told = base64.b32encode(phone.bin_key).decode()
    return " ".join(told[place : place + 4] for place in range(0, len(told), 4))
