"""Doors of invitations: make a personal link, make it anew, revoke it; take a role away."""

from functools import partial
from urllib.parse import quote

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from annotation.actions.entry import homes_of
from annotation.actions.invitations import Ticket, invite, renew, revoke
from annotation.actions.memberships import end
from annotation.errors import VernacularError
from annotation.forms import InvitationForm
from annotation.models import Campaign, Invitation, Language, Membership
from annotation.permissions import (
    Ability,
    languages_with,
    may_hand_out,
    may_manage,
    person_of,
    required,
    roles_given_by,
)
from annotation.tasks import members_soon
from annotation.views.links import spoken
from annotation.views.outcomes import attempt


@required(Ability.PEOPLE)
@require_http_methods(["GET", "POST"])
@never_cache
def create(request: HttpRequest, slug: str) -> HttpResponse:
    """Invite somebody; the answer to that is the only page that ever shows the link."""
    campaign = get_object_or_404(Campaign, slug=slug)
    languages = list(languages_with(request.user, Ability.PEOPLE, campaign=campaign))
    roles = roles_given_by(request.user, campaign=campaign)
    chosen = {"languages": request.GET.getlist("language")}
    form = InvitationForm(request.POST or None, initial=chosen, languages=languages, roles=roles)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        asked = [language for language in languages if language.tag in data["languages"]]
        try:
            ticket = invite(
                campaign,
                name=data["name"],
                languages=asked,
                role=data["role"],
                interface=data["interface"] or _guessed(asked),
                actor=person_of(request),
            )
        except VernacularError as error:
            form.add_error(None, str(error))
        else:
            return _shown(request, ticket)
    context = {"campaign": campaign, "form": form}
    status = 422 if form.errors else 200
    return render(request, "annotation/invite.html", context, status=status)


@required(Ability.PEOPLE)
@require_POST
@never_cache
def make_anew(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Give the person another link, shown once; the one before opens nothing from here."""
    invitation = _invitation(request, slug, pk)
    ticket = renew(invitation, actor=person_of(request), now=timezone.now())
    _end_visits(invitation)
    return _shown(request, ticket)


@required(Ability.PEOPLE)
@require_POST
def take_back(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Revoke a link, and with it every session that began by it."""
    invitation = _invitation(request, slug, pk)
    done = _("The link of %(name)s opens nothing any more, and whoever came in by it is out.")
    act = partial(revoke, invitation, now=timezone.now())
    attempt(request, act, done=done % {"name": invitation.name})
    _end_visits(invitation)
    return redirect("people", slug)


@required(Ability.PEOPLE)
@require_POST
def end_membership(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Take a role away from somebody; links that gave it do not give it back."""
    held = Membership.objects.select_related("user", "campaign", "language")
    membership = get_object_or_404(held, campaign__slug=slug, pk=pk)
    if not may_manage(request.user, membership.user):
        raise PermissionDenied
    end(membership)
    members_soon(homes_of(membership.user))
    done = _("%(name)s is no longer %(role)s.")
    named = {"name": membership.user, "role": membership.get_role_display()}
    messages.success(request, done % named)
    return redirect("people", slug)


def _end_visits(invitation: Invitation) -> None:
    """Have the desk, too, hear of a link that is over."""
    if invitation.user is not None:
        members_soon(homes_of(invitation.user))


@sensitive_variables("ticket", "address", "text")
def _shown(request: HttpRequest, ticket: Ticket) -> HttpResponse:
    invitation, address = ticket.invitation, ticket.address
    interface = spoken(invitation.interface)
    languages = list(invitation.languages.all())
    with translation.override(interface):
        told = {"invitation": invitation, "address": address, "languages": languages}
        text = render_to_string("annotation/invitation.txt", told).strip()
        subject = _("Your link")
    context = {
        "campaign": invitation.campaign,
        "invitation": invitation,
        "address": address,
        "text": text,
        "interface": interface,
        "right_to_left": translation.get_language_info(interface)["bidi"],
        "mail": f"mailto:?subject={quote(subject)}&body={quote(text)}",
        "sms": f"sms:?body={quote(text)}",
        "picture": _picture(address),
    }
    return render(request, "annotation/invited.html", context)


@sensitive_variables("address")
def _picture(address: str) -> str:
    """The link as a QR code, in the page itself: no other request carries it."""
    import segno  # only who invites needs it

    return str(segno.make(address, error="m").svg_data_uri(scale=5, border=3, light="#fff"))


def _guessed(languages: list[Language]) -> str:
    """The interface language that the first of the languages is read in."""
    return spoken(languages[0].tag) if languages else spoken("en")


def _invitation(request: HttpRequest, slug: str, pk: int) -> Invitation:
    rows = Invitation.objects.select_related("campaign", "user")
    invitation = get_object_or_404(rows, campaign__slug=slug, pk=pk)
    if not may_hand_out(request.user, invitation):
        raise PermissionDenied
    return invitation
