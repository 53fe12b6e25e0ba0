"""What programs knock with hundreds of times a second goes straight to its door.

A nudge of Label Studio proves itself by its secret and is answered by an empty page: it needs no session,
language, message or policy of pages, and what looks after those takes longer than the door itself.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django_structlog.middlewares import RequestMiddleware

KNOCKS = "/hooks/"


class Straight:
    """Middleware: let such a request in past what only pages need, with its line in the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.knock: Any = RequestMiddleware(_open)  # type: ignore[arg-type]  # it asks no more of an answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Go straight, or on."""
        if not request.path_info.startswith(KNOCKS):
            return self.get_response(request)
        try:
            request.resolver_match = resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)  # the page that says so has its policy, as all pages
        # As for everybody: a name that is not ours is refused.
        request.get_host()
        response: HttpResponseBase = self.knock(request)
        return response


def _open(request: HttpRequest) -> HttpResponseBase:
    match: Any = request.resolver_match
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    return response
