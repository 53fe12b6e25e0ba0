"""Waivers: an admin lets a held candidate serve all the same, with a name, a reason and an end."""

from datetime import datetime, timedelta

from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign, User
from learning.actions.serving import serving_version
from training.models import GateRun, Verdict, Waiver

LONGEST_DAYS = 90
DAY = timedelta(days=1)


class NotAdminError(ConflictError):
    """Only an admin may do this."""

    code = "not_admin"
    status = 403


@transaction.atomic
def grant_waiver(
    gate: GateRun, *, name: str, reason: str, days: int, granted_by: User, now: datetime
) -> Waiver:
    """Write a waiver down; what harms a language, or was not sound, is never waived.

    It only gives leave: the candidate serves when somebody promotes it.
    """
    Campaign.objects.select_for_update().get(pk=gate.run.campaign_id)
    gate = GateRun.objects.select_related("champion", "run__campaign").get(pk=gate.pk)
    name, reason = name.strip(), reason.strip()
    if not (granted_by.is_superuser and granted_by.is_active):
        raise NotAdminError("Only an admin can grant a waiver.", remedy="Ask one of them.")
    if not name or not reason:
        raise InvalidInputError("A waiver needs a name and a reason.", remedy="Say who and why.")
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInputError(
            f"A waiver ends after 1 to {LONGEST_DAYS} days.", remedy="Choose a number of days."
        )
    if gate.verdict != Verdict.HOLD:
        raise ConflictError(
            f"A gate that says {gate.verdict} cannot be waived.",
            remedy="Only HOLD can: there evidence is missing, and none speaks against it.",
        )
    if gate != gate.run.gate or serving_version(gate.run.campaign) != gate.champion:
        raise ConflictError(
            "This verdict is past: the candidate was judged again, or another version serves.",
            remedy="Look at the newest gate.",
        )
    same = gate.waivers.valid(now).filter(name=name, reason=reason, granted_by=granted_by).first()
    return same or Waiver.objects.create(
        gate=gate,
        name=name[:150],
        reason=reason,
        expires_at=now + days * DAY,
        granted_by=granted_by,
        granted_at=now,
    )


@transaction.atomic
def revoke_waiver(waiver: Waiver, *, actor: User, now: datetime) -> Waiver:
    """Take a waiver back; a version that serves by it serves on until somebody rolls back."""
    if not (actor.is_superuser and actor.is_active):
        raise NotAdminError("Only an admin can take a waiver back.", remedy="Ask one of them.")
    Waiver.objects.filter(pk=waiver.pk, revoked_at=None).update(revoked_at=now)
    waiver.refresh_from_db()
    return waiver


def serves_by_waiver(campaign: Campaign) -> Waiver | None:
    """Return the newest waiver that what serves now rests on, also one that has run out."""
    version = serving_version(campaign)
    if version is None:
        return None
    gates = GateRun.objects.filter(candidate=version)
    if not gates.exists() or gates.filter(verdict=Verdict.PASS).exists():
        return None
    return Waiver.objects.filter(gate__in=gates).order_by("-expires_at").first()
