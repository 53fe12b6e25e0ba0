"""Doors of letters: where they go, and the way out without signing in."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from annotation.actions.addresses import ask_at, open_question, said_yes
from annotation.actions.consents import standing_consent
from annotation.actions.letters import (
    interface_of,
    keep_address,
    may_write_to,
    reader_of,
    stop_letters,
)
from annotation.errors import InvalidInputError, VernacularError
from annotation.models import User
from annotation.permissions import person_of, signed_in
from annotation.tasks import questions_soon

# Questions to addresses, a sign-in: nobody is to be flooded from here.
ASKED, MOST_ASKED = "addresses_asked", 5


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def letters(request: HttpRequest) -> HttpResponse:
    """Where somebody wants a letter a week."""
    user, error = person_of(request), ""
    if request.method == "POST":
        try:
            _wanted_at(request, user, address=request.POST.get("address", ""))
        except VernacularError as refusal:
            error = str(refusal)
        else:
            return redirect("letters")
    consent = standing_consent(user)
    context = {
        "address": request.POST.get("address", user.letters_to),
        "allowed": consent is not None and consent.contact,
        "comes": may_write_to(user),
        "asked": open_question(user),
        "error": error,
    }
    return render(request, "annotation/letters.html", context, status=422 if error else 200)


def _wanted_at(request: HttpRequest, user: User, *, address: str) -> None:
    """Keep an address, once it has said yes; a sign-in asks so many others and no more."""
    asked = request.session.get(ASKED, 0)
    if asked >= MOST_ASKED:
        raise InvalidInputError(
            _("You gave many addresses."), remedy=_("Sign in anew to give another one.")
        )
    if ask_at(user, address=address):
        request.session[ASKED] = asked + 1
        transaction.on_commit(questions_soon)
        messages.success(
            request, _("A letter goes to this address now. Open the link in it and say yes.")
        )
    else:
        messages.success(request, _("Saved. You can change it again at any time."))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def yes(request: HttpRequest, token: str) -> HttpResponse:
    """Have letters come where they were asked for; looking at it alone does nothing."""
    asked = said_yes(token)
    reader = asked[0] if asked else None
    done = asked is not None and request.method == "POST"
    if asked and done:
        keep_address(asked[0], address=asked[1])
    with translation.override(interface_of(reader) if reader else translation.get_language()):
        return render(
            request,
            "annotation/letters_yes.html",
            {"known": reader is not None, "done": done},
            status=200 if reader else 404,
        )


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
