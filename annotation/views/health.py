"""Signs of life for machines: open to everybody, and they tell nothing else."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation.actions.health import Health, check_broker, check_database


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """The web process lives."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """The web process can do its work: database and broker answer."""
    parts = [check_database(), check_broker()]
    # Strangers read this: which part is out, never the address or the error behind it.
    bad = {p.name.lower(): "not available" for p in parts if p.health is Health.BAD}
    status = 503 if bad else 200
    return JsonResponse({"status": "unavailable" if bad else "ok", "reasons": bad}, status=status)
