"""Personal data: what is held of one person, all of it in one file, and taking it away.

What is held is asked of the models themselves, so that a table that comes tomorrow is in it. What somebody
answered goes by the end of their consent, as everybody's does; the account stays as a number
without a name, for other people's decisions point at it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import models, transaction

from annotation.actions.auditing import record
from annotation.actions.own_answers import own_rows
from annotation.actions.reports.following import withdraw
from annotation.actions.reports.weighing import lock_family
from annotation.actions.second_step import forget
from annotation.actions.sign_in import sign_out_everywhere
from annotation.errors import ConflictError
from annotation.models import (
    AddressQuestion,
    Annotator,
    ApiKey,
    Consent,
    Invitation,
    Membership,
    Report,
    ReportVote,
    User,
)

ACCOUNT = ("username", "name", "first_name", "last_name", "email", "letters_to", "interface")


def held(user: User) -> dict[str, int]:
    """In which tables and columns a person stands, and how often; nothing where they do not."""
    owners: list[models.Model] = [user, *Annotator.objects.filter(user=user)]
    found: dict[str, int] = {}
    for owner in owners:
        for model, field in _pointing_at(type(owner)):
            name = f"{model._meta.db_table}.{field}"
            count = model._base_manager.filter(**{field: owner.pk}).count()
            found[name] = found.get(name, 0) + count
    return {name: count for name, count in sorted(found.items()) if count}


def told(user: User) -> dict[str, Any]:
    """Everything that is held of a person, for themselves."""
    account = {name: getattr(user, name) for name in ACCOUNT}
    account |= {"joined": user.date_joined, "last_signed_in": user.last_login}
    invitations = Invitation.objects.filter(user=user).values(
        "name", "campaign__slug", "created_at"
    )
    return {
        "account": account,
        "invitations": list(invitations),
        "api_keys": list(ApiKey.objects.filter(user=user).values("name", "created_at")),
        "gave": list(own_rows(user)),
        "stands_in": held(user),
    }


@transaction.atomic
def erase(user: User, *, actor: User | None, now: datetime) -> None:
    """Let an account be nobody's: no name, no address, no way in; asked again, it stays so.

    Reports are taken back, addresses and all. Answers are erased by the timetable within minutes, by
    the end of the consent.
    """
    if user.is_staff:
        raise ConflictError(
            "Whoever is staff is answerable for what they did.", remedy="End that first."
        )
    Consent.objects.standing().filter(user=user).update(ended_at=now)
    Membership.objects.filter(user=user).update(active=False)
    Annotator.objects.filter(user=user).update(active=False, dialect="", script="")
    Invitation.objects.filter(user=user, revoked_at=None).update(revoked_at=now)
    Invitation.objects.filter(user=user).update(name="–")
    ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=now)
    AddressQuestion.objects.filter(user=user).delete()
    told = list(Report.objects.filter(user=user).order_by("pk"))
    lock_family(*told)
    for report in told:
        withdraw(report, now=now)
    ReportVote.objects.filter(voter=user).update(note="")
    forget(user)
    for name in ACCOUNT:
        setattr(user, name, "")
    user.username, user.is_active = f"erased-{user.pk}", False
    user.set_unusable_password()
    user.save()
    sign_out_everywhere(user)
    record("person_erased", actor=actor, named={"user": user.pk})


def _pointing_at(owner: type[models.Model]) -> Iterator[tuple[type[models.Model], str]]:
    for relation in owner._meta.get_fields(include_hidden=True):
        if relation.auto_created and (relation.one_to_many or relation.one_to_one):
            yield relation.related_model, relation.field.name  # type: ignore[union-attr, misc]
