"""Where a request comes from."""

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """Where a request comes from: past our own proxies, whatever else is claimed before them."""
    told = request.headers.get("X-Forwarded-For", "").split(",")
    proxies = settings.ENV.trusted_proxies
    if proxies and len(told) >= proxies and told[-proxies].strip():
        return told[-proxies].strip()
    return str(request.META.get("REMOTE_ADDR", ""))
