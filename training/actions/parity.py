"""Parity: where every language stands beside the others, from rows alone; no network, no gold.

The number of queries does not grow with languages, campaigns or versions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from annotation.methods.charts import Estimate
from annotation.models import Campaign, CampaignLanguage, GoldItem, Language
from learning.models import Deployment, LanguageCalibration
from training.actions.counts import Spent, spent_in
from training.actions.service_times import Service, service_of
from training.methods.gaps import Ends, cost_per_point, difference, falls_behind
from training.models import Evaluation, LanguageFigures

# Moves of the pointer that a trend shows, the newest.
SERVED = 8


@dataclass(frozen=True)
class ParityRow:
    """One language of one campaign beside the others.

    ``trend`` and ``gaps`` go over the versions that served, oldest first, and end with what serves
    now; ``cost`` is seconds of speakers' time a point of accuracy.
    """

    home: CampaignLanguage
    metric: Estimate
    items: int
    gap: Ends | None
    trend: Sequence[Estimate]
    gaps: Sequence[Ends | None]
    behind: bool
    spent: Spent
    cost: Ends | None
    figures: LanguageFigures | None
    set_size: float | None
    service: Service

    @property
    def language(self) -> Language:
        """The language itself."""
        return self.home.language

    @property
    def campaign(self) -> Campaign:
        """The campaign in which it stands so."""
        return self.home.campaign

    @property
    def moved(self) -> Ends | None:
        """How the gap changed with the version that serves."""
        known = [gap for gap in self.gaps if gap is not None]
        return difference(known[-1], known[-2]) if len(known) > 1 else None


@dataclass(frozen=True)
class _Served:
    """The versions that served a campaign, oldest first; the last one serves now."""

    versions: Sequence[int] = field(default=())

    @property
    def now(self) -> int | None:
        return self.versions[-1] if self.versions else None


def parity_of(campaigns: Sequence[Campaign], *, now: datetime) -> list[ParityRow]:
    """Return a row for every active language of these campaigns, by campaign and tag."""
    homes = CampaignLanguage.objects.filter(campaign__in=campaigns, active=True)
    rows = list(homes.select_related("campaign", "language"))
    served = served_by(campaigns)
    measured = _measured(version for one in served.values() for version in one.versions)
    serving = [one.now for one in served.values() if one.now]
    known = _Known(
        served=served,
        measured=measured,
        best=_best(rows, served=served, measured=measured),
        figures=_by_place(LanguageFigures.objects.filter(version__in=serving)),
        sizes=_by_place(LanguageCalibration.objects.filter(version__in=serving)),
        spent=spent_in(campaigns, now=now),
        service=service_of(campaigns, now=now),
    )
    return [_row(home, known) for home in rows]


def served_by(campaigns: Sequence[Campaign]) -> dict[int, _Served]:
    """Return by campaign what served, each version once and where it served last."""
    rows = Deployment.objects.filter(campaign__in=campaigns).order_by("campaign", "number")
    found: dict[int, list[int]] = {}
    for campaign, version in rows.values_list("campaign", "version"):
        versions = found.setdefault(campaign, [])
        if version in versions:
            versions.remove(version)
        versions.append(version)
    return {campaign: _Served(versions[-SERVED:]) for campaign, versions in found.items()}


Place = tuple[int, int]


@dataclass(frozen=True)
class _Measured:
    items: int
    ends: Ends


def _measured(versions: Iterable[int]) -> dict[Place, _Measured]:
    """Return the newest accuracy of each version in each language on gold that judges."""
    rows = Evaluation.objects.filter(
        version__in=list(versions), split=GoldItem.Split.GATE, accuracy__isnull=False
    ).order_by("created_at", "pk")
    columns = ("version", "language", "items", "accuracy", "accuracy_low", "accuracy_high")
    return {
        (version, language): _Measured(
            items, Ends(value, value if low is None else low, value if high is None else high)
        )
        for version, language, items, value, low, high in rows.values_list(*columns)
    }


def _best(
    homes: Sequence[CampaignLanguage],
    *,
    served: Mapping[int, _Served],
    measured: Mapping[Place, _Measured],
) -> dict[int, Ends]:
    """Return the best language's accuracy under each version, among those that take part."""
    found: dict[int, Ends] = {}
    for home in homes:
        for version in served.get(home.campaign_id, _Served()).versions:
            one = measured.get((version, home.language_id))
            if one and (version not in found or one.ends.value > found[version].value):
                found[version] = one.ends
    return found


def _by_place(rows: Any) -> dict[Place, Any]:
    return {(row.version_id, row.language_id): row for row in rows}


@dataclass(frozen=True)
class _Known:
    """Everything that rows are made of, by place: version and language, or campaign language."""

    served: Mapping[int, _Served]
    measured: Mapping[Place, _Measured]
    best: Mapping[int, Ends]
    figures: Mapping[Place, LanguageFigures]
    sizes: Mapping[Place, LanguageCalibration]
    spent: Mapping[int, Spent]
    service: Mapping[tuple[int, int], Service]


def _row(home: CampaignLanguage, known: _Known) -> ParityRow:
    versions = known.served.get(home.campaign_id, _Served()).versions
    told = [known.measured.get((version, home.language_id)) for version in versions]
    gaps = [
        difference(known.best[version], one.ends) if one else None
        for version, one in zip(versions, told, strict=True)
    ]
    place = (versions[-1], home.language_id) if versions else (0, 0)
    figures, size = known.figures.get(place), known.sizes.get(place)
    last, spent = (told[-1] if told else None), known.spent.get(home.pk, Spent())
    return ParityRow(
        home=home,
        metric=_estimate(last),
        items=last.items if last else 0,
        gap=gaps[-1] if gaps else None,
        trend=[_estimate(one) for one in told],
        gaps=gaps,
        behind=falls_behind(gaps),
        spent=spent,
        cost=cost_per_point(spent.seconds, _gain(figures)),
        figures=figures,
        set_size=size.set_size if size else None,
        service=known.service.get((home.campaign_id, home.language_id), Service()),
    )


def _estimate(one: _Measured | None) -> Estimate:
    return Estimate(one.ends.value, one.ends.low, one.ends.high) if one else Estimate()


def _gain(known: LanguageFigures | None) -> Ends | None:
    if known is None or known.gain is None or known.gain_low is None or known.gain_high is None:
        return None
    return Ends(known.gain, known.gain_low, known.gain_high)
