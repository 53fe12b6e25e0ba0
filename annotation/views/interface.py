"""Which language the pages speak: chosen by a click, kept on the device and with the person."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.actions.interfaces import choose_interface, share_translated
from annotation.models import User
from annotation.views.links import CHOSEN, speak, spoken


class OwnInterface:
    """Middleware: on a device that was told nothing, the pages speak what the person once chose."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Ask who it is only where there is a session and no word on the device."""
        told = settings.LANGUAGE_COOKIE_NAME in request.COOKIES
        if told or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        tag = getattr(request.user, "interface", "")
        if not tag:
            return self.get_response(request)
        translation.activate(spoken(tag))
        request.LANGUAGE_CODE = translation.get_language() or settings.LANGUAGE_CODE
        response = self.get_response(request)
        said = settings.LANGUAGE_COOKIE_NAME in response.cookies
        return response if said else speak(response, interface=tag)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def interface(request: HttpRequest) -> HttpResponse:
    """Choose a language of the pages, see what became of each and how to help."""
    if request.method == "POST" and request.POST.get("speak") in settings.INTERFACES:
        tag = request.POST["speak"]
        if isinstance(request.user, User):
            choose_interface(request.user, tag=tag)
        return speak(redirect(_way_back(request, tag)), interface=tag)
    return render(request, "annotation/interface.html", {"rows": _rows()})


def _way_back(request: HttpRequest, tag: str) -> str:
    target = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if not ours:
        return "interface"
    path = urlsplit(target).path
    # A personal link speaks its invitation's language, unless it is told another right there.
    return f"{path}?{CHOSEN}={tag}" if _is_personal_link(path) else target


def _is_personal_link(path: str) -> bool:
    try:
        return resolve(path).url_name == "go"
    except Resolver404:
        return False


def _rows() -> list[dict[str, Any]]:
    return [
        {"one": one, "share": share_translated(tag)} for tag, one in settings.INTERFACES.items()
    ]
