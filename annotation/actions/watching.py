"""Watching: what answers tell of their authors, added to charts answer by answer, each once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from annotation.actions.concerns import open_concern
from annotation.actions.estimates.classes import SPREAD
from annotation.actions.exposures import knows_the_answer
from annotation.methods import drift
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    CampaignLanguage,
    Consensus,
    DriftChart,
    DriftPoint,
    GoldItem,
    Item,
    Label,
    Reliability,
    SessionAnswer,
    WeeklyCounts,
)
from annotation.objectives import objective

Kind = DriftChart.Kind
LIMITS = {Kind.GOLD: drift.GOLD_LIMIT, Kind.SURPRISE: drift.SURPRISE_LIMIT}
BATCH = 1000
DIGITS = 6


@dataclass(frozen=True)
class Watched:
    """What one look at a language added to the charts, took off them, and was alarmed by."""

    gold: int = 0
    surprise: int = 0
    removed: int = 0
    alarms: int = 0


@dataclass(frozen=True)
class _Heard:
    """One answer, what is true as far as others know, and what it adds to its chart."""

    annotation: Annotation
    others: drift.Floats
    said: int
    step: float


def homes_to_watch() -> list[int]:
    """Languages of campaigns that ask for sessions and still go on."""
    homes = CampaignLanguage.objects.filter(campaign__calibrate=True, active=True)
    over = Campaign.Status.FINISHED
    return list(homes.exclude(campaign__status=over).order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def watch(home: CampaignLanguage, *, now: datetime) -> Watched:
    """Bring a language's charts up to date; safe to run twice, for each answer counts once.

    What was taken back leaves its chart as if it had never come.
    """
    CampaignLanguage.objects.select_for_update().get(pk=home.pk)
    removed = _forget(home)
    gold = _append(home, kind=Kind.GOLD, heard=_gold_answers(home), now=now)
    surprise = _append(home, kind=Kind.SURPRISE, heard=_overlapped(home, now=now), now=now)
    alarms = 0
    for chart in DriftChart.objects.filter(
        campaign_language=home, alarmed=True, ended_at=None, concern=None
    ):
        opened = open_concern(chart, confusions=confusions_of(chart), now=now)
        alarms += opened.chart_id == chart.pk
    return Watched(gold, surprise, removed, alarms)


def confusions_of(chart: DriftChart) -> list[list[int]]:
    """What was held true, what was said and how often, the commonest first.

    Nothing of composed answers: their charts only know right from wrong.
    """
    if not _plain(chart.campaign_language):
        return []
    mixed = Counter(
        (int(np.argmax(point.others)), point.said)
        for point in chart.points.all()
        if int(np.argmax(point.others)) != point.said
    )
    return [[true, said, times] for (true, said), times in mixed.most_common()]


def _forget(home: CampaignLanguage) -> int:
    """Take off the charts whatever is no sign any more, and reckon them anew.

    That is what was taken back, what was held against gold that is retired by now, and, where
    opinions are asked for by now, what was beside others'.
    """
    retired = Q(kind=Kind.GOLD, annotation__item__sample__gold__retired_at__isnull=False)
    untrue = ~Q(annotation__state=Annotation.State.ANSWERED) | retired
    if home.campaign.subjective:
        untrue |= Q(kind=Kind.SURPRISE)
    gone = DriftPoint.objects.filter(untrue, chart__campaign_language=home)
    touched = set(gone.values_list("chart", flat=True))
    weeks = {
        (point.chart.annotator_id, _monday(point.annotation.created_at))
        for point in gone.select_related("chart", "annotation")
    }
    removed, _ = gone.delete()
    for chart in DriftChart.objects.filter(pk__in=touched):
        _reckon(chart)
    _count_weeks(home, weeks)
    return removed


def _reckon(chart: DriftChart) -> None:
    state = drift.Chart()
    points = list(chart.points.order_by("pk"))
    for point in points:
        state = state.after(point.step, limit=chart.limit)
        point.level = state.level
    DriftPoint.objects.bulk_update(points, ["level"], batch_size=BATCH)
    chart.level, chart.seen, chart.alarmed = state.level, state.seen, state.alarmed
    chart.save(update_fields=["level", "seen", "alarmed"])


def _unheard(home: CampaignLanguage, *, kind: str) -> "QuerySet[Annotation]":
    pointed = DriftPoint.objects.filter(annotation=OuterRef("pk"), kind=kind)
    return (
        Annotation.objects.answered()
        .filter(~Exists(pointed), item__campaign_language=home, label__isnull=False)
        .filter(annotator__active=True)
        .select_related("annotator", "item", "label")
        .order_by("pk")
    )


def _gold_answers(home: CampaignLanguage) -> list[_Heard]:
    """First answers to hidden gold, of people who had not been told what is right."""
    scale = _Scale.of(home)
    truth = {
        gold.sample_id: gold.label
        for gold in GoldItem.objects.filter(
            sample__items__campaign_language=home,
            sample__items__kind=Item.Kind.GOLD,
            retired_at=None,
        )
        .exclude(origin=GoldItem.SPEAKERS)
        .select_related("label")
    }
    told: dict[int, set[int]] = {}
    heard_before = set(
        DriftPoint.objects.filter(chart__campaign_language=home, kind=Kind.GOLD).values_list(
            "chart__annotator", "annotation__item__sample"
        )
    )
    heard = []
    for answer in _unheard(home, kind=Kind.GOLD).filter(item__kind=Item.Kind.GOLD):
        sample, person = answer.item.sample_id, answer.annotator
        if person.pk not in told:
            told[person.pk] = knows_the_answer(person, home)
        if sample not in truth or sample in told[person.pk] or (person.pk, sample) in heard_before:
            continue
        heard_before.add((person.pk, sample))
        true, said = scale.pair(truth[sample], said=answer.label)
        step = drift.gold_step(said == true)
        heard.append(_Heard(answer, np.eye(scale.labels)[true], said, step))
    return heard


def _overlapped(home: CampaignLanguage, *, now: datetime) -> list[_Heard]:
    """Answers that the consensus knows of beside somebody else's, with how they surprise.

    None where opinions are asked for: shares of opinions are no posterior of one truth, and whoever
    differs from the others has done nothing wrong. Nor of composed answers, of which there is no
    posterior that one answer could be taken out of.
    """
    if home.campaign.subjective or not _plain(home):
        return []
    several = Consensus.objects.filter(sample=OuterRef("item__sample"), answers__gte=2)
    several = several.exclude(aggregator=SPREAD)
    answers = _unheard(home, kind=Kind.SURPRISE).filter(Exists(several))
    answers = answers.exclude(item__kind__in=Item.EXAMINING).select_related(
        "item__sample__consensus"
    )
    confusions = dict(
        Reliability.objects.filter(
            campaign=home.campaign_id, annotator__language=home.language_id
        ).values_list("annotator_id", "confusion")
    )
    known = [a for a in answers if _is_in(a) and a.annotator_id in confusions]
    if not known:
        return []
    said = np.array([a.label.position if a.label else 0 for a in known], dtype=np.int64)
    posterior = np.array([a.item.sample.consensus.people for a in known], dtype=np.float64)
    fitted = np.array([confusions[a.annotator_id] for a in known], dtype=np.float64)
    others = drift.without(posterior, confusion=fitted, label=said)
    before = _Before.of(home)
    habits = np.array([before.habit(a.annotator_id, week=_monday(a.created_at)) for a in known])
    surprises = drift.surprise(others, confusion=habits, label=said)
    return [
        _Heard(answer, row, int(label), drift.surprise_step(float(value)))
        for answer, row, label, value in zip(known, others, said, surprises, strict=True)
    ]


def _is_in(answer: Annotation) -> bool:
    """Whether the consensus rests on the answer as it stands now."""
    return [answer.pk, answer.revision] in answer.item.sample.consensus.revisions


def _plain(home: CampaignLanguage) -> bool:
    return objective(home.campaign.objective).PLAIN


@dataclass(frozen=True)
class _Scale:
    """What answers are counted by: labels, or where they are composed right (0) and wrong (1)."""

    labels: int
    plain: bool

    @classmethod
    def of(cls, home: CampaignLanguage) -> "_Scale":
        plain = _plain(home)
        return cls(home.campaign.labels.count() if plain else 2, plain)

    def pair(self, true: Label, *, said: Label | None) -> tuple[int, int]:
        """Return what was true and what was said."""
        if self.plain:
            return true.position, said.position if said else 0
        return 0, int(said is None or said.pk != true.pk)


@dataclass(frozen=True)
class _Before:
    """How people answered in weeks gone by: beside others, and in sessions; by person and Monday."""

    weeks: dict[int, dict[date, drift.Floats]]
    tested: dict[int, dict[date, drift.Floats]]
    labels: int

    @classmethod
    def of(cls, home: CampaignLanguage) -> "_Before":
        scale = _Scale.of(home)
        labels = scale.labels
        weeks: dict[int, dict[date, drift.Floats]] = defaultdict(dict)
        for row in WeeklyCounts.objects.filter(campaign_language=home):
            counts = np.array(row.counts, dtype=np.float64)
            if counts.shape == (labels, labels):
                weeks[row.annotator_id][row.week] = counts
        tested: dict[int, dict[date, drift.Floats]] = defaultdict(dict)
        answers = SessionAnswer.objects.filter(
            session__campaign_language=home,
            gold__retired_at=None,
            label__isnull=False,
            answered_at__isnull=False,
        )
        for answer in answers.select_related("session", "truth", "label"):
            week = _monday(answer.answered_at or answer.shown_at)
            counts = tested[answer.session.annotator_id].setdefault(
                week, np.zeros((labels, labels))
            )
            counts[scale.pair(answer.truth, said=answer.label)] += 1.0
        return cls(weeks, tested, labels)

    def habit(self, annotator: int, *, week: date) -> drift.Floats:
        """A person's confusion matrix as the weeks before this one show it, the older the fainter.

        Of earlier weeks only: what an answer changes must not excuse it.
        """
        seen = [
            (counts, (week - monday).days)
            for known in (self.weeks, self.tested)
            for monday, counts in known.get(annotator, {}).items()
            if monday < week
        ]
        shape = (-1, self.labels, self.labels)
        counts = np.array([one for one, _ in seen], dtype=np.float64).reshape(shape)
        return drift.habit(counts, days=np.array([days for _, days in seen], dtype=np.float64))


def _append(home: CampaignLanguage, *, kind: str, heard: Iterable[_Heard], now: datetime) -> int:
    charts: dict[int, DriftChart] = {}
    points: list[DriftPoint] = []
    for one in heard:
        person = one.annotation.annotator
        chart = charts.get(person.pk) or _chart(home, person=person, kind=kind, now=now)
        charts[person.pk] = chart
        state = drift.Chart(chart.level, chart.seen, chart.alarmed)
        state = state.after(one.step, limit=chart.limit)
        chart.level, chart.seen, chart.alarmed = state.level, state.seen, state.alarmed
        points.append(
            DriftPoint(
                chart=chart,
                annotation=one.annotation,
                kind=kind,
                others=[round(float(value), DIGITS) for value in one.others],
                said=one.said,
                step=one.step,
                level=state.level,
            )
        )
    DriftPoint.objects.bulk_create(points, batch_size=BATCH)
    DriftChart.objects.bulk_update(charts.values(), ["level", "seen", "alarmed"])
    _count_weeks(
        home,
        {(p.annotation.annotator_id, _monday(p.annotation.created_at)) for p in points},
    )
    return len(points)


def _chart(home: CampaignLanguage, *, person: Annotator, kind: str, now: datetime) -> DriftChart:
    return DriftChart.objects.get_or_create(
        annotator=person,
        campaign_language=home,
        kind=kind,
        ended_at=None,
        defaults={"limit": LIMITS[Kind(kind)], "began_at": now},
    )[0]


def _count_weeks(home: CampaignLanguage, touched: set[tuple[int, date]]) -> None:
    """Count anew what was said where what was true, in weeks that have moved and all after."""
    if not touched:
        return
    before = _Before.of(home)
    for annotator in sorted({person for person, _ in touched}):
        weeks = {week for person, week in touched if person == annotator}
        by_week = _points_since(home, annotator=annotator, week=min(weeks))
        for week in sorted(weeks | by_week.keys()):
            before.weeks[annotator][week] = _counted(
                by_week.get(week, []),
                habit=before.habit(annotator, week=week),
            )
            WeeklyCounts.objects.update_or_create(
                annotator_id=annotator,
                campaign_language=home,
                week=week,
                defaults={"counts": before.weeks[annotator][week].tolist()},
            )


def _points_since(
    home: CampaignLanguage, *, annotator: int, week: date
) -> dict[date, list[DriftPoint]]:
    start = timezone.make_aware(datetime.combine(week, datetime.min.time()))
    points = DriftPoint.objects.filter(
        chart__annotator=annotator,
        chart__campaign_language=home,
        annotation__created_at__gte=start,
    )
    by_week: dict[date, list[DriftPoint]] = defaultdict(list)
    for point in points.select_related("annotation").order_by("pk"):
        by_week[_monday(point.annotation.created_at)].append(point)
    return by_week


def _counted(points: Sequence[DriftPoint], *, habit: drift.Floats) -> drift.Floats:
    labels = len(habit)
    # What was counted before a label was added says nothing of it.
    rows = [point for point in points if len(point.others) == labels]
    others = np.array([point.others for point in rows], dtype=np.float64).reshape(-1, labels)
    said = np.array([point.said for point in rows], dtype=np.int64)
    return drift.counted(others, confusion=habit, label=said).round(DIGITS)


def _monday(moment: datetime) -> date:
    day = timezone.localtime(moment).date()
    return day - timedelta(days=day.weekday())
