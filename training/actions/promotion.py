"""Promotion: the pointer that says what serves moves by one more row, forwards or back.

Only what a gate has passed, or what somebody answers for with an unexpired waiver, can be pointed at;
the transaction that moves the pointer looks for itself, whoever asks.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign, User
from learning.actions.identities import check_identity
from learning.actions.serving import deploy, serving_version
from learning.gateways.weights import check_weights
from learning.models import Deployment, ModelVersion
from training.models import GateRun, LearnedAnswer, Verdict, Waiver


@transaction.atomic
def promote(gate: GateRun, *, actor: User | None = None, now: datetime | None = None) -> Deployment:
    """Let the candidate serve if its gate lets it and its champion still serves.

    A candidate that this gate has promoted already is not promoted again, even after it was
    rolled back.
    """
    campaign = Campaign.objects.select_for_update().get(pk=gate.candidate.campaign_id)
    gate = GateRun.objects.select_related("candidate", "champion").get(pk=gate.pk)
    waiver = _leave(gate, now=now or timezone.now())
    done = campaign.deployments.filter(
        version=gate.candidate, kind=Deployment.Kind.PROMOTION
    ).first()
    if done:
        return done
    serving = serving_version(campaign)
    if serving != gate.champion:
        raise ConflictError(
            f"{gate.candidate} was judged against {gate.champion}, but {serving} serves now.",
            remedy="The next round judges against what serves.",
        )
    if gate.candidate.digest != gate.candidate_digest:
        raise ConflictError("The candidate is not the one that was judged.")
    _refuse_taken_back(gate)
    _check(gate.candidate)
    return deploy(
        campaign,
        version=gate.candidate,
        kind=Deployment.Kind.PROMOTION,
        reason=f"Waiver of {waiver.name}: {waiver.reason}" if waiver else " ".join(gate.reasons),
        actor=actor or (waiver.granted_by if waiver else None),
    )


def _leave(gate: GateRun, *, now: datetime) -> Waiver | None:
    """Return the waiver that lets the candidate serve, None if it needs none; else raise."""
    later = GateRun.objects.filter(run=gate.run_id, look__gt=gate.look).order_by("look").last()
    if later is not None:
        raise ConflictError(
            f"{gate.candidate} was judged again since, with the verdict {later.verdict}.",
            remedy="The newest verdict counts.",
        )
    if gate.verdict == Verdict.PASS:
        return None
    waiver = Waiver.objects.filter(gate=gate).valid(now).first()
    if gate.verdict == Verdict.HOLD and waiver is not None:
        return waiver
    raise ConflictError(
        f"{gate.candidate} may not serve: its gate says {gate.verdict}.",
        remedy="Only a candidate whose gate says PASS can be promoted, or one that was held and"
        " that somebody answers for with a waiver that has not run out.",
    )


def _refuse_taken_back(gate: GateRun) -> None:
    """Raise if the run learned an answer for the first time that was taken back since."""
    learned = LearnedAnswer.objects.filter(snapshot=gate.run.snapshot_id)
    if learned.filter(annotation__withdrawal__isnull=False).exists():
        raise ConflictError(
            f"{gate.candidate} learned answers that were taken back since.",
            remedy="The next run learns without them.",
        )


def _check(version: ModelVersion) -> None:
    """Raise unless the version's record and bytes are those that were registered."""
    check_identity(version)
    check_weights(version.path, digest=version.digest)


@transaction.atomic
def rollback(
    campaign: Campaign,
    *,
    to_version: ModelVersion,
    actor: User | None,
    reason: str,
    now: datetime | None = None,
) -> Deployment:
    """Let a version serve that has served before; history gains a row and loses none."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if not reason.strip():
        raise InvalidInputError("A rollback needs a reason.", remedy="Say what went wrong.")
    if not campaign.deployments.filter(version=to_version).exists():
        raise ConflictError(
            f"{to_version} has never served {campaign}.",
            remedy="Choose a version that has been released.",
        )
    if serving_version(campaign) == to_version:
        raise ConflictError(f"{to_version} serves already.")
    _refuse_run_out(to_version, now=now or timezone.now())
    _check(to_version)
    return deploy(
        campaign,
        version=to_version,
        kind=Deployment.Kind.ROLLBACK,
        reason=reason.strip(),
        actor=actor,
    )


def _refuse_run_out(version: ModelVersion, *, now: datetime) -> None:
    """Raise if only waivers ever let the version serve, and none of them holds any more."""
    waivers = Waiver.objects.filter(gate__candidate=version)
    passed = GateRun.objects.filter(candidate=version, verdict=Verdict.PASS)
    if waivers.exists() and not waivers.valid(now).exists() and not passed.exists():
        raise ConflictError(
            f"{version} served by a waiver that has run out or was taken back.",
            remedy="Roll back to a version that its gate passed, or grant a new waiver.",
        )


def previous_version(campaign: Campaign) -> ModelVersion | None:
    """Return what served before the version that serves now; nothing if that was the first."""
    serving = serving_version(campaign)
    earlier = campaign.deployments.exclude(version=serving).order_by("-number")
    newest = earlier.select_related("version").first()
    return newest.version if newest else None


@transaction.atomic
def undo(campaign: Campaign, *, number: int, actor: User | None) -> Deployment:
    """Take back the newest move of the pointer, if it still is the newest; by one more row."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    newest = Deployment.objects.serving(campaign)
    if newest is None or newest.number != number:
        raise ConflictError(
            f"Deployment {number} is not the newest any more.",
            remedy="Look at what serves now, and roll back to the version you want.",
        )
    before = campaign.deployments.filter(number=number - 1).select_related("version").first()
    if before is None:
        raise ConflictError("Nothing served before the first version.")
    reason = f"Deployment {number} was undone."
    return rollback(campaign, to_version=before.version, actor=actor, reason=reason)
