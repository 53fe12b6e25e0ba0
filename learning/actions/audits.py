"""Audits: how good the version that asked is, from gold and from what people said of random picks.

Accuracy on items drawn at random: gold says it without bias but is scarce; agreement with people
on the audit arm and on gold that went out is plentiful but biased. Together they give a narrower
interval (:mod:`learning.methods.ppi`). Nothing here was learned by the version before it
answered, and people's answers on gold are weighed as if that item were not gold.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from annotation.actions.consensus import people_on_gold
from annotation.actions.judging import judging
from annotation.models import CampaignLanguage, Consensus, Item
from learning.actions.pools import label_keys
from learning.methods.metrics import Estimate, accuracy
from learning.methods.ppi import Powered, powered_mean
from learning.models import ModelVersion, Pick


@judging(beside_people=True)
def audited_accuracy(
    version: ModelVersion,
    *,
    home: CampaignLanguage,
    right: Mapping[int, bool],
    best: Mapping[int, Any],
) -> Powered | None:
    """Return the version's accuracy; None without gold.

    ``right`` and ``best`` are its outcomes and best labels by gold sample id. People are listened
    to where they have answered gold enough and make the interval narrower than gold alone; gold
    that they have not seen counts beside that.
    """
    if not right:
        return None
    alone = Powered(accuracy(list(right.values())), trust=0.0, correlation=0.0, worth=1.0, rest=0)
    heard = people_on_gold(home, samples=list(best))
    both = sorted(set(heard) & set(right))
    if not both:
        return alone
    if not both:
        return alone
    gold = [float(right[pk]) for pk in both]
    proxy = [float(heard[pk][best[pk]]) for pk in both]
    found = powered_mean(gold, proxy=proxy, rest=_agreement_on_audit(version, home))
    if not found.trust:
        return alone
    unseen = [right[pk] for pk in sorted(set(right) - set(both))]
    both_said = _together(found.estimate, *([accuracy(unseen)] if unseen else []))
    worth = (_width(alone.estimate) / _width(both_said)) ** 2
    return replace(found, estimate=both_said, worth=worth) if worth > 1 else alone


def _together(*estimates: Estimate) -> Estimate:
    """Weigh independent estimates of one share by how narrow they are."""
    weights = np.array([1 / _width(each) ** 2 for each in estimates])
    value = float(np.average([each.value for each in estimates], weights=weights))
    half = 0.5 / math.sqrt(weights.sum())
    items = sum(each.items for each in estimates)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), items)


def _width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def _agreement_on_audit(version: ModelVersion, home: CampaignLanguage) -> list[float]:
    """Return the probability people give to what the version had said of its random picks."""
    keys = {key: at for at, key in enumerate(label_keys(version))}
    picks = Pick.objects.filter(
        round__version=version,
        slot=Pick.Slot.AUDIT,
        item__campaign_language=home,
        item__state=Item.State.ANSWERED,
    )
    said = dict(picks.values_list("item__sample_id", "best_label"))
    agreed = Consensus.objects.filter(sample__in=list(said)).values_list("sample_id", "people")
    return [float(people[keys[said[pk]]]) for pk, people in agreed if said[pk] in keys]
