"""The order at the desk: picks by rank, gold strewn among them so that nothing gives it away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from annotation.models import CampaignLanguage, Item
from learning.actions.gold import GoldDraw, suggestion
from learning.methods.acquisition import lots
from learning.methods.batches import Selected
from learning.methods.rationale import GOLD
from learning.models import Pick, Round

_KINDS = {"audit": Item.Kind.AUDIT, "relabel": Item.Kind.REPEAT}


@dataclass(frozen=True)
class Draft:
    """An item that is not saved yet, and the fields of the pick that explains it."""

    item: Item
    reason: dict[str, Any]


def drafts_of(
    picks: Sequence[Selected], gold: Sequence[GoldDraw], *, home: CampaignLanguage, round_: Round
) -> list[Draft]:
    """Return one language's items in the order in which they are asked, 1, 2, 3 …"""
    ranked = sorted(picks, key=lambda pick: pick.rank)
    queue: list[Selected | GoldDraw] = [*ranked]
    places = lots((str(draw.sample_id) for draw in gold), seed=round_.seed, purpose="gold place")
    for draw, place in zip(gold, places.tolist(), strict=True):
        queue.insert(place % (len(queue) + 1), draw)
    return [
        _asked(one, place=place, home=home, round_=round_)
        if isinstance(one, Selected)
        else _gold(one, place=place, home=home, round_=round_)
        for place, one in enumerate(queue, start=1)
    ]


def batch_name(round_: Round) -> str:
    """Return the name under which the desk shows what a round brought."""
    return f"round-{round_.number}"


def _asked(pick: Selected, *, place: int, home: CampaignLanguage, round_: Round) -> Draft:
    item = Item(
        campaign_language=home,
        sample_id=int(pick.item_id),
        kind=_KINDS.get(pick.slot, Item.Kind.ACQUISITION),
        priority=float(place),
        batch=batch_name(round_),
        wanted=round_.campaign.answers_per_item,
        suggestion=(
            suggestion(pick.best_label, confidence=pick.confidence)
            if pick.confidence is not None
            else {}
        ),
    )
    reason = {
        "rank": place,
        "slot": pick.slot,
        "strategy": pick.strategy,
        "propensity": pick.propensity,
        "margin": pick.margin,
        "percentile": pick.percentile,
        "best_label": pick.best_label,
        "second_label": pick.second_label,
        "duplicates": [int(pk) for pk in pick.duplicates],
        "nearest_id": int(pick.nearest_id) if pick.nearest_id else None,
        "nearest_distance": pick.nearest_distance,
        "rationale": pick.rationale,
    }
    return Draft(item, reason)


def _gold(draw: GoldDraw, *, place: int, home: CampaignLanguage, round_: Round) -> Draft:
    item = Item(
        campaign_language=home,
        sample_id=draw.sample_id,
        kind=Item.Kind.GOLD,
        priority=float(place),
        batch=batch_name(round_),
        wanted=draw.wanted,
        suggestion=draw.suggestion,
    )
    reason = {
        "rank": place,
        "slot": Pick.Slot.GOLD,
        "strategy": "gold",
        "propensity": draw.propensity,
        "rationale": f"{GOLD % {'language': home.language.tag}}.",
    }
    return Draft(item, reason)
