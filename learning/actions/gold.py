"""Gold at the desk: which items with a known answer go out with a round.

Only gold tells a careless or hostile annotator from a good one where nobody overlaps, so every
active annotator of the language is asked each gold item; and each is sent out twice at most,
lest its answer be remembered.
"""

import math
from collections.abc import Container
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q

from annotation.actions.exposures import told_people
from annotation.actions.standings import counting
from annotation.models import Annotator, CampaignLanguage, GoldItem, Item
from learning.actions.doubts import as_classes
from learning.actions.pools import label_keys
from learning.methods.acquisition import lots
from learning.methods.probabilities import softmax
from learning.models import Prediction, Round, Temperature

MOST_EXPOSURES = 2


@dataclass(frozen=True)
class GoldDraw:
    """A gold sample on its way to the desk."""

    sample_id: int
    propensity: float
    wanted: int
    suggestion: dict[str, object]


def draw_gold(home: CampaignLanguage, *, round_: Round, beside: int) -> list[GoldDraw]:
    """Draw the gold that goes out beside so many items, the least exposed first, else by lot."""
    share = float(round_.campaign.gold_share)
    wished = math.ceil(share * beside - 1e-9)
    if not wished:
        return []
    active = Annotator.objects.filter(language=home.language_id, active=True)
    team = counting(round_.campaign, active).count()
    candidates = _candidates(home, team=team)
    chosen = _in_order(candidates, seed=round_.seed)[:wished]
    told = told_people(home)
    suggestions = _suggestions([pk for pk, _ in chosen], home=home, round_=round_)
    return [
        GoldDraw(
            pk,
            _propensity(tier, candidates, wished),
            max(1, team - told.get(pk, 0)),
            suggestions.get(pk, {}),
        )
        for pk, tier in chosen
    ]


def gold_beside(
    home: CampaignLanguage, *, wished: int, seed: int, without: Container[int] = ()
) -> list[int]:
    """Return samples with a known answer that may go out beside what a report brings, as in a round."""
    if wished <= 0:
        return []
    active = Annotator.objects.filter(language=home.language_id, active=True)
    candidates = _candidates(home, team=counting(home.campaign, active).count())
    fresh = [(pk, tier) for pk, tier in candidates if pk not in without]
    return [pk for pk, _tier in _in_order(fresh, seed=seed)[:wished]]


def _in_order(candidates: list[tuple[int, int]], *, seed: int) -> list[tuple[int, int]]:
    """Return the least exposed first, else by lot."""
    draw = lots((str(pk) for pk, _ in candidates), seed=seed, purpose="gold")
    order = sorted(range(len(candidates)), key=lambda i: (candidates[i][1], int(draw[i])))
    return [candidates[i] for i in order]


def _candidates(home: CampaignLanguage, *, team: int) -> list[tuple[int, int]]:
    """Return (sample, exposures) of gold that may go out: ready, not retired, not out, not worn out.

    What everybody was told in sessions or examples is hidden from nobody; what somebody was
    told goes out after what nobody was.
    """
    out = Item.objects.open().filter(sample=OuterRef("sample"))
    shown = Count("sample__items", filter=~Q(sample__items__state=Item.State.WITHDRAWN))
    rows = (
        GoldItem.objects.present(home.campaign_id, language=home.language_id)
        .filter(~Exists(out), example=None)
        .exclude(origin=GoldItem.SPEAKERS)
        .annotate(shown=shown)
        .filter(shown__lt=MOST_EXPOSURES)
        .order_by("sample_id")
    )
    told = told_people(home)
    return [
        (pk, times + told.get(pk, 0) * MOST_EXPOSURES)
        for pk, times in rows.values_list("sample_id", "shown")
        if told.get(pk, 0) < max(team, 1)
    ]


def _propensity(tier: int, candidates: list[tuple[int, int]], wished: int) -> float:
    """Return the chance within the tier: those less exposed went out before, for certain."""
    less = sum(shown < tier for _, shown in candidates)
    same = sum(shown == tier for _, shown in candidates)
    return min(1.0, (wished - less) / same)


def _suggestions(
    samples: list[int], *, home: CampaignLanguage, round_: Round
) -> dict[int, dict[str, object]]:
    """Return what the model thinks of gold, so that it looks like every other item."""
    version = round_.version
    temperature = Temperature.objects.filter(version=version, language=home.language_id).first()
    scale = temperature.value if temperature else 1.0
    keys = label_keys(version)
    rows = Prediction.objects.filter(version=version, sample__in=samples)
    found = {}
    for pk, logits, best in rows.values_list("sample_id", "logits", "label_position"):
        classes = as_classes(round_.campaign, logits=[logits])
        confidence = float(softmax(classes, temperature=scale)[0, best])
        found[pk] = suggestion(keys[best], confidence=confidence)
    return found


def suggestion(label: str, *, confidence: float) -> dict[str, object]:
    """Return a suggestion as items keep it."""
    return {"label": label, "confidence": round(confidence, 4)}
