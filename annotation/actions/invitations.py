"""Invitations: a personal link is made, opened, made anew and revoked; no password anywhere.

The link's secret is told once and kept as a digest only. Whoever opens the link is signed in as the
person it was made for, on as many devices as they like, for as long as it is not revoked and
whoever made it, and so may know it, could act in that person's place anyway. To an account that was
there before it gives a membership, and signs nobody in.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _

from annotation.actions.memberships import take_up
from annotation.errors import InvalidInputError, VernacularError
from annotation.models import Campaign, Invitation, Language, LinkMiss, Role, User
from annotation.permissions import may_manage

# 256 bits: no rate at which links can be tried would find one.
SECRET_BYTES = 32
# So many wrong links from one address in so long, and it has to wait.
MOST_MISSES = 20
MISS_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class Ticket:
    """An invitation with its link, which nobody can tell again."""

    invitation: Invitation
    token: str

    @property
    def address(self) -> str:
        """What the person opens."""
        return settings.ENV.web_url.rstrip("/") + reverse("go", args=[self.token])


class LinkError(VernacularError):
    """A link that opens nothing, or nothing any more; the page says whom to ask."""

    code = "link"
    status = 404

    def __init__(self, message: str, *, invitation: Invitation | None = None) -> None:
        super().__init__(message)
        self.invitation = invitation


class LinkUnknownError(LinkError):
    """No link of ours."""

    code = "link_unknown"


class LinkEndedError(LinkError):
    """It was ours, and was revoked or has run out."""

    code = "link_ended"
    status = 410


class LinkTakenError(LinkError):
    """It gave its owner what it was for, and whoever made it may not act in their place."""

    code = "link_taken"
    status = 403


class TooManyLinksError(LinkError):
    """Too many wrong links were tried from one address."""

    code = "too_many_links"
    status = 429


@transaction.atomic
def invite(  # noqa: PLR0913 - who, where, as what, and how long
    campaign: Campaign,
    *,
    name: str,
    languages: Iterable[Language],
    actor: User | None,
    role: str = Role.ANNOTATOR,
    interface: str = "en",
    expires_at: datetime | None = None,
) -> Ticket:
    """Invite one person by name to some languages of a campaign, and return the link."""
    name = " ".join(name.split())
    if not name:
        raise InvalidInputError(
            _("An invitation needs a name."), remedy=_("Write what they are called.")
        )
    asked = list({language.pk: language for language in languages}.values())
    if not asked and role != Role.ADMIN:
        raise InvalidInputError(
            _("An invitation needs a language."),
            remedy=_("Choose one of the campaign's languages."),
        )
    strange = _strange(campaign, asked)
    if strange:
        raise InvalidInputError(
            _("%(campaign)s does not ask in %(languages)s.")
            % {"campaign": campaign, "languages": ", ".join(strange)},
            remedy=_("Choose one of the campaign's languages."),
        )
    fields = {"name": name[:150], "role": role, "campaign": campaign, "interface": interface}
    return _ticket(fields, languages=asked, actor=actor, expires_at=expires_at)


@transaction.atomic
def renew(invitation: Invitation, *, actor: User | None, now: datetime) -> Ticket:
    """Give the same person a new link; the old one and whoever signed in by it are out."""
    old = Invitation.objects.select_for_update().get(pk=invitation.pk)
    revoke(old, now=now)
    fields = {
        "name": old.name,
        "role": old.role,
        "campaign": old.campaign,
        "interface": old.interface,
        "user": old.user,
    }
    return _ticket(fields, languages=list(old.languages.all()), actor=actor, expires_at=None)


def revoke(invitation: Invitation, *, now: datetime) -> Invitation:
    """Let a link open nothing any more; sessions that began by it end with their next page."""
    Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=now)
    invitation.refresh_from_db(fields=["revoked_at"])
    return invitation


def look_up(token: str, *, origin: str, now: datetime) -> Invitation:
    """Find the invitation of a link, without opening it; what is none is counted.

    A good link opens however many wrong ones came from the same address: behind one proxy or
    one shared line that is everybody's.
    """
    digest = digest_of(token)
    found = Invitation.objects.select_related("campaign", "created_by", "user")
    invitation = found.filter(token_digest=digest).first()
    # The index has compared already; this keeps it so whatever the database does with strings.
    if invitation is None or not hmac.compare_digest(invitation.token_digest, digest):
        raise _missed(origin, now=now)
    inactive = invitation.user is not None and not invitation.user.is_active
    if inactive or not Invitation.objects.standing(now).filter(pk=invitation.pk).exists():
        raise LinkEndedError("This link is over.", invitation=invitation)
    return invitation


@transaction.atomic
def open_invitation(invitation: Invitation, *, now: datetime, user: User | None = None) -> User:
    """Let the invited person in: an account of ours with a name and no password, made once.

    ``user`` is who is here already: an unopened link is to belong to them, and signs nobody in
    from then on; an opened one stays its owner's.
    """
    held = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if not Invitation.objects.standing(now).filter(pk=held.pk).exists():
        raise LinkEndedError("This link is over.", invitation=held)
    if held.user is None:
        held.signs_in = user is None
        held.user = user or _new_user(held.name, interface=held.interface)
    elif held.user != user and not signs_in(held):
        raise LinkTakenError("This link signs nobody in.", invitation=held)
    held.last_used_at = now
    held.save(update_fields=["user", "signs_in", "last_used_at"])
    take_up(held)
    return held.user


def signs_in(invitation: Invitation) -> bool:
    """Whether an opened link lets its owner in on one more device.

    Whoever made it may know it, so only while they could act in its owner's place anyway.
    """
    return invitation.signs_in and may_be_renewed(invitation)


def may_be_renewed(invitation: Invitation) -> bool:
    """Whether who made a link may make its owner another one; commands are the operator's."""
    maker, owner = invitation.created_by, invitation.user
    return maker is None or owner is None or may_manage(maker, owner)


def origin_of(address: str) -> str:
    """What an address is remembered as: a digest that only this installation can make."""
    return hmac.new(settings.SECRET_KEY.encode(), address.encode(), hashlib.sha256).hexdigest()


def digest_of(token: str) -> str:
    """What is kept of a link's secret."""
    return hashlib.sha256(token.encode()).hexdigest()


def _missed(origin: str, *, now: datetime) -> LinkError:
    """Count a link that is none, and say whether whoever tries them has to wait."""
    LinkMiss.objects.filter(created_at__lte=now - MISS_WINDOW).delete()
    if LinkMiss.objects.filter(origin=origin).count() >= MOST_MISSES:
        return TooManyLinksError("Too many links were tried from here. Wait ten minutes.")
    LinkMiss.objects.create(origin=origin, created_at=now)
    return LinkUnknownError("This is no link of ours.")


def _ticket(
    fields: dict[str, object],
    *,
    languages: list[Language],
    actor: User | None,
    expires_at: datetime | None,
) -> Ticket:
    token = secrets.token_urlsafe(SECRET_BYTES)
    made = Invitation.objects.create(
        **fields, created_by=actor, expires_at=expires_at, token_digest=digest_of(token)
    )
    made.languages.set(languages)
    return Ticket(made, token)


def _strange(campaign: Campaign, languages: list[Language]) -> list[str]:
    asked = set(campaign.languages.values_list("language", flat=True))
    return [language.tag for language in languages if language.pk not in asked]


def _new_user(name: str, *, interface: str) -> User:
    # The desk makes an e-mail address of it, so Latin letters only.
    stem = slugify(name)[:30].strip("-_") or "speaker"
    user = User(username=f"{stem}-{secrets.token_hex(4)}", name=name, interface=interface)
    user.set_unusable_password()
    user.save()
    return user
