"""Stopping: after each round, for each language, whether it may stop and what more would buy.

Everything a verdict rests on is stored with it, so that it can be replayed; nothing is stopped
by it but what the campaign says may be stopped by itself.
"""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from django.db import transaction

from annotation.models import Campaign, CampaignLanguage, GoldItem, Item
from learning.actions.audits import audited_accuracy
from learning.methods.metrics import Z95, Estimate, wilson
from learning.methods.stopping import (
    Decision,
    RoundFacts,
    StopPolicy,
    decide,
    kappa,
    paired_curve,
    slope,
    spread,
)
from learning.models import ModelVersion, Round, StopDecision, StopReading

# Fewer gold items that both were measured on say nothing of a difference.
LEAST_IN_COMMON = 20
POINTS = 3
PER = 100


@dataclass(frozen=True)
class Outcomes:
    """What versions did on one language's gold, by version id and then gold sample id."""

    right: Mapping[int, Mapping[int, bool]] = field(default_factory=dict)
    best: Mapping[int, Mapping[int, Any]] = field(default_factory=dict)


def decide_stops(
    round_: Round, *, candidate: ModelVersion, outcomes: Mapping[int, Outcomes]
) -> list[StopDecision]:
    """Write down the round's verdict on every active language, once.

    ``outcomes`` are by language id; a language without any goes on.
    """
    homes = round_.campaign.languages.filter(active=True).select_related("language", "campaign")
    with transaction.atomic():
        Campaign.objects.select_for_update().get(pk=round_.campaign_id)
        return [
            _decided(round_, home, candidate, outcomes.get(home.language_id, Outcomes()))
            for home in homes
        ]


def policy_of(campaign: Campaign) -> StopPolicy:
    """Return what must hold before a language of the campaign may stop."""
    return StopPolicy(
        least_gain=float(campaign.least_gain), budget=campaign.most_labels_per_language
    )


def replayed(home: CampaignLanguage, *, policy: StopPolicy) -> list[Decision]:
    """Return the verdicts that the stored numbers of a language's rounds give, oldest first."""
    history = [_facts(row) for row in _rows(home)]
    return [decide(history[: end + 1], policy=policy) for end in range(len(history))]


def versions_compared(campaign: Campaign) -> set[int]:
    """Return the versions whose outcomes the next verdicts rest on: a few of each language."""
    needed: set[int] = set()
    for home in campaign.languages.filter(active=True):
        rows = _rows(home)
        latest = {row.labels: row.version_id for row in rows}
        needed |= {row.version_id for row in rows[-POINTS:]}
        needed |= {latest[labels] for labels in sorted(latest)[-POINTS:]}
    return needed


def _decided(
    round_: Round, home: CampaignLanguage, candidate: ModelVersion, outcomes: Outcomes
) -> StopDecision:
    known = StopDecision.objects.filter(round=round_, campaign_language=home).first()
    if known:
        return known
    before = [row for row in _rows(home) if row.round.number < round_.number]
    facts, quality = _measured(round_, home, candidate, outcomes, before=before)
    told = decide([*map(_facts, before), facts], policy=policy_of(round_.campaign))
    last = before[-1] if before else None
    return StopDecision.objects.create(
        round=round_,
        campaign_language=home,
        version=candidate,
        verdict=told.verdict,
        cause=told.cause,
        labels=facts.labels,
        gain=facts.gain,
        gain_low=facts.gain_low,
        gain_high=facts.gain_high,
        guards=[asdict(guard) for guard in told.guards],
        facts=asdict(facts) | {"f_bound": told.f_bound, "quality": quality},
        kept_open=bool(last and last.kept_open),
        kept_open_by=last.kept_open_by if last and last.kept_open else None,
    )


def _rows(home: CampaignLanguage) -> list[StopDecision]:
    return list(home.stop_decisions.select_related("round").order_by("round__number"))


def _facts(row: StopDecision) -> RoundFacts:
    return RoundFacts(**{name: row.facts.get(name) for name in RoundFacts.__dataclass_fields__})


def _measured(
    round_: Round,
    home: CampaignLanguage,
    candidate: ModelVersion,
    outcomes: Outcomes,
    *,
    before: Sequence[StopDecision],
) -> tuple[RoundFacts, dict[str, float | int] | None]:
    """Return the round's numbers, and what is known of the accuracy of the version that asked."""
    labels = _labels(home)
    previous = before[-1].version_id if before else round_.version_id
    agreed, agreed_on, varied = _agreement(candidate, previous, language_id=home.language_id)
    curve = [*((row.labels, row.version_id) for row in before), (labels, candidate.pk)]
    gained = _gain(curve, outcomes, seed=f"{home.pk}:{round_.number}")
    asked_by = round_.version_id
    audit = audited_accuracy(
        round_.version,
        home=home,
        right=outcomes.right.get(asked_by, {}),
        best=outcomes.best.get(asked_by, {}),
    )
    widths = [(audit.estimate.high - audit.estimate.low) / 2] if audit else []
    widths += _gold_width(outcomes.right.get(candidate.pk, {}))
    facts = RoundFacts(
        labels=labels,
        kappa=agreed,
        agreed_on=agreed_on,
        spread=varied,
        expected_spread=_spread_of_gold(home),
        half_width=min(widths, default=None),
        gain=gained.value * PER if gained else None,
        gain_low=gained.low * PER if gained else None,
        gain_high=gained.high * PER if gained else None,
        change=_change(candidate.pk, [row.version_id for row in before[-POINTS:]], outcomes),
    )
    if audit is None:
        return facts, None
    told = {name: getattr(audit.estimate, name) for name in ("value", "low", "high", "items")}
    return facts, told | {"audited": audit.rest, "trust": audit.trust, "worth": audit.worth}


def _labels(home: CampaignLanguage) -> int:
    taught = home.items.filter(state=Item.State.ANSWERED).exclude(kind__in=Item.EXAMINING)
    return taught.values("sample").distinct().count()


def _agreement(
    candidate: ModelVersion, previous: int, *, language_id: int
) -> tuple[float | None, int, float | None]:
    """Return kappa between two versions, on how many samples, and how varied the newer one is."""
    readings = StopReading.objects.filter(language=language_id)
    after = readings.filter(version=candidate).first()
    if after is None:
        return None, 0, None
    varied = spread(np.bincount(list(after.answers.values()) or [0])) if after.answers else None
    before = readings.filter(version=previous).first()
    if before is None or previous == candidate.pk:
        return None, 0, varied
    both = sorted(set(before.answers) & set(after.answers))
    agreed = kappa([before.answers[pk] for pk in both], [after.answers[pk] for pk in both])
    return agreed, len(both), varied


def _gain(curve: Sequence[tuple[int, int]], outcomes: Outcomes, *, seed: str) -> Estimate | None:
    """Return the gain per label over the last rounds in which labels came in."""
    newest = dict(curve)
    points = [(labels, outcomes.right.get(version, {})) for labels, version in newest.items()]
    points = sorted((point for point in points if point[1]), key=lambda point: point[0])[-POINTS:]
    common = _common([right for _, right in points])
    if len(points) < POINTS or len(common) < LEAST_IN_COMMON:
        return None
    means, covariance = paired_curve([[right[pk] for pk in common] for _, right in points])
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    return slope([labels for labels, _ in points], means, covariance=covariance, rng=rng)


def _change(candidate: int, earlier: Iterable[int], outcomes: Outcomes) -> float | None:
    """Return the least upper end, against each earlier version, of the change in accuracy."""
    ends = []
    now = outcomes.right.get(candidate, {})
    for version in earlier:
        then = outcomes.right.get(version, {})
        common = _common([now, then])
        if len(common) >= LEAST_IN_COMMON:
            step = np.array([float(now[pk]) - float(then[pk]) for pk in common])
            ends.append(float(step.mean() + Z95 * step.std(ddof=1) / math.sqrt(len(step))))
    return min(ends, default=None)


def _common(outcomes: Sequence[Mapping[int, bool]]) -> list[int]:
    return sorted(set.intersection(*map(set, outcomes))) if outcomes else []


def _gold_width(right: Mapping[int, bool]) -> list[float]:
    if not right:
        return []
    low, high = wilson(sum(right.values()) / len(right), items=len(right))
    return [(high - low) / 2]


def _spread_of_gold(home: CampaignLanguage) -> float | None:
    """Return how varied the language's labels are: gold is drawn at random from what comes in."""
    gold = GoldItem.objects.filter(
        sample__campaign=home.campaign_id, sample__language=home.language_id, retired_at=None
    )
    labels = list(gold.values_list("label", flat=True))
    counts = np.unique(labels, return_counts=True)[1]
    return spread(counts) if len(labels) >= LEAST_IN_COMMON else None
