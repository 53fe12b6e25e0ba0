"""Where each language of a campaign stands: its texts, its people, its metric and the way there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from annotation.methods.charts import Estimate
from annotation.models import (
    Annotator,
    Campaign,
    CampaignLanguage,
    GateMetric,
    GoldItem,
    Guideline,
    QuarantinedAnswer,
)
from learning.models import ModelVersion, Round
from training.actions.counts import Texts, texts_in
from training.models import Evaluation

Estimates = Mapping[tuple[int, int], Estimate]


@dataclass(frozen=True)
class LanguageRow:
    """Where one language stands."""

    home: CampaignLanguage
    pool: int
    gold: int
    asked: int
    answered: int
    quarantined: int
    people: int
    guideline: int
    metric: Estimate
    trend: Sequence[Estimate]


def standings_of(
    campaign: Campaign, *, rounds: Sequence[Round], serving: ModelVersion | None, now: datetime
) -> list[LanguageRow]:
    """One row a language, newest numbers; the number of queries does not grow with languages."""
    texts = texts_in([campaign], now=now)
    gold, people, desk = _gold(campaign), _people(campaign), _desk(campaign)
    shown = [r.version for r in reversed(rounds)] + ([serving] if serving else [])
    estimates = estimates_of(shown)
    return [
        LanguageRow(
            home=home,
            pool=texts.get(home.pk, Texts()).pool,
            gold=gold.get(home.language_id, 0),
            asked=texts.get(home.pk, Texts()).asked,
            answered=texts.get(home.pk, Texts()).answered,
            quarantined=desk["quarantined"].get(home.pk, 0),
            people=people.get(home.language_id, 0),
            guideline=desk["guideline"].get(home.pk, 0),
            metric=_estimate(estimates, serving, home.language_id),
            trend=[_estimate(estimates, version, home.language_id) for version in shown],
        )
        for home in campaign.languages.select_related("language")
    ]


def estimates_of(
    versions: Iterable[ModelVersion], *, metric: str = GateMetric.ACCURACY
) -> dict[tuple[int, int], Estimate]:
    """The newest value of each version in each language, by ``(version, language)`` ids.

    On gold that judges: what was tuned on development gold would look better there than it is.
    """
    name = "macro_f1" if metric == GateMetric.MACRO_F1 else "accuracy"
    rows = (
        Evaluation.objects.filter(version__in=list(versions), split=GoldItem.Split.GATE)
        .order_by("created_at", "id")
        .values_list("version_id", "language_id", name, f"{name}_low", f"{name}_high")
    )
    return {(v, lang): Estimate(value, low, high) for v, lang, value, low, high in rows}


def _gold(campaign: Campaign) -> dict[int, int]:
    gold = GoldItem.objects.filter(sample__campaign=campaign, retired_at=None)
    return dict(gold.values_list("sample__language").annotate(Count("id")))


def _people(campaign: Campaign) -> dict[int, int]:
    people = Annotator.objects.filter(active=True, language__campaigns__campaign=campaign)
    return dict(people.values_list("language").annotate(Count("id")))


def _desk(campaign: Campaign) -> dict[str, dict[int, int]]:
    here = Q(campaign_language__campaign=campaign)
    strange = QuarantinedAnswer.objects.filter(here, resolved_at=None)
    counted = {
        "quarantined": strange,
        "guideline": Guideline.objects.filter(here),
    }
    return {
        name: dict(rows.order_by().values_list("campaign_language").annotate(Count("id")))
        for name, rows in counted.items()
    }


def _estimate(estimates: Estimates, version: ModelVersion | None, language_id: int) -> Estimate:
    return estimates.get((version.pk, language_id), Estimate()) if version else Estimate()
