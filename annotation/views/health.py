"""Signs of life for machines: open to everybody, and they tell nothing else."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation.actions.health import (
    Health,
    check_broker,
    check_database,
    check_desk,
    check_tables,
)

DESK = {Health.GOOD: "answers", Health.WARN: "not asked yet", Health.BAD: "not available"}


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """The web process lives."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """The web process can do its work: database, its tables and broker are there.

    A desk that is away is said, and turns nobody away: the pages and the light page go on.
    """
    database = check_database()
    away = database.health is Health.BAD
    parts = [database, check_broker()] if away else [database, check_tables(), check_broker()]
    # Strangers read this: which part is out, never the address or the error behind it.
    bad = {p.name.lower(): "not available" for p in parts if p.health is Health.BAD}
    told = {"status": "unavailable" if bad else "ok", "reasons": bad}
    desk = "unknown" if away else DESK[check_desk().health]
    return JsonResponse({**told, "desk": desk}, status=503 if bad else 200)
