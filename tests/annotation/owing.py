"""Items that are owed to a desk, pushed to it, and answered there."""

from django.utils import timezone

from annotation.actions.intake import sweep
from annotation.actions.queue import push_items
from annotation.models import (
    CampaignLanguage,
    Item,
    User,
)
from tests.fakes import FakeLabelingDesk
from tests.make import make_item, make_sample


def push(home: CampaignLanguage, desk: FakeLabelingDesk):
    return push_items(home, desk=desk, now=timezone.now())


def owe(home: CampaignLanguage, *, priority: float = 0.5, batch: str = "r1", **over) -> Item:
    return make_item(make_sample(home.campaign), priority=priority, batch=batch, **over)


def settle_at(desk: FakeLabelingDesk, *users: User) -> None:
    """Give people accounts at a desk, in that order, and those who had none here their numbers."""
    for user in users:
        account = desk.create_account(email=user.desk_email, name="", password="a-long-password")  # noqa: S106 - of nobody
        if user.pk and user.desk_user_id is None:
            User.objects.filter(pk=user.pk).update(desk_user_id=account.user_id)
            user.refresh_from_db()


def answer(home: CampaignLanguage, desk: FakeLabelingDesk, item: Item, label: str, user) -> int:
    item.refresh_from_db()
    number = desk.annotate(item.desk_task_id, user_id=user.desk_user_id, label=label)
    sweep(home, desk=desk, now=timezone.now())
    return number
