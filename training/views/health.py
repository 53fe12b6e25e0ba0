"""The door to the health of every part, for people who can mend it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation.actions.health import Health
from annotation.permissions import staff_required
from training.actions.health import report


@staff_required
@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    parts = report(timezone.now())
    bad = [part for part in parts if part.health is not Health.GOOD]
    template = (
        "training/_health.html" if request.headers.get("HX-Request") else "training/health.html"
    )
    return render(request, template, {"parts": parts, "bad": bad})
