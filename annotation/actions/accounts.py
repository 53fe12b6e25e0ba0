"""Whose account at the desk is whose: by address, for a desk that begins anew counts anew."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from annotation.gateways import LabelingDesk
from annotation.models import Annotator, User


@dataclass(frozen=True)
class FoundAgain:
    """How many people have another account number now, and who has no account any more."""

    moved: int = 0
    gone: tuple[str, ...] = ()


def find_accounts_again(desk: LabelingDesk) -> FoundAgain:
    """Link everybody to the account that the desk has under their address now.

    A number alone may be somebody else's there: a desk that lost its database gives the old ones
    out again. Whoever has no account is linked to none, and what comes under their old number is
    kept aside. The admin through whom we speak may have another address there.
    """
    there = {account.email.lower(): account.user_id for account in desk.list_accounts()}
    own = desk.account_of_token().user_id
    with transaction.atomic():
        concerned = Q(pk__in=Annotator.objects.values("user")) | Q(desk_user_id__isnull=False)
        present = list(User.objects.select_for_update().filter(concerned).order_by("pk"))
        numbers = {user.pk: there.get(user.desk_email.lower()) for user in present}
        moved = [
            user
            for user in present
            if user.desk_user_id != numbers[user.pk]
            and not (numbers[user.pk] is None and user.is_staff and user.desk_user_id == own)
        ]
        User.objects.filter(pk__in=[user.pk for user in moved]).update(desk_user_id=None)
        for user in moved:
            user.desk_user_id = numbers[user.pk]
            user.save(update_fields=["desk_user_id"])
    gone = tuple(str(user) for user in moved if user.desk_user_id is None)
    return FoundAgain(len(moved) - len(gone), gone)
