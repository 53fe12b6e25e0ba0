"""People join: an account of ours, one at the desk, and a place in a language's team."""

import secrets
from datetime import datetime

from django.db import transaction

from annotation.actions.answers import requalify
from annotation.errors import ConflictError, InvalidInputError
from annotation.gateways import LabelingDesk
from annotation.models import Annotator, CampaignLanguage, Language, User

# Label Studio refuses shorter ones.
SHORTEST_PASSWORD = 8


def ensure_annotator(
    *,
    username: str,
    name: str,
    language: Language,
    desk: LabelingDesk,
    kind: str = Annotator.Kind.PERSON,
    password: str = "",
) -> Annotator:
    """Give somebody an account here and at the desk, and a place in the team of a language.

    The password is set for accounts that are new; without one, nobody can sign in to them
    until one is set. Asking again changes nothing that is there.
    """
    if password and len(password) < SHORTEST_PASSWORD:
        raise InvalidInputError(
            f"A password needs {SHORTEST_PASSWORD} characters or more.",
            remedy="Give a longer one, or none.",
        )
    user, created = User.objects.get_or_create(username=username, defaults={"name": name})
    if created and password:
        user.set_password(password)
        user.save(update_fields=["password"])
    elif created:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    ensure_desk_account(user, desk=desk, password=password)
    return Annotator.objects.get_or_create(user=user, language=language, defaults={"kind": kind})[0]


def ensure_desk_account(user: User, *, desk: LabelingDesk, password: str = "") -> User:
    """Give a person an account at the desk; no token is ever handed out.

    A token would let its owner read and change everything that is there.
    """
    if user.desk_user_id is not None:
        return user
    account = desk.create_account(
        email=user.desk_email,
        name=user.name or user.username,
        password=password or secrets.token_urlsafe(18),
    )
    other = User.objects.filter(desk_user_id=account.user_id).exclude(pk=user.pk).first()
    if other is not None:
        raise ConflictError(
            f"The desk account {account.email} is already {other}'s.",
            remedy="Give this person another e-mail address.",
        )
    User.objects.filter(pk=user.pk, desk_user_id=None).update(desk_user_id=account.user_id)
    user.refresh_from_db(fields=["desk_user_id"])
    return user


@transaction.atomic
def join_team(user: User, *, language: Language, now: datetime) -> Annotator:
    """Make somebody an active annotator; answers that waited for that are taken in."""
    annotator, _ = Annotator.objects.get_or_create(user=user, language=language)
    if not annotator.active:
        annotator.active = True
        annotator.save(update_fields=["active"])
    for home in CampaignLanguage.objects.filter(language=language):
        requalify(home, now=now)
    return annotator
