"""Addresses: what no address of ours can hold is refused before anything is looked up by it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

NUL = ("\0", "%00")


class SoundAddresses:
    """Answer 400 to a NUL in path or query: PostgreSQL holds none, and would say so by an error."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Refuse it, or go on."""
        told = (request.path_info, request.META.get("QUERY_STRING", ""))
        if any(mark in one for one in told for mark in NUL):
            return HttpResponse("There is a NUL in the address.", status=400)
        return self.get_response(request)
