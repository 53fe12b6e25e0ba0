"""Public pages: which campaigns everybody may look at, and who made them so."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from annotation.models import Campaign, User
from annotation.permissions import Ability, Visitor, campaigns_with, may
from training.models import PublicPage


def is_public(campaign: Campaign) -> bool:
    """Whether everybody may see where the campaign's languages stand."""
    return PublicPage.objects.filter(campaign=campaign, shown=True).exists()


def may_look(user: Visitor, campaign: Campaign) -> bool:
    """Whether somebody may see it: everybody where it is public, else whoever watches it."""
    return is_public(campaign) or may(user, Ability.WATCH, campaign=campaign)


def seen_by(user: Visitor) -> "QuerySet[Campaign]":
    """The campaigns whose languages somebody may see."""
    watched = campaigns_with(user, Ability.WATCH).values("pk")
    return Campaign.objects.filter(Q(public_page__shown=True) | Q(pk__in=watched))


@transaction.atomic
def set_public(campaign: Campaign, *, shown: bool, actor: User, now: datetime) -> PublicPage:
    """Let everybody see where the languages stand, or nobody but those who watch; twice is once."""
    page, _ = PublicPage.objects.select_for_update().get_or_create(campaign=campaign)
    if page.shown != shown:
        page.shown, page.changed_by, page.changed_at = shown, actor, now
        page.save()
    return page
