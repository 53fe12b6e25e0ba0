"""Door of the credits: who made a campaign possible, by name only where they said so."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation.actions.credit import credits_of
from annotation.models import Campaign


@require_safe
@never_cache
def names(request: HttpRequest, slug: str) -> HttpResponse:
    """Open to all; no copy of it is to outlive a name that is taken back."""
    begun = Campaign.objects.exclude(status=Campaign.Status.DRAFT)
    campaign = get_object_or_404(begun, slug=slug)
    context = {"campaign": campaign, "languages": credits_of(campaign)}
    answer = render(request, "annotation/credits.html", context)
    answer.headers["X-Robots-Tag"] = "noindex, noarchive"
    return answer
