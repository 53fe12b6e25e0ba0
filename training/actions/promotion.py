"""Promotion: the pointer that says what serves moves by one more row, forwards or back."""

from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign, User
from learning.actions.serving import deploy, serving_version
from learning.gateways.weights import check_weights
from learning.models import Deployment, ModelVersion
from training.models import GateRun, Verdict


@transaction.atomic
def promote(gate: GateRun, *, actor: User | None = None) -> Deployment:
    """Let the candidate serve if its gate says PASS and its champion still serves.

    A candidate that this gate has promoted already is not promoted again, even after it was
    rolled back.
    """
    campaign = Campaign.objects.select_for_update().get(pk=gate.candidate.campaign_id)
    gate = GateRun.objects.select_related("candidate", "champion").get(pk=gate.pk)
    if gate.verdict != Verdict.PASS:
        raise ConflictError(
            f"{gate.candidate} may not serve: its gate says {gate.verdict}.",
            remedy="Only a candidate whose gate says PASS can be promoted.",
        )
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
    check_weights(gate.candidate.path, digest=gate.candidate_digest)
    return deploy(
        campaign,
        version=gate.candidate,
        kind=Deployment.Kind.PROMOTION,
        reason=" ".join(gate.reasons),
        actor=actor,
    )


@transaction.atomic
def rollback(
    campaign: Campaign, *, to_version: ModelVersion, actor: User | None, reason: str
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
    check_weights(to_version.path, digest=to_version.digest)
    return deploy(
        campaign,
        version=to_version,
        kind=Deployment.Kind.ROLLBACK,
        reason=reason.strip(),
        actor=actor,
    )
