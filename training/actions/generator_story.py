"""What is told of a campaign's generators: versions, comparisons with their verdicts, and moves."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count

from annotation.models import Annotation, Campaign, Language
from learning.actions.generators import serving_generator
from learning.models import GeneratorDeployment, GeneratorVersion
from training.actions.generator_promotion import promotion_by, taken_back
from training.models import (
    BlindCheck,
    BlindComparison,
    BlindVerdict,
    GeneratorLesson,
    Verdict,
)

NEWEST = 50


@dataclass(frozen=True)
class Row:
    """A generator, and what came of it."""

    version: GeneratorVersion
    lessons: int
    taken_back: int
    serves: bool
    served: bool


@dataclass(frozen=True)
class Compared:
    """A comparison, how far people are with it, and the newest verdict."""

    comparison: BlindComparison
    newest: BlindVerdict | None
    answers: int
    may_serve: bool
    waits: str


@dataclass(frozen=True)
class Story:
    """All of a campaign's generators, the newest first."""

    rows: Sequence[Row]
    comparisons: Sequence[Compared]
    moves: Sequence[GeneratorDeployment]
    serving: GeneratorVersion | None


def story_of(campaign: Campaign) -> Story:
    """Return what there is to tell."""
    versions = campaign.generators.select_related("campaign", "base__campaign")
    versions = versions.annotate(learned=Count("lessons")).order_by("-number")
    moves = campaign.generator_deployments.select_related("version__campaign", "actor")
    served = set(campaign.generator_deployments.order_by().values_list("version", flat=True))
    serving = serving_generator(campaign)
    gone = taken_back(campaign)
    rows = [
        Row(one, one.learned, gone.get(one.pk, 0), one == serving, one.pk in served)
        for one in versions[:NEWEST]
    ]
    found = campaign.blind_comparisons.select_related(
        "candidate__campaign", "champion__campaign", "campaign"
    ).prefetch_related("verdicts__checks__language")
    compared = [_compared(one, serving=serving) for one in found[:NEWEST]]
    return Story(rows, compared, list(moves.order_by("-number")[:NEWEST]), serving)


def _compared(comparison: BlindComparison, *, serving: GeneratorVersion | None) -> Compared:
    newest = max(comparison.verdicts.all(), key=lambda one: one.look, default=None)
    given = Annotation.objects.answered().filter(
        item__campaign_language__campaign=comparison.campaign_id
    )
    may = (
        newest is not None
        and newest.verdict == Verdict.PASS
        and serving == comparison.champion
        and promotion_by(newest, candidate=comparison.candidate) is None
    )
    waits = (
        "asking" if comparison.campaign_id else "given up" if comparison.finished_at else "writing"
    )
    answers = given.count() if comparison.campaign_id else 0
    return Compared(comparison, newest, answers, may, waits)


def learned_by(version: GeneratorVersion) -> list[tuple[Language, int]]:
    """Return how many answers of each language a generator, and what it came from, learned."""
    chain, at = [version], version.base
    while at is not None and at not in chain:
        chain.append(at)
        at = at.base
    rows = GeneratorLesson.objects.filter(version__in=chain).order_by()
    told = rows.values("annotation__item__sample__language").annotate(rows=Count("pk"))
    counts = {one["annotation__item__sample__language"]: one["rows"] for one in told}
    languages = Language.objects.filter(pk__in=counts).order_by("tag")
    return [(one, counts[one.pk]) for one in languages]


def found_of(version: GeneratorVersion) -> list[BlindCheck]:
    """Return what people found at the newest look at a generator, language by language."""
    looks = BlindVerdict.objects.filter(comparison__candidate=version)
    newest = looks.order_by("created_at", "pk").last()
    return list(newest.checks.select_related("language")) if newest else []
