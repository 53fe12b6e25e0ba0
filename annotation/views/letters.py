"""Doors of letters: where they go, and the way out without signing in."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from annotation.actions.consents import standing_consent
from annotation.actions.letters import (
    interface_of,
    keep_address,
    may_write_to,
    reader_of,
    stop_letters,
)
from annotation.errors import InvalidInputError
from annotation.permissions import person_of, signed_in


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def letters(request: HttpRequest) -> HttpResponse:
    """Where somebody wants a letter a week."""
    user, error = person_of(request), ""
    if request.method == "POST":
        try:
            keep_address(user, address=request.POST.get("address", ""))
        except InvalidInputError as refusal:
            error = str(refusal)
        else:
            messages.success(request, _("Saved. You can change it again at any time."))
            return redirect("letters")
    consent = standing_consent(user)
    context = {
        "address": request.POST.get("address", user.letters_to),
        "allowed": consent is not None and consent.contact,
        "comes": may_write_to(user),
        "error": error,
    }
    return render(request, "annotation/letters.html", context, status=422 if error else 200)


# Mail programs press this button by themselves, without a page of ours before (RFC 8058).
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """End somebody's letters by the address in them; looking at it alone does nothing."""
    reader = reader_of(token)
    known, done = reader is not None, False
    if request.method == "POST":
        known = done = stop_letters(token)
    with translation.override(interface_of(reader) if reader else translation.get_language()):
        return render(
            request,
            "annotation/letters_stop.html",
            {"known": known, "done": done},
            status=200 if known else 404,
        )
