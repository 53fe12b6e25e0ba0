"""Addresses: what no address of ours can hold is refused before anything is looked up by it."""

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

NUL = ("\0", "%00")
# Each parameter of the JSON API says itself what it may hold; others are not looked at.
OWN_WORDS = "/api/v1/"


class SoundAddresses:
    """Answer 400 to a NUL in path or query: PostgreSQL holds none, and would say so by an error."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Refuse it, or go on."""
        path, asked = request.path_info, request.META.get("QUERY_STRING", "")
        told = (path,) if path.startswith(OWN_WORDS) else (path, asked)
        if not any(mark in one for one in told for mark in NUL):
            return self.get_response(request)
        if path.startswith("/api/"):
            return _nothing_there()
        return HttpResponse("There is a NUL in the address.", status=400)


def _nothing_there() -> HttpResponse:
    """A refusal as programs read it (RFC 9457): nothing of ours has such a name."""
    told = {
        "type": "about:blank#not_found",
        "title": "not_found",
        "status": 404,
        "detail": "There is a NUL in the address.",
        "remedy": "",
        "errors": [],
    }
    return HttpResponse(json.dumps(told), status=404, content_type="application/problem+json")
