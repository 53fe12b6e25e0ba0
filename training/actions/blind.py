"""Blind comparisons: is what a candidate generator writes preferred no less than the champion's?

Both write for the same prompts; people see the outputs side by side, in an order drawn by lot, and do
not learn who wrote which. A campaign of preferences asks them; the verdict is one test a language
(:mod:`training.methods.judged`), harm corrected over languages. Without people there is none: no
automatic metric opens this gate.
"""

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from annotation.actions.campaigns import create_campaign
from annotation.actions.imports import run_import
from annotation.actions.judgements import choices, told_of_judgements
from annotation.actions.uploads import queue_import
from annotation.errors import InvalidInputError
from annotation.methods.readers import UnreadableFileError, Wanted, format_of, read_rows
from annotation.methods.texts import normalise, problem_with
from annotation.models import Campaign, CampaignLanguage, Item, SampleImport, User
from annotation.objectives.ratings import COLUMNS
from training.actions.corrections import learned_sources, systems_of
from training.methods.findings import Decision
from training.methods.paired import ALPHA, holm

if TYPE_CHECKING:
    from annotation.methods.duels import Duel
    from training.methods.judged import Judged

# Every pair is asked in the order of a lot: what a network finds doubtful is no fair sample.
BY_LOT = "random"
QUESTION = (
    "Which of the two is better: the first or the second? Below them, what they were made from."
)


@dataclass(frozen=True)
class Written:
    """What one system wrote: outputs by language and source, and which weights its file tells."""

    system: str
    outputs: Mapping[tuple[str, str], str]
    weights: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Comparison:
    """A campaign that asks people, and what of both files could not be asked.

    ``same`` outputs leave nothing to choose, ``alone`` has only one side, ``learned`` are prompts
    whose better outputs people gave already, so that a generator may have learned them. ``tally``
    counts by language the prompts that are left, and how many of them both wrote the same for.
    """

    campaign: Campaign
    brought: SampleImport
    same: int
    alone: int
    learned: int
    tally: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Verdict:
    """What people found in one language; ``harm_p`` is corrected over all languages."""

    home: CampaignLanguage
    judged: "Judged"
    verdict: Decision
    harm_p: float
    choices: int


def read_outputs(file: BinaryIO, *, filename: str, system: str) -> Written:
    """Read what a system wrote, from rows of language, source and output; a bad row is refused."""
    if not system.strip() or problem_with(system) or len(system) > 60:
        raise InvalidInputError(
            "A system needs a name of at most 60 characters.", remedy="Give each one its own."
        )
    kind = format_of(filename)
    if not kind or kind == "po":
        raise InvalidInputError(
            f"The name {filename!r} tells no format.", remedy="Give a CSV, TSV or JSON Lines file."
        )
    wanted = Wanted(
        defaults={"licence": "as its source"}, usual=COLUMNS | {"weights": "meta.weights"}
    )
    outputs: dict[tuple[str, str], str] = {}
    weights: set[str] = set()
    try:
        for row in read_rows(file, format=kind, wanted=wanted):
            if row.problem:
                raise _refused(filename, row.number, row.field or "row", row.problem)
            tag, source, output = _row(row.values, filename=filename, number=row.number)
            if (tag, source) in outputs:
                told = "is there twice in this language"
                raise _refused(filename, row.number, "source", told)
            outputs[tag, source] = output
            weights.add(str(row.values.get("meta.weights") or ""))
    except UnreadableFileError as error:
        raise InvalidInputError(f"{filename}: {error}") from error
    return Written(system.strip(), outputs, frozenset(weights))


def compare_generators(  # noqa: PLR0913 - what a campaign of its own needs
    *,
    slug: str,
    candidate: Written,
    champion: Written,
    licence: str,
    now: Callable[[], datetime],
    answers_per_item: int = 1,
    title: str = "",
    actor: User | None = None,
) -> Comparison:
    """Make a campaign that asks people blindly which of two systems wrote better."""
    if candidate.system == champion.system:
        raise InvalidInputError(
            f"Both systems are called {candidate.system!r}.", remedy="Give each a name of its own."
        )
    shared = sorted(candidate.outputs.keys() & champion.outputs.keys())
    alone = len(candidate.outputs.keys() ^ champion.outputs.keys())
    learned = learned_sources()
    held_out = [key for key in shared if (key[0], normalise(key[1])) not in learned]
    pairs = [
        key
        for key in held_out
        if normalise(candidate.outputs[key]) != normalise(champion.outputs[key])
    ]
    if not pairs:
        raise InvalidInputError(
            "There is no prompt for which both wrote something, and not the same.",
            remedy="Have both write for the same prompts, which nobody has corrected before.",
        )
    campaign = create_campaign(
        slug=slug,
        title=title or f"{candidate.system} or {champion.system}"[:120],
        question=QUESTION,
        labels=[],
        languages=sorted({tag for tag, _ in pairs}),
        objective="preferences",
        strategy=BY_LOT,
        gold_share=0,
        answers_per_item=answers_per_item,
        actor=actor,
    )
    brought = _bring(campaign, pairs, candidate=candidate, champion=champion, licence=licence)
    brought = run_import(brought.pk, now=now)
    return Comparison(
        campaign,
        brought,
        len(held_out) - len(pairs),
        alone,
        len(shared) - len(held_out),
        _tally(held_out, pairs=pairs),
    )


def _tally(
    held_out: Sequence[tuple[str, str]], *, pairs: Sequence[tuple[str, str]]
) -> dict[str, dict[str, int]]:
    asked, differ = Counter(tag for tag, _ in held_out), Counter(tag for tag, _ in pairs)
    return {tag: {"prompts": asked[tag], "same": asked[tag] - differ[tag]} for tag in sorted(asked)}


def judge_generators(
    campaign: Campaign,
    *,
    candidate: str,
    champion: str,
    margin: float | None = None,
    alpha: float = ALPHA,
) -> list[Verdict]:
    """Judge a candidate in every language of a campaign by what people preferred, and by nothing else.

    ``margin`` is how far below a half the share of preferences may lie: .05 where it is not given;
    ``alpha`` the risk that this look may run.
    """
    from training.methods.judged import (
        MARGIN,
        non_inferior,
    )  # heavy, and the web wants it only here

    margin = MARGIN if margin is None else margin
    known = systems_of(campaign)
    for name in (candidate, champion):
        if name not in known or candidate == champion:
            raise InvalidInputError(
                f"{campaign.slug!r} does not compare {candidate!r} with {champion!r}.",
                remedy=f"It compares: {', '.join(known) or 'no systems that have a name'}.",
            )
    if not 0 < margin < 0.5:
        raise InvalidInputError("The margin lies between 0 and 0.5.", remedy="Usual is 0.05.")
    homes = campaign.languages.filter(active=True).select_related("campaign", "language")
    found = [(home, _duel(home, candidate=candidate, champion=champion)) for home in homes]
    with told_of_judgements():
        judged = [
            (home, duel, non_inferior(duel, margin=margin, alpha=alpha)) for home, duel in found
        ]
    harm = iter(holm([one.harm_p for _, duel, one in judged if len(duel.outcome)]))
    return [
        _verdict(
            home,
            one,
            number=len(duel.outcome),
            harm_p=next(harm) if len(duel.outcome) else 1.0,
            alpha=alpha,
        )
        for home, duel, one in judged
    ]


def is_open(verdicts: Sequence[Verdict]) -> bool:
    """Whether the gate opens: only where people let the candidate pass in every language."""
    return bool(verdicts) and all(one.verdict == "PASS" for one in verdicts)


def _verdict(
    home: CampaignLanguage, judged: "Judged", *, number: int, harm_p: float, alpha: float
) -> Verdict:
    """Harm counts where it is left after the correction over languages; until then it is a hold."""
    verdict = judged.verdict
    if verdict == "BLOCK" and harm_p >= alpha:
        verdict = "HOLD"
        told = f"{judged.finding.sentence} Over all languages that may be chance."
        judged = replace(judged, finding=replace(judged.finding, sentence=told))
    return Verdict(home, judged, verdict, harm_p, number)


def _duel(home: CampaignLanguage, *, candidate: str, champion: str) -> "Duel":
    """What people chose between the two; of campaigns that choose texts, only those drawn by lot."""
    from annotation.methods.duels import Duel

    by_lot = home.campaign.strategy == BY_LOT and not home.campaign.strategy_mix
    told, _ = choices(home)
    if not by_lot:
        drawn = home.items.filter(kind=Item.Kind.AUDIT).values_list("sample_id", flat=True)
        lots = frozenset(drawn)
        told = [one for one in told if one.sample in lots]
    kept = [one for one in told if {one.first, one.second} == {candidate, champion}]
    people = {pk: at for at, pk in enumerate(sorted({one.person.pk for one in kept}))}
    texts = {pk: at for at, pk in enumerate(sorted({one.sample for one in kept}))}
    first = np.array([one.first == candidate for one in kept], bool)
    outcome = np.array([one.outcome for one in kept], np.int64)
    return Duel.of(
        np.where(first, outcome, -outcome),
        rater=[people[one.person.pk] for one in kept],
        item=[texts[one.sample] for one in kept],
        first=first,
    )


def _bring(
    campaign: Campaign,
    pairs: Sequence[tuple[str, str]],
    *,
    candidate: Written,
    champion: Written,
    licence: str,
) -> SampleImport:
    lines = []
    for tag, source in pairs:
        row: dict[str, Any] = {
            "output_a": candidate.outputs[tag, source],
            "output_b": champion.outputs[tag, source],
            "system_a": candidate.system,
            "system_b": champion.system,
            "language": tag,
        }
        lines.append(json.dumps(row | ({"source": source} if source else {})) + "\n")
    file = io.BytesIO("".join(lines).encode())
    defaults = {"licence": licence, "source": "outputs of two generators"}
    return queue_import(campaign, file=file, filename="comparison.jsonl", defaults=defaults)


def _row(values: Mapping[str, object], *, filename: str, number: int) -> tuple[str, str, str]:
    found = []
    for field, name in (("language", "language"), ("second", "source"), ("text", "output")):
        value = values.get(field)
        value = "" if value is None and field == "second" else value
        if not isinstance(value, str):
            raise _refused(filename, number, name, "is missing or no text")
        if (problem := problem_with(value)) and not (field == "second" and not value.strip()):
            raise _refused(filename, number, name, problem)
        found.append(value)
    return found[0].strip(), found[1], found[2]


def _refused(filename: str, number: int, field: str, what: str) -> InvalidInputError:
    return InvalidInputError(
        f"{filename}, row {number}, {field}: {what}.", remedy="Mend the row, or leave it out."
    )
