"""Memberships: what an invitation makes of somebody, at once or when they have agreed."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from annotation.models import Annotator, Campaign, Invitation, Language, Membership, Role, User
from annotation.permissions import Ability, roles_with


@transaction.atomic
def grant(
    user: User,
    *,
    campaign: Campaign,
    role: str,
    language: Language | None = None,
    added_by: User | None = None,
) -> Membership:
    """Give somebody a role in a campaign, or in one of its languages; asked again, it holds."""
    membership, _ = Membership.objects.get_or_create(
        user=user, campaign=campaign, language=language, role=role, defaults={"added_by": added_by}
    )
    if not membership.active:
        membership.active, membership.added_by = True, added_by
        membership.added_at = timezone.now()
        membership.save(update_fields=["active", "added_by", "added_at"])
    return membership


def end(membership: Membership) -> Membership:
    """Take a role away; that it was held stays written down."""
    Membership.objects.filter(pk=membership.pk).update(active=False)
    membership.refresh_from_db(fields=["active"])
    return membership


def take_up(invitation: Invitation) -> None:
    """Give whoever opened a link the role that needs no consent; who answers waits for theirs."""
    if invitation.user is not None and invitation.role != Role.ANNOTATOR:
        _grant_all(invitation, invitation.user)


@transaction.atomic
def join_by_invitations(user: User, *, now: datetime) -> list[Annotator]:
    """Make somebody who has agreed an annotator in every language that a standing link names."""
    joined = []
    invitations = Invitation.objects.standing(now).filter(
        user=user, role__in=roles_with(Ability.ANSWER)
    )
    for invitation in invitations.select_related("campaign", "created_by"):
        _grant_all(invitation, user)
        for language in invitation.languages.all():
            annotator, _ = Annotator.objects.get_or_create(
                user=user, language=language, defaults={"everywhere": False}
            )
            joined.append(annotator)
    return joined


def _grant_all(invitation: Invitation, user: User) -> None:
    whole = invitation.role == Role.ADMIN
    for language in [None] if whole else invitation.languages.all():
        held = Membership.objects.filter(
            user=user, campaign=invitation.campaign, language=language, role=invitation.role
        )
        # A role that was taken away does not come back because a link is opened once more.
        if not held.filter(added_at__gte=invitation.created_at).exists():
            grant(
                user,
                campaign=invitation.campaign,
                language=language,
                role=invitation.role,
                added_by=invitation.created_by,
            )
