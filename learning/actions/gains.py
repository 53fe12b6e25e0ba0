"""Gains: what chosen samples taught against random ones, language by language, on gold.

For workers: texts are turned into representations by the version that asked.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from annotation.models import CampaignLanguage, GoldItem, Item
from learning.actions.doubts import positions_mean_classes
from learning.methods.gain import LEAST_GOLD, LEAST_RANDOM, Arm, Floats, Gain, selection_gain
from learning.methods.metrics import Estimate
from learning.models import ModelVersion, Pick, Round, SelectionGain

TEXTS_AT_ONCE = 64
# Chosen samples that are looked at, for each random one; more would cost and tell no more.
CHOSEN_PER_RANDOM = 4
MOST_GOLD = 500


def measure_gains(round_: Round) -> list[SelectionGain]:
    """Measure every active language up to this round, once; too little is written down as such."""
    known = set(round_.selection_gains.values_list("campaign_language_id", flat=True))
    homes = round_.campaign.languages.filter(active=True).select_related("language")
    return [_measured(round_, home) for home in homes if home.pk not in known]


def _measured(round_: Round, home: CampaignLanguage) -> SelectionGain:
    random = _picked(round_, home, random=True)
    chosen = _picked(round_, home, random=False)[: CHOSEN_PER_RANDOM * len(random)]
    gold = _gold(home)
    if not positions_mean_classes(home.campaign):
        # What is compared are two small classifiers, and composed answers are no classes.
        found = Gain(None, 0, 0)
    elif len(random) < LEAST_RANDOM or len(gold) < LEAST_GOLD or not chosen:
        found = Gain(None, len(random) // 2, len(gold))
    else:
        found = _compared(round_, home, chosen, random, gold)
    ends = _ends("", found.estimate) | _ends("chosen", found.chosen)
    ends |= _ends("random", found.random)
    row, _ = SelectionGain.objects.get_or_create(
        round=round_,
        campaign_language=home,
        defaults={"labels": found.labels, "gold": found.gold, **ends},
    )
    return row


def _ends(name: str, found: Estimate | None) -> dict[str, float]:
    """Return a number and its interval by the names of their columns."""
    if found is None:
        return {}
    low, high = (f"{name}_{end}" if name else end for end in ("low", "high"))
    return {name or "value": found.value, low: found.low, high: found.high}


Row = tuple[str, int, int]


def _picked(round_: Round, home: CampaignLanguage, *, random: bool) -> list[Row]:
    """Return text, agreed label and round of what was asked at random, or chosen, and answered.

    Chosen ones come in the order of a number drawn once, so that taking the first is fair.
    """
    picks = Pick.objects.filter(
        round__campaign=round_.campaign_id,
        round__number__lte=round_.number,
        item__campaign_language=home,
        item__state=Item.State.ANSWERED,
        item__kind=Item.Kind.AUDIT if random else Item.Kind.ACQUISITION,
    )
    agreed = picks.filter(item__sample__consensus__isnull=False).order_by("item__sample__uid")
    return list(
        agreed.values_list(
            "item__sample__text", "item__sample__consensus__label__position", "round__number"
        )
    )


def _gold(home: CampaignLanguage) -> list[Row]:
    gold = GoldItem.objects.filter(
        sample__campaign=home.campaign_id, sample__language=home.language_id, retired_at=None
    )
    rows = gold.order_by("sample__uid").values_list("sample__text", "label__position")
    return [(text, position, 0) for text, position in rows[:MOST_GOLD]]


def _compared(
    round_: Round,
    home: CampaignLanguage,
    chosen: Sequence[Row],
    random: Sequence[Row],
    gold: Sequence[Row],
) -> Gain:
    rows = [*chosen, *random, *gold]
    features = _features(round_.version, [text for text, _, _ in rows], tag=home.language.tag)
    labels = np.array([label for _, label, _ in rows], np.int64)
    rounds = np.array([number for _, _, number in rows], np.int64)
    ours, theirs = slice(0, len(chosen)), slice(len(chosen), len(chosen) + len(random))
    rest = slice(len(chosen) + len(random), None)
    return selection_gain(
        Arm(features[ours], labels[ours], rounds[ours]),
        random=Arm(features[theirs], labels[theirs], rounds[theirs]),
        gold=features[rest],
        truth=labels[rest],
        rng=np.random.default_rng(zlib.crc32(f"gain:{home.pk}:{round_.number}".encode())),
    )


def _features(version: ModelVersion, texts: Sequence[str], *, tag: str) -> Floats:
    from learning.inference import network_of  # torch is for workers only

    network = network_of(version)
    home = next(network.module.parameters()).device
    network.module.eval()
    parts = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        some = texts[start : start + TEXTS_AT_ONCE]
        batch = network.collate(some, [tag] * len(some))
        there = {name: tensor.to(home) for name, tensor in batch.items()}
        parts.append(network.embed(there).float().cpu().numpy().astype(np.float64))
    return np.concatenate(parts)
