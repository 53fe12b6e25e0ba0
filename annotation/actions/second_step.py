"""The second step of signing in: a code from a phone beside the password (RFC 6238, by django-otp).

Recovery codes are told once and kept as keyed digests; each opens once. Both kinds of wrong codes make
the next try wait, twice as long each time. Another superuser may take a lost phone away, which is audited.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from annotation.actions.auditing import record
from annotation.actions.sign_in import sign_out_everywhere
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Membership, Role, User
from annotation.models.often import Often

RECOVERY_CODES = 10
# Fifty bits each, in letters and digits that cannot be mistaken for one another.
_LETTERS, _LENGTH = "ABCDEFGHJKMNPQRSTUVWXYZ23456789", 10
_PURPOSE = "vernacular.recovery"


def has_second_step(user: User) -> bool:
    """Whether somebody signs in with a second step."""
    return bool(CONFIRMED.rows(user=user.pk))


CONFIRMED = Often(
    lambda user: TOTPDevice.objects.filter(user=user, confirmed=True).values_list("pk")[:1],
    user=int,
)


def must_have_second_step(user: User) -> bool:
    """Whether this installation asks it of this person: of staff, and of admins of campaigns."""
    if not settings.ENV.require_two_factor:
        return False
    leading = Membership.objects.filter(user=user, active=True, role=Role.ADMIN)
    return user.is_staff or leading.exists()


@transaction.atomic
def begin(user: User) -> Any:
    """Make a phone's secret, which counts once a code of it has come; asked again, make another."""
    if has_second_step(user):
        raise ConflictError(
            _("You sign in with a second step already."),
            remedy=_("Turn it off first to change phones."),
        )
    TOTPDevice.objects.filter(user=user).delete()
    return TOTPDevice.objects.create(user=user, name="phone", confirmed=False)


@transaction.atomic
def confirm(user: User, *, code: str) -> list[str]:
    """Take a phone's first code; return the recovery codes, which nobody can tell again."""
    phone = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if phone is None:
        raise ConflictError(_("There is no phone to confirm."), remedy=_("Begin anew."))
    if not phone.verify_token(_plain(code)):
        return []
    phone.confirmed = True
    phone.save()
    return renew_codes(user)


@transaction.atomic
def renew_codes(user: User) -> list[str]:
    """Make new recovery codes; those from before open nothing any more."""
    StaticDevice.objects.filter(user=user).delete()
    box = StaticDevice.objects.create(user=user, name="recovery codes")
    codes = [
        "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(RECOVERY_CODES)
    ]
    for code in codes:
        box.token_set.create(token=_kept(user, code))
    return [f"{code[:5]}-{code[5:]}" for code in codes]


@transaction.atomic
def accept(user: User, *, code: str) -> Any:
    """The device that a code is of, used up by it; nothing where it is wrong, or came too soon."""
    told = _plain(code)
    phone = told.isdecimal() and len(told) == 6
    kind = TOTPDevice if phone else StaticDevice
    devices = kind.objects.select_for_update().filter(user=user, confirmed=True)
    token = told if phone else _kept(user, told)
    return next((one for one in devices if one.verify_token(token)), None)


def codes_left(user: User) -> int:
    """How many recovery codes still open."""
    return sum(box.token_set.count() for box in StaticDevice.objects.filter(user=user))


def turn_off(user: User, *, code: str) -> None:
    """Sign in without a second step from now on; whoever asks must have it at hand.

    In no transaction of its own: that a code was wrong stays written when this is refused.
    """
    if must_have_second_step(user):
        raise ConflictError(
            _("Here everybody who leads signs in with a second step."),
            remedy=_("For another phone, have another superuser take this one away."),
        )
    if accept(user, code=code) is None:
        raise InvalidInputError(
            _("This code is wrong, or was used."), remedy=_("Wait for the next one.")
        )
    forget(user)


@transaction.atomic
def take_away(user: User, *, actor: User | None, reason: str) -> None:
    """Take the second step from somebody who has lost it; nobody does so for themselves."""
    if actor is not None and (not actor.is_superuser or actor.pk == user.pk):
        raise ConflictError(
            _("This is for another superuser to do."), remedy=_("Ask one; or use a recovery code.")
        )
    if not reason.strip():
        raise InvalidInputError(_("Say why."), remedy=_("Write how you know who asks for it."))
    forget(user)
    # Whoever has found the phone, or the computer beside it, is in no longer.
    sign_out_everywhere(user)
    record("second_step_taken_away", actor=actor, named={"user": user.pk, "reason": reason})


@transaction.atomic
def forget(user: User) -> None:
    """Remove phone and recovery codes."""
    for kind in (TOTPDevice, StaticDevice):
        kind.objects.filter(user=user).delete()


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").upper()[:40]


def _kept(user: User, code: str) -> str:
    """What is kept of a recovery code: eighty bits that nobody makes without our secret key."""
    told = f"{_PURPOSE}:{user.pk}:{code}".encode()
    made = hmac.new(settings.SECRET_KEY.encode(), told, hashlib.sha256).digest()
    return base64.b32encode(made)[:16].decode()
