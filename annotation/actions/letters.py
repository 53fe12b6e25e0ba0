"""Letters: where somebody wants them, what they speak, and a way out without signing in."""

import hashlib
import hmac

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext as _

from annotation.errors import InvalidInputError
from annotation.models import AddressQuestion, Consent, User

SALT = "vernacular.letters"


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


@transaction.atomic
def keep_address(user: User, *, address: str) -> User:
    """Keep where somebody wants their letters; no address, no letters.

    What was asked before is settled by that, and forgotten with its address.
    """
    address = checked(address)
    User.objects.filter(pk=user.pk).update(letters_to=address)
    _asked(user).delete()
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
        _asked(held).delete()
    return True


def _asked(user: User) -> QuerySet[AddressQuestion]:
    """Questions to addresses of theirs that have been asked, or are not to be."""
    return user.address_questions.exclude(state=AddressQuestion.State.WAITING)


def checked(address: str) -> str:
    """Return an address as it is kept, or refuse what is none."""
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
