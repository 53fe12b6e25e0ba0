"""Tournaments: of several systems, people compare pairs drawn by lot, or those that tell most.

Where they are to be chosen, the strengths that choices so far amount to (:mod:`annotation.actions.judgements`) decide which pairs
come next (:mod:`annotation.methods.pairings`); a share is drawn from all alike. Which texts of a pair are asked is
a lot, and every one carries the chance that it had, and how it came in, in its ``meta``.
"""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction

from annotation.actions.campaigns import create_campaign
from annotation.actions.imports import run_import
from annotation.actions.judgements import compared
from annotation.actions.uploads import queue_import
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.readers.sides import FIRST, SECOND
from annotation.methods.texts import normalise, parts_of
from annotation.models import Campaign, CampaignLanguage, SampleImport, User
from training.actions.blind import BY_LOT, QUESTION, Written
from training.actions.corrections import learned_sources

LEAST_SYSTEMS = 3
CHOSEN, AUDIT = "chosen", "audit"
Keys = dict[tuple[int, int], list[str]]


@dataclass(frozen=True)
class Round:
    """What was asked: pairs of outputs by language, those chosen for what they tell and by lot."""

    campaign: Campaign
    brought: SampleImport
    chosen: int
    audit: int


@transaction.atomic
def ask_pairs(  # noqa: PLR0913 - what a campaign of its own needs
    *,
    slug: str,
    systems: Sequence[Written],
    count: int,
    licence: str,
    now: Callable[[], datetime],
    choose: bool = False,
    seed: int = 0,
    answers_per_item: int = 1,
    actor: User | None = None,
) -> Round:
    """Ask people ``count`` pairs more in all languages together.

    By lot, unless ``choose``: in simulations choosing ranked no better (``benchmarks.tournaments``).
    """
    _refuse(systems, count=count)
    campaign = _campaign(slug, systems, answers_per_item=answers_per_item, actor=actor)
    homes = campaign.languages.filter(active=True).select_related("language", "campaign")
    rows, chosen = list[dict[str, Any]](), 0
    for at, home in enumerate(homes.order_by("language__tag")):
        number = count // len(homes) + (at < count % len(homes))
        rng = np.random.default_rng([seed, at, home.campaign.samples.count()])
        found = _rows(home, systems, count=number, choose=choose, rng=rng)
        chosen += sum(row["meta.slot"] == CHOSEN for row in found)
        rows += found
    if not rows:
        raise ConflictError(
            f"Every pair of outputs is in {slug!r} already.", remedy="Give more outputs."
        )
    file = io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())
    defaults = {"licence": licence, "source": "outputs of generators"}
    queued = queue_import(campaign, file=file, filename="pairs.jsonl", defaults=defaults)
    return Round(campaign, run_import(queued.pk, now=now), chosen, len(rows) - chosen)


def _refuse(systems: Sequence[Written], *, count: int) -> None:
    names = {one.system for one in systems}
    if len(names) != len(systems) or len(systems) < LEAST_SYSTEMS:
        raise InvalidInputError(
            "A tournament takes three systems or more, each with a name of its own.",
            remedy="Of two: compare_generators.",
        )
    if count < 1:
        raise InvalidInputError(f"{count} pairs cannot be asked.", remedy="Ask one or more.")


def _campaign(
    slug: str, systems: Sequence[Written], *, answers_per_item: int, actor: User | None
) -> Campaign:
    known = Campaign.objects.filter(slug=slug).first()
    if known is None:
        return create_campaign(
            slug=slug,
            title=slug,
            question=QUESTION,
            labels=[],
            languages=sorted({tag for one in systems for tag, _ in one.outputs}),
            objective="preferences",
            strategy=BY_LOT,
            gold_share=0,
            answers_per_item=answers_per_item,
            actor=actor,
        )
    if known.objective != "preferences" or known.strategy != BY_LOT:
        raise ConflictError(
            f"{slug!r} asks something else, or in another order than by lot.",
            remedy="Name a new campaign.",
        )
    return Campaign.objects.select_for_update().get(pk=known.pk)


def _rows(
    home: CampaignLanguage,
    systems: Sequence[Written],
    *,
    count: int,
    choose: bool,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return the rows of one language that are asked next."""
    from annotation.methods.pairings import AUDIT as SHARE
    from annotation.methods.pairings import allot

    left = _left(home, systems)
    size = len(systems)
    room = np.zeros((size, size), np.int64)
    for (one, other), keys in left.items():
        room[one, other] = room[other, one] = len(keys)
    by_lot = SHARE if choose else 1.0
    told = allot(_openness(home, systems), left=room, count=count, rng=rng, audit=by_lot)
    rows = []
    for (one, other), keys in left.items():
        number, chosen = int(told.asked[one, other]), int(told.chosen[one, other])
        drawn = rng.permutation(len(keys))[:number].tolist()
        for place, at in enumerate(drawn):
            slot = CHOSEN if place < chosen else AUDIT
            pair = (systems[one], systems[other])
            rows.append(
                _row(home, pair, source=keys[at], slot=slot, chance=told.chance[one, other])
            )
    return rows


def _left(home: CampaignLanguage, systems: Sequence[Written]) -> Keys:
    """Return, by pair of systems, the sources for which both wrote, not the same, and nobody was asked."""
    tag, learned = home.language.tag, learned_sources(but=home.campaign)
    asked = set()
    for meta, text in home.campaign.samples.filter(language=home.language_id).values_list(
        "meta", "text"
    ):
        source = parts_of(text)[2] if len(parts_of(text)) > 2 else ""
        asked.add((frozenset((meta.get(FIRST), meta.get(SECOND))), normalise(source)))
    found: Keys = {}
    for one in range(len(systems)):
        for other in range(one + 1, len(systems)):
            pair = frozenset((systems[one].system, systems[other].system))
            mine, theirs = systems[one].outputs, systems[other].outputs
            shared = sorted(key[1] for key in mine.keys() & theirs.keys() if key[0] == tag)
            found[one, other] = [
                source
                for source in shared
                if normalise(mine[tag, source]) != normalise(theirs[tag, source])
                and (pair, normalise(source)) not in asked
                and (tag, normalise(source)) not in learned
            ]
    return found


def _openness(home: CampaignLanguage, systems: Sequence[Written]) -> npt.NDArray[np.float64]:
    """Return how much one more choice of each pair tells, given what people chose so far."""
    from annotation.methods.pairings import openness

    found = openness(None, writers=len(systems))
    told = compared(home)
    if told is None:
        return found
    known = openness(told.fit, writers=len(told.systems))
    place = {name: at for at, name in enumerate(told.systems)}
    at = {n: place[one.system] for n, one in enumerate(systems) if one.system in place}
    for one, mine in at.items():
        for other, theirs in at.items():
            found[one, other] = known[mine, theirs]
    return found


def _row(
    home: CampaignLanguage,
    pair: tuple[Written, Written],
    *,
    source: str,
    slot: str,
    chance: float,
) -> dict[str, Any]:
    tag = home.language.tag
    outputs = {
        "output_a": pair[0].outputs[tag, source],
        "output_b": pair[1].outputs[tag, source],
        "system_a": pair[0].system,
        "system_b": pair[1].system,
        "language": tag,
        "meta.slot": slot,
        "meta.chance": f"{chance:.6f}",
    }
    return outputs | ({"source": source} if source else {})
