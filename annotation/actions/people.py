"""People join: an account of ours, one at the desk, and a place in a language's team."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.actions.consents import record_consent
from annotation.actions.quarantine import requalify
from annotation.errors import ConflictError, InvalidInputError
from annotation.gateways import DeskAccounts
from annotation.models import Annotator, CampaignLanguage, Consent, Language, User

# Label Studio refuses shorter ones.
SHORTEST_PASSWORD = 8
# A user name is the first half of an e-mail address at the desk.
USERNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,58}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Welcome:
    """What a new speaker must be told, once; no password where the account was there before."""

    annotator: Annotator
    new_here: bool
    desk_password: str = ""
    page_password: str = ""


def add_speaker(  # noqa: PLR0913 - what both doors, page and command, ask for
    *,
    username: str,
    language: Language,
    desk: DeskAccounts,
    now: datetime,
    name: str = "",
    kind: str = Annotator.Kind.PERSON,
    password: str = "",
    actor: User | None = None,
) -> Welcome:
    """Let somebody answer in a language, and return what to tell them.

    Without a password one is made. Asking again changes nothing and shows no password again.
    That the person agrees is recorded in the name of ``actor``; without one, of the command.
    """
    known = User.objects.filter(username__iexact=username).first()
    if known is None and not USERNAME.fullmatch(username):
        raise InvalidInputError(
            _("“%s” cannot be a user name.") % username,
            remedy=_("Write up to 60 Latin letters, digits, dots, hyphens or underscores."),
        )
    user = known or User(username=username)
    password = password or secrets.token_urlsafe(12)
    there = user.desk_user_id is not None or desk.find_account(user.desk_email) is not None
    annotator = ensure_annotator(
        username=user.username,
        name=name or username,
        language=language,
        desk=desk,
        kind=kind,
        password=password,
        actor=actor,
    )
    return Welcome(
        annotator=join_team(annotator.user, language=language, now=now),
        new_here=known is None,
        desk_password="" if there else password,
        page_password="" if known else password,
    )


def ensure_annotator(  # noqa: PLR0913 - what add_speaker asks for
    *,
    username: str,
    name: str,
    language: Language,
    desk: DeskAccounts,
    kind: str = Annotator.Kind.PERSON,
    password: str = "",
    actor: User | None = None,
) -> Annotator:
    """Give somebody an account here and at the desk, and a place in the team of a language.

    The password is set for accounts that are new; without one, nobody can sign in to them
    until one is set. Asking again changes nothing that is there. Whoever adds somebody answers
    for their consent, until they say themselves what they allow.
    """
    if password and len(password) < SHORTEST_PASSWORD:
        raise InvalidInputError(
            f"A password needs {SHORTEST_PASSWORD} characters or more.",
            remedy="Give a longer one, or none.",
        )
    user = User.objects.filter(username=username).first()
    if user is None:
        # The desk comes first: if it is away nothing is left here with a password nobody saw.
        account_id = _account_at(desk, user=User(username=username, name=name), password=password)
        user = _new_user(username, name=name, password=password, desk_user_id=account_id)
    ensure_desk_account(user, desk=desk, password=password)
    annotator, _made = Annotator.objects.get_or_create(
        user=user, language=language, defaults={"kind": kind}
    )
    how = Consent.How.ADMIN if actor else Consent.How.COMMAND
    simulated = annotator.kind == Annotator.Kind.SIMULATED
    record_consent(
        user,
        how=Consent.How.SIMULATED if simulated else how,
        recorded_by=actor,
        now=timezone.now(),
    )
    return annotator


@transaction.atomic
def _new_user(username: str, *, name: str, password: str, desk_user_id: int) -> User:
    user, created = User.objects.get_or_create(
        username=username, defaults={"name": name, "desk_user_id": desk_user_id}
    )
    if created:
        # Without a password it is marked as one that opens nothing.
        user.set_password(password or None)
        user.save(update_fields=["password"])
    return user


def ensure_desk_account(user: User, *, desk: DeskAccounts, password: str = "") -> User:
    """Give a person an account at the desk; no token is ever handed out.

    A token would let its owner read and change everything that is there.
    """
    if user.desk_user_id is not None:
        return user
    account_id = _account_at(desk, user=user, password=password)
    User.objects.filter(pk=user.pk, desk_user_id=None).update(desk_user_id=account_id)
    user.refresh_from_db(fields=["desk_user_id"])
    return user


def _account_at(desk: DeskAccounts, *, user: User, password: str) -> int:
    account = desk.create_account(
        email=user.desk_email,
        name=user.name or user.username,
        password=password or secrets.token_urlsafe(18),
    )
    other = User.objects.filter(desk_user_id=account.user_id).exclude(pk=user.pk).first()
    if other is not None:
        raise ConflictError(
            _("The desk account %(address)s is already %(name)s's.")
            % {"address": account.email, "name": other},
            remedy=_("Give this person another e-mail address."),
        )
    return account.user_id


@transaction.atomic
def join_team(user: User, *, language: Language, now: datetime) -> Annotator:
    """Make somebody an active annotator; answers that waited for that are taken in."""
    annotator, _made = Annotator.objects.get_or_create(user=user, language=language)
    if not annotator.active:
        annotator.active = True
        annotator.save(update_fields=["active"])
    for home in CampaignLanguage.objects.filter(language=language):
        requalify(home, now=now)
    return annotator


def leave_team(annotator: Annotator) -> Annotator:
    """Take somebody out of a language's team; the account stays, and so does all they answered.

    None of it counts meanwhile: consensus leaves it out, and what comes from now on waits in
    quarantine. When they join again, all of it counts again.
    """
    Annotator.objects.filter(pk=annotator.pk).update(active=False)
    annotator.refresh_from_db(fields=["active"])
    return annotator
