"""Letters: where somebody wants them, what they speak, and a way out without signing in."""

import hashlib
import hmac
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.signing import BadSignature, Signer
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext as _

from annotation.errors import InvalidInputError, VernacularError
from annotation.models import Consent, User

SALT = "vernacular.letters"
YES = "vernacular.letters.yes"
YES_LASTS = timedelta(days=7)


class LetterError(VernacularError):
    """A letter that the mail server did not take."""

    code = "letter"
    status = 502


def interface_of(user: User) -> str:
    """The language that pages and letters speak to somebody, as near as there is one."""
    told = user.interface
    if not told:
        invited = user.invitations.order_by("-last_used_at", "-pk").first()
        told = invited.interface if invited else ""
    try:
        return get_supported_language_variant(told)
    except LookupError:
        return str(settings.LANGUAGE_CODE)


def may_write_to(user: User) -> bool:
    """Whether somebody gave an address and allows it to be used."""
    agreed = Consent.objects.standing().filter(user=user, contact=True)
    return bool(user.is_active and user.letters_to) and agreed.exists()


def ask_at(user: User, *, address: str) -> bool:
    """Ask at an address whether letters are wanted there; until it says yes, none go there.

    False if there is nothing to ask. The old address holds meanwhile; the question tells nothing
    that somebody wrote themselves, since anybody's address can be given.
    """
    address = _checked(address)
    if address in ("", user.letters_to):
        keep_address(user, address=address)
        return False
    tag = interface_of(user)
    with translation.override(tag):
        token = signing.dumps([user.pk, address], salt=YES)
        letter = EmailMessage(
            subject=_("Do you want a letter a week?"),
            body=_(
                "Somebody gave this address to get a letter a week about the work on their"
                " language. If that was you, open this page and say yes:\n\n%(address)s\n\n"
                "If not, do nothing: no more comes."
            )
            % {"address": settings.ENV.web_url.rstrip("/") + reverse("letters_yes", args=[token])},
            to=[address],
            headers={"Auto-Submitted": "auto-generated", "Content-Language": tag},
        )
    try:
        letter.send()
    except OSError as error:
        raise LetterError(
            _("The letter could not be sent."), remedy=_("Try again in some minutes.")
        ) from error
    return True


def said_yes(token: str) -> tuple[User, str] | None:
    """Who asked for letters, and where; nothing if it was not made here or is too old."""
    try:
        pk, address = signing.loads(token, salt=YES, max_age=YES_LASTS)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=pk, is_active=True).first()
    return (user, address) if user else None


@transaction.atomic
def keep_address(user: User, *, address: str) -> User:
    """Keep where somebody wants their letters; no address, no letters."""
    address = _checked(address)
    User.objects.filter(pk=user.pk).update(letters_to=address)
    user.refresh_from_db(fields=["letters_to"])
    return user


def way_out(user: User) -> str:
    """The whole address that ends letters to this address of theirs; it never runs out."""
    token = Signer(salt=SALT).sign(f"{user.pk}-{_mark(user.letters_to)}")
    return settings.ENV.web_url.rstrip("/") + reverse("letters_stop", args=[token])


def reader_of(token: str) -> User | None:
    """Whose way out it is; nobody's if it was not made here.

    What was made for an address that somebody uses no more still names them, and ends nothing.
    """
    try:
        pk, _mark_of_it = Signer(salt=SALT).unsign(token).split("-", 1)
    except (BadSignature, ValueError):
        return None
    return User.objects.filter(pk=int(pk)).first()


@transaction.atomic
def stop_letters(token: str) -> bool:
    """End the letters that a way out belongs to; False if it is none of ours. Safe to repeat."""
    reader = reader_of(token)
    if reader is None:
        return False
    held = User.objects.select_for_update().get(pk=reader.pk)
    mark = Signer(salt=SALT).unsign(token).split("-", 1)[1]
    if held.letters_to and hmac.compare_digest(mark, _mark(held.letters_to)):
        User.objects.filter(pk=held.pk).update(letters_to="")
    return True


def _checked(address: str) -> str:
    address = address.strip()
    if address:
        try:
            validate_email(address)
        except ValidationError:
            raise InvalidInputError(
                _("“%s” is no e-mail address.") % address[:60],
                remedy=_("Write it as name@example.org, or leave it empty."),
            ) from None
    return address


def _mark(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:16]
