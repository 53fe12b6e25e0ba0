"""The door of a campaign: whether anybody may try its model and report it."""

from django.db import transaction

from annotation.models import Campaign, PublicDoor, User


@transaction.atomic
def set_door(campaign: Campaign, *, is_open: bool, actor: User) -> PublicDoor:
    """Open a campaign to everybody, or close it; reports that came in stay, and their links work."""
    return PublicDoor.objects.update_or_create(
        campaign=campaign, defaults={"open": is_open, "changed_by": actor}
    )[0]
