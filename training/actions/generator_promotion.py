"""Letting generators serve: the pointer moves by one more row, forwards where people say so, or back.

The database asks for itself, whoever writes the row: none is promoted that people did not pass in every
language, none is gone back to that never served.
"""

from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign, User
from learning.actions.generators import deploy_generator, folder_of, serving_generator
from learning.models import Deployment, GeneratorDeployment, GeneratorVersion
from training.actions.comparing_generators import elsewhere
from training.actions.written_cases import refuse_broken_cases
from training.models import BlindComparison, BlindVerdict, GeneratorLesson, Verdict


@transaction.atomic
def promote_generator(
    comparison: BlindComparison, *, actor: User | None = None
) -> GeneratorDeployment:
    """Let the candidate serve if people passed it and its champion still serves.

    A verdict promotes once: while its candidate serves that changes nothing, after a rollback it is
    refused, and a later comparison may pass the candidate anew.
    """
    campaign = Campaign.objects.select_for_update().get(pk=comparison.home_id)
    candidate = comparison.candidate
    newest = comparison.verdicts.order_by("-look").first()
    if newest is None or newest.verdict != Verdict.PASS:
        said = newest.verdict if newest else "nothing yet"
        raise ConflictError(
            f"{candidate} may not serve: people say {said}.",
            remedy="Only what people passed in every language serves. Ask more of them, or teach anew.",
        )
    serving = serving_generator(campaign)
    done = promotion_by(newest, candidate=candidate)
    if done and serving != candidate:
        raise ConflictError(
            f"{candidate} was promoted after this verdict already, and {serving} serves now.",
            remedy="Roll back to it, or compare it with what serves.",
        )
    if done:
        return done
    _refuse_stale(comparison, newest, serving=serving)
    folder_of(candidate)
    slug = comparison.campaign.slug if comparison.campaign else ""
    told = f"{newest.choices} choices of people in {slug!r}, look {newest.look}: PASS."
    return deploy_generator(candidate, kind=Deployment.Kind.PROMOTION, reason=told, actor=actor)


def _refuse_stale(
    comparison: BlindComparison, verdict: BlindVerdict, *, serving: GeneratorVersion | None
) -> None:
    """Raise if what people passed is not what would happen now."""
    candidate = comparison.candidate
    if serving != comparison.champion:
        raise ConflictError(
            f"{candidate} was compared with {comparison.champion}, but {serving} serves now.",
            remedy="Compare it with what serves.",
        )
    if candidate.digest != verdict.candidate_digest:
        raise ConflictError("The candidate is not the one that people compared.")
    asked = set(verdict.checks.values_list("language__tag", flat=True))
    missing, _ = elsewhere(comparison, asked=asked, alpha=verdict.alpha)
    if missing:
        raise ConflictError(
            f"Nobody has compared {candidate} in {', '.join(missing)}, which came after the verdict.",
            remedy="Compare it with what serves once more, in every language.",
        )
    refuse_broken_cases(candidate, champion=comparison.champion)
    if taken_back(comparison.home).get(candidate.pk):
        raise ConflictError(
            f"{candidate} learned answers that were taken back since.",
            remedy="Export what people agree to now, and teach without them.",
        )


def promotion_by(
    verdict: BlindVerdict, *, candidate: GeneratorVersion
) -> GeneratorDeployment | None:
    """Return the promotion that used this verdict up: one of its candidate that came after it."""
    # Verdicts that do not tell the move they came after are used up by any promotion.
    after = candidate.deployments.filter(number__gt=verdict.record.get("move", 0))
    return after.filter(kind=Deployment.Kind.PROMOTION).order_by("-number").first()


def taken_back(campaign: Campaign) -> dict[int, int]:
    """Return how many answers each generator, or what it came from, learned that were taken back since."""
    lessons = GeneratorLesson.objects.filter(version__campaign=campaign)
    gone: dict[int, set[int]] = {}
    withdrawn = lessons.filter(annotation__withdrawal__isnull=False)
    for version, annotation in withdrawn.values_list("version_id", "annotation_id"):
        gone.setdefault(version, set()).add(annotation)
    # A generator comes from an older one, so one way through them from the oldest is enough.
    for pk, base in campaign.generators.order_by("number").values_list("pk", "base_id"):
        gone[pk] = gone.get(pk, set()) | gone.get(base or 0, set())
    return {pk: len(answers) for pk, answers in gone.items() if answers}


@transaction.atomic
def rollback_generator(
    campaign: Campaign, *, to_version: GeneratorVersion, actor: User | None, reason: str
) -> GeneratorDeployment:
    """Let a generator serve that has served before; history gains a row and loses none."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if not reason.strip():
        raise InvalidInputError("A rollback needs a reason.", remedy="Say what went wrong.")
    if not campaign.generator_deployments.filter(version=to_version).exists():
        raise ConflictError(
            f"{to_version} has never served {campaign}.",
            remedy="Choose a generator that has been released.",
        )
    if serving_generator(campaign) == to_version:
        raise ConflictError(f"{to_version} serves already.")
    folder_of(to_version)
    return deploy_generator(
        to_version, kind=Deployment.Kind.ROLLBACK, reason=reason.strip(), actor=actor
    )


def previous_generator(campaign: Campaign) -> GeneratorVersion | None:
    """Return what served before the generator that serves now; nothing if that was the first."""
    serving = serving_generator(campaign)
    earlier = campaign.generator_deployments.exclude(version=serving).order_by("-number")
    newest = earlier.select_related("version__campaign").first()
    return newest.version if newest else None


@transaction.atomic
def undo_generator(campaign: Campaign, *, number: int, actor: User | None) -> GeneratorDeployment:
    """Take back the newest move of the pointer, if it still is the newest; by one more row."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    newest = GeneratorDeployment.objects.serving(campaign)
    if newest is None or newest.number != number:
        raise ConflictError(
            f"Deployment {number} is not the newest any more.",
            remedy="Look at what serves now, and roll back to the generator you want.",
        )
    moves = campaign.generator_deployments.filter(number=number - 1)
    before = moves.select_related("version__campaign").first()
    if before is None:
        raise ConflictError("Nothing served before the first generator.")
    told = f"Deployment {number} was undone."
    return rollback_generator(campaign, to_version=before.version, actor=actor, reason=told)
