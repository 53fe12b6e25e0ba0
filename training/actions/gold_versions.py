"""Gold versions: how often a gold set has decided, and when it is worn out.

Candidates that are judged again and again on the same items are bred to them: after twenty
decisions a quarter of a language's gold must be fresh before it decides again.
"""

import math
from collections.abc import Mapping

from django.db.models import F, QuerySet

from annotation.models import Campaign
from learning.models import ModelVersion
from training.actions.evaluation import Gold
from training.methods.gate import FRESH_SHARE, MOST_DECISIONS
from training.models import GateCheck, GoldVersion, Verdict


def versions_of_gold(campaign: Campaign, *, golds: Mapping[str, Gold]) -> dict[str, GoldVersion]:
    """Return the version that each language's present gold counts as; a fresh one begins a new."""
    return {tag: _version(campaign, gold) for tag, gold in golds.items() if gold.samples}


def worn_of(versions: Mapping[str, GoldVersion], *, golds: Mapping[str, Gold]) -> dict[str, int]:
    """Return the languages whose gold is worn out, with how many fresh items each lacks."""
    return {
        tag: fresh_needed(set(golds[tag].samples), known=set(version.samples))
        for tag, version in versions.items()
        if decisions_of(version) >= MOST_DECISIONS
    }


def decisions_of(version: GoldVersion) -> int:
    """Count the looks that this version has decided."""
    return decided(version).count()


def decided(version: GoldVersion) -> "QuerySet[GateCheck]":
    """Return the looks that this version has decided; one that was void decided nothing."""
    return version.decisions.exclude(gate__verdict=Verdict.VOID)


def past_best_of(
    versions: Mapping[str, GoldVersion],
    *,
    anchors: Mapping[str, ModelVersion],
    champion: ModelVersion,
) -> dict[str, int]:
    """Return the languages whose best ever released is another version than the champion.

    With each how often its gold was asked, this time too, whether a candidate comes near such a
    best: only these decisions let losses add up, and share the risk.
    """
    return {
        tag: 1 + decided(version).exclude(anchor=None).exclude(anchor=F("gate__champion")).count()
        for tag, version in versions.items()
        if tag in anchors and anchors[tag] != champion
    }


def fresh_needed(present: set[int], *, known: set[int]) -> int:
    """Return how many items must join until a quarter is fresh.

    >>> fresh_needed(set(range(300)), known=set(range(300)))
    100
    """
    fresh = len(present - known)
    return max(0, math.ceil((FRESH_SHARE * len(present) - fresh) / (1 - FRESH_SHARE) - 1e-9))


def _version(campaign: Campaign, gold: Gold) -> GoldVersion:
    mine = GoldVersion.objects.filter(campaign=campaign, language=gold.language)
    newest = mine.order_by("-number").first()
    if newest and fresh_needed(set(gold.samples), known=set(newest.samples)):
        return newest
    number = newest.number + 1 if newest else 1
    made, _ = GoldVersion.objects.get_or_create(
        campaign=campaign,
        language=gold.language,
        number=number,
        defaults={"samples": list(gold.samples)},
    )
    return made
