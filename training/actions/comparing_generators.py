"""Comparing registered generators: both write, people choose blindly, and the verdict is kept.

Only people open this gate. In every language in which the campaign is asked they must let the candidate
pass, or both must have written the same for enough prompts; chrF is shown beside it and decides
nothing. At most three looks share the risk; PASS and BLOCK are final.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.texts import normalise, parts_of
from annotation.models import Campaign, Language, Sample, User
from learning.actions.generators import serving_generator
from learning.actions.versions import libraries
from learning.models import GeneratorDeployment, GeneratorVersion
from training.actions import blind
from training.actions.corrections import learned_sources
from training.actions.gate_records import code_commit
from training.methods.paired import ALPHA
from training.models import BlindCheck, BlindComparison, BlindVerdict, Verdict
from training.models.generators import LOOKS

MOST_PROMPTS = 2_000
# Of the interval that is shown beside people's, and decides nothing.
DRAWS = 999
# The share of prompts for which a candidate may write nothing.
SILENT = 0.01
FINAL = (Verdict.PASS, Verdict.BLOCK)
WORST_FIRST = (Verdict.BLOCK, Verdict.VOID, Verdict.HOLD, Verdict.PASS)
Pairs = list[tuple[str, str]]


def prompts_of(home: Campaign, *, most: int = MOST_PROMPTS) -> Pairs:
    """Return sources of a campaign's texts that nobody has corrected, as many of each language."""
    known, found = learned_sources(), dict[str, dict[str, str]]()
    texts = Sample.objects.pool().filter(campaign=home).order_by("uid")
    columns = ("language__tag", "text")
    for tag, text in texts.values_list(*columns).iterator(chunk_size=2000):
        source = parts_of(text)[-1] if len(parts_of(text)) > _outputs(home) else ""
        if source and (tag, normalise(source)) not in known:
            found.setdefault(tag, {}).setdefault(normalise(source), source)
    each = max(1, most // max(1, len(found)))
    return [(tag, one) for tag in sorted(found) for one in list(found[tag].values())[:each]]


def _outputs(home: Campaign) -> int:
    return 2 if home.objective == "preferences" else 1


def ask_to_compare(
    candidate: GeneratorVersion,
    *,
    prompts: Pairs,
    licence: str,
    margin: float | None = None,
    answers_per_item: int = 1,
    actor: User | None = None,
) -> BlindComparison:
    """Write down that a candidate is to be compared with what serves; a worker has both write."""
    champion = _champion(candidate)
    if not prompts:
        raise InvalidInputError(
            "There is no prompt that nobody has corrected.",
            remedy="Import texts with a source, or compare files of outputs: compare_generators.",
        )
    if len(prompts) > MOST_PROMPTS:
        raise InvalidInputError(
            f"{len(prompts):,} prompts are too many for one comparison.",
            remedy=f"Give {MOST_PROMPTS:,} at most.",
        )
    settings = {"licence": licence, "answers_per_item": answers_per_item}
    with transaction.atomic():
        Campaign.objects.select_for_update().get(pk=candidate.campaign_id)
        found = BlindComparison.objects.filter(
            candidate=candidate, champion=champion, finished_at=None
        ).first()
        return found or BlindComparison.objects.create(
            home=candidate.campaign,
            candidate=candidate,
            champion=champion,
            margin=_margin(margin),
            prompts=[list(one) for one in prompts],
            settings=settings,
            asked_by=actor,
        )


def _champion(candidate: GeneratorVersion) -> GeneratorVersion:
    champion = serving_generator(candidate.campaign)
    if champion is None or champion == candidate:
        raise ConflictError(
            f"{candidate} serves already." if champion else f"No generator serves {candidate}.",
            remedy="Register the first with register_generator; compare one that came of it.",
        )
    return champion


def _margin(margin: float | None) -> float:
    from training.methods.judged import MARGIN  # heavy, and the web wants it only here

    margin = MARGIN if margin is None else margin
    if not 0 < margin < 0.5:
        raise InvalidInputError("The margin lies between 0 and 0.5.", remedy="Usual is 0.05.")
    return margin


@dataclass(frozen=True)
class Sides:
    """What both wrote for the same prompts, and where it is known what would be right."""

    candidate: blind.Written
    champion: blind.Written
    right: blind.Written | None = None


@transaction.atomic
def put_to_people(
    comparison: BlindComparison, *, sides: Sides, slug: str, now: datetime, title: str = ""
) -> blind.Comparison:
    """Make the campaign that asks people; all of it or nothing."""
    _refuse_silence(comparison, sides)
    made = blind.compare_generators(
        slug=slug,
        candidate=sides.candidate,
        champion=sides.champion,
        licence=comparison.settings["licence"],
        answers_per_item=comparison.settings["answers_per_item"],
        title=title or f"{comparison.home.title}: which is better?"[:120],
        now=lambda: now,
        actor=comparison.asked_by,
    )
    comparison.campaign, comparison.tally = made.campaign, made.tally
    comparison.metrics = metrics_of(sides)
    comparison.finished_at, comparison.lease_until, comparison.error = now, None, ""
    comparison.save()
    return made


def _refuse_silence(comparison: BlindComparison, sides: Sides) -> None:
    """Raise if the candidate writes nothing where the champion does: left out, that would flatter it."""
    wanted = sides.champion.outputs.keys()
    silent = len(wanted - sides.candidate.outputs.keys())
    if silent > SILENT * len(wanted):
        raise InvalidInputError(
            f"{comparison.candidate} wrote nothing for {silent} of {len(wanted)} prompts for which"
            f" {comparison.champion} wrote something.",
            remedy="What says nothing is no better. Teach anew, or have it write for all of them.",
        )


def put_files_to_people(  # noqa: PLR0913 - what a comparison is made of
    candidate: GeneratorVersion,
    champion: GeneratorVersion,
    *,
    sides: Sides,
    slug: str,
    licence: str,
    now: datetime,
    answers_per_item: int = 1,
    title: str = "",
) -> blind.Comparison:
    """Have people compare what two registered generators wrote to files, and keep that they do."""
    serving = _champion(candidate)
    if champion != serving:
        raise ConflictError(
            f"{champion} does not serve, {serving} does.", remedy="Compare with what serves."
        )
    for version, written in ((candidate, sides.candidate), (champion, sides.champion)):
        if written.weights != {version.digest}:
            raise InvalidInputError(
                f"The file of {version} does not say that these weights wrote all of it.",
                remedy=f"Write it with: manage.py generate {version} SOURCES OUT",
            )
    with transaction.atomic():
        comparison = BlindComparison.objects.create(
            home=candidate.campaign,
            candidate=candidate,
            champion=champion,
            margin=_margin(None),
            settings={"licence": licence, "answers_per_item": answers_per_item},
            # Both have written already: it never waits for a worker.
            finished_at=now,
        )
        return put_to_people(comparison, sides=sides, slug=slug, now=now, title=title)


def metrics_of(sides: Sides) -> dict[str, Any]:
    """Return by how much chrF changes in each language where it is known what is right."""
    if sides.right is None:
        return {}
    from training.methods.written import Cases, change_by_language

    keys = sorted(sides.candidate.outputs.keys() & sides.champion.outputs.keys())
    keys = [key for key in keys if key in sides.right.outputs]
    if not keys:
        return {}
    right = [sides.right.outputs[key] for key in keys]
    cases = Cases([source for _, source in keys], right, [tag for tag, _ in keys])
    old, new = ([one.outputs[key] for key in keys] for one in (sides.champion, sides.candidate))
    told = change_by_language(old, new, cases=cases, rng=np.random.default_rng(0), draws=DRAWS)
    return {
        tag: {"chrf": [one.value, one.low, one.high], "items": one.items}
        for tag, one in told.items()
    }


@transaction.atomic
def judge_comparison(comparison: BlindComparison, *, actor: User | None = None) -> BlindVerdict:
    """Look at what people chose and keep the verdict; without new choices it is the last one."""
    comparison = BlindComparison.objects.select_for_update().get(pk=comparison.pk)
    campaign = comparison.campaign
    if campaign is None:
        raise ConflictError(f"Nobody was asked yet: {comparison}.", remedy="Have both write first.")
    last = comparison.verdicts.order_by("-look").first()
    if last and last.verdict in FINAL:
        return last
    alpha = ALPHA / LOOKS
    found = blind.judge_generators(
        campaign,
        candidate=str(comparison.candidate),
        champion=str(comparison.champion),
        margin=comparison.margin,
        alpha=alpha,
    )
    told = _digest(found)
    number, looks = sum(one.choices for one in found), last.look if last else 0
    # Where nobody chose there is nothing to look at anew, whatever languages came or went.
    if last and (not number or last.record["choices_sha256"] == told):
        return last
    if looks >= LOOKS:
        raise ConflictError(
            f"{comparison} was looked at {LOOKS} times, and that is all its risk allows.",
            remedy="Teach a better candidate, or ask more people about other prompts.",
        )
    asked = {one.home.language.tag for one in found}
    missing, unchanged = elsewhere(comparison, asked=asked, alpha=alpha)
    move = GeneratorDeployment.objects.serving(comparison.home)
    verdict = BlindVerdict.objects.create(
        comparison=comparison,
        look=looks + 1 if number else 0,
        alpha=alpha,
        margin=comparison.margin,
        choices=number,
        candidate_digest=comparison.candidate.digest,
        champion_digest=comparison.champion.digest,
        verdict=_decided(found, missing=missing),
        record={
            "choices_sha256": told,
            # Only a promotion that comes after this move can be this verdict's.
            "move": move.number if move else 0,
            "unchanged": unchanged,
            "uncompared": missing,
            "metrics": comparison.metrics,
            "code": code_commit(),
            "libraries": libraries(),
        },
        asked_by=actor,
    )
    BlindCheck.objects.bulk_create(_check(verdict, one) for one in found)
    return verdict


def enough_alike(*, margin: float, alpha: float) -> int:
    """Return for how many prompts both must write the same to show that nothing was lost.

    Were a share q of prompts written otherwise, none of n would be with (1 - q)**n; and a candidate
    loses half of q at most.

    >>> enough_alike(margin=0.05, alpha=0.05)
    29
    """
    return math.ceil(math.log(alpha) / math.log(1 - 2 * margin))


def elsewhere(
    comparison: BlindComparison, *, asked: Set[str], alpha: float
) -> tuple[list[str], dict[str, int]]:
    """Return the languages beside those asked in that nobody compared, and where nothing changed."""
    homes = comparison.home.languages.filter(active=True)
    wanted = sorted(set(homes.values_list("language__tag", flat=True)) - set(asked))
    tally: Mapping[str, Mapping[str, int]] = comparison.tally or {}
    least = enough_alike(margin=comparison.margin, alpha=alpha)
    alike = {
        tag: tally[tag]["prompts"]
        for tag in wanted
        if tag in tally and tally[tag]["prompts"] == tally[tag]["same"] >= least
    }
    return [tag for tag in wanted if tag not in alike], alike


def _decided(found: Sequence[blind.Verdict], *, missing: Sequence[str]) -> str:
    """Return the worst of all languages; where nobody chose, or nobody was asked, it is a hold."""
    said = [Verdict(_of(one)) for one in found] + [Verdict.HOLD for _ in missing]
    return min(said, key=WORST_FIRST.index, default=Verdict.HOLD)


def _of(one: blind.Verdict) -> str:
    return one.verdict if one.choices else Verdict.HOLD


def _check(verdict: BlindVerdict, one: blind.Verdict) -> BlindCheck:
    share, numbers = one.judged.share, dict(one.judged.finding.numbers)
    return BlindCheck(
        verdict_of=verdict,
        language=Language.objects.get(pk=one.home.language_id),
        choices=one.choices,
        raters=int(numbers.get("raters", 0)),
        share=share.value,
        low=share.low,
        high=share.high,
        harm_p=one.harm_p,
        missing=one.judged.missing,
        verdict=_of(one),
        sentence=one.judged.finding.sentence[:500],
        numbers=numbers,
    )


def _digest(found: Sequence[blind.Verdict]) -> str:
    rows = [
        (one.home.language.tag, one.choices, one.judged.share.value, one.judged.share.low)
        for one in found
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
