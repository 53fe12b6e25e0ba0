"""The queue of languages: which report is looked at first, why, and page by page however many."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Count, Q, QuerySet

from annotation.methods import report_clocks as clocks
from annotation.methods import report_priority
from annotation.models import (
    Annotation,
    Campaign,
    CampaignLanguage,
    Language,
    Report,
    ReportEvent,
    ReportState,
)
from annotation.models.reports import CLOSED, OPEN

State = ReportState
PER_PAGE = 50
# What a newcomer tells is no worse than that until somebody has looked.
UNSEEN = report_priority.MEDIUM
# Where a clock has stood still; of all other reports the age is that of their coming in.
PAUSED = (State.NEEDS_INFO, State.ON_HOLD, State.MERGED, State.WITHDRAWN, *CLOSED)
# What whoever looks after reports asks for, in the order in which it is offered.
TABS: dict[str, tuple[str, ...]] = {
    "triage": (State.AWAITING_TRIAGE,),
    "asked": (State.NEEDS_INFO,),
    "moderator": (State.QUARANTINED,),
    "mending": (
        State.CONFIRMED,
        State.COLLECTING,
        State.TRAINING,
        State.VERIFYING,
        State.FIX_PENDING_RELEASE,
        State.RELEASED,
        State.REOPENED,
        State.ON_HOLD,
    ),
    "closed": (State.MERGED, State.WITHDRAWN, *CLOSED),
}
Key = tuple[float, float, int]


@dataclass(frozen=True)
class Ranked:
    """A report with its place in the queue, and what its place is made of."""

    report: Report
    priority: float
    parity: float
    waited_days: float
    late: bool


@dataclass(frozen=True)
class Place:
    """Where a report stands among thousands, and no more of it than that takes."""

    pk: int
    key: Key
    priority: float
    parity: float
    waited: float


@dataclass(frozen=True)
class Page:
    """Some rows of a queue and, where more follow, the key from which."""

    rows: list[Ranked]
    there: int
    after: str


def parity_weights(campaign: Campaign) -> dict[int, float]:
    """Return by language how much its reports weigh more for what it was not given.

    Fair is an equal share of the answers for every language that takes part.
    """
    homes = list(CampaignLanguage.objects.filter(campaign=campaign, active=True))
    rows = (
        Annotation.objects.answered()
        .filter(item__campaign_language__campaign=campaign)
        .order_by()
        .values_list("item__campaign_language__language")
        .annotate(Count("pk"))
    )
    given = dict(rows)
    total = sum(given.values())
    if not homes or not total:
        return {home.language_id: 1.0 for home in homes}
    fair = 1 / len(homes)
    return {
        home.language_id: report_priority.parity_weight(
            share=given.get(home.language_id, 0) / total, fair=fair
        )
        for home in homes
    }


def ranked(
    campaign: Campaign,
    *,
    language: Language | None,
    now: datetime,
    states: tuple[str, ...] = OPEN,
    most: int | None = None,
) -> list[Ranked]:
    """Return the open reports of a language, the most urgent first; without one, the strays."""
    rows = Report.objects.filter(campaign=campaign, language=language, state__in=states)
    return _loaded(places(rows, campaign=campaign, now=now)[:most], now=now)


def page_of(  # noqa: PLR0913 - whose, which part, how bad, from where, when, how many
    campaign: Campaign,
    *,
    languages: Collection[Language],
    tab: str,
    severity: int | None,
    after: str,
    now: datetime,
    size: int = PER_PAGE,
) -> Page:
    """Return one page of a queue, from a key on; all pages of one walk are as urgent as the first.

    A key holds the moment of the walk's first page, for reports grow more urgent meanwhile: none is
    left out or shown twice for that.
    """
    at, last = _read(after)
    rows = Report.objects.filter(campaign=campaign, language__in=languages, state__in=TABS[tab])
    if severity is not None:
        rows = rows.filter(severity=severity)
    now = at or now
    line = _newest(rows) if tab == "closed" else places(rows, campaign=campaign, now=now)
    following = line if last is None else [one for one in line if one.key > last]
    shown = following[:size]
    more = len(following) > size
    return Page(_loaded(shown, now=now), len(line), _written(now, shown[-1].key) if more else "")


def counts_of(campaign: Campaign, *, languages: Collection[Language]) -> dict[str, int]:
    """Return how many reports stand under each tab."""
    rows = Report.objects.filter(campaign=campaign, language__in=languages)
    there = rows.aggregate(
        **{tab: Count("pk", filter=Q(state__in=states)) for tab, states in TABS.items()}
    )
    return {tab: there[tab] for tab in TABS}


def places(rows: "QuerySet[Report]", *, campaign: Campaign, now: datetime) -> list[Place]:
    """Return reports in the order in which they are looked at, from a few numbers of each.

    Before anybody has looked at a newcomer's it is not urgent for what it says of itself, and told
    by one.
    """
    weights = parity_weights(campaign)
    told = rows.order_by().values_list(
        "pk", "language", "severity", "reporters", "frozen", "unseen_since", "received_at"
    )
    paused = _paused(rows)
    found = []
    for pk, language, said, reporters, frozen, unseen, received in told:
        severity = min(said, UNSEEN) if unseen else said
        waited = now.timestamp() - received.timestamp()
        if pk in paused:
            waited = clocks.running(paused[pk], now=now.timestamp())
        parity = weights.get(language or 0, 1.0)
        critical = severity >= clocks.CRITICAL
        value = report_priority.priority(
            severity=severity,
            reporters=1 if frozen or unseen else reporters,
            parity=parity,
            waited=waited,
            span=clocks.TRIAGE_OF_CRITICAL if critical else clocks.SPANS[State.AWAITING_TRIAGE],
        )
        urgent = round(value, 3)
        found.append(Place(pk, (-urgent, received.timestamp(), pk), urgent, parity, waited))
    return sorted(found, key=lambda one: one.key)


def _paused(rows: "QuerySet[Report]") -> dict[int, list[tuple[str, float]]]:
    """Return the events of those reports alone whose clock has ever stood still."""
    stood = ReportEvent.objects.filter(to_state__in=PAUSED, report__in=rows.order_by())
    events = ReportEvent.objects.filter(report__in=stood.order_by().values("report"))
    found: dict[int, list[tuple[str, float]]] = defaultdict(list)
    for pk, state, at in events.order_by("report", "number").values_list(
        "report", "to_state", "at"
    ):
        found[pk].append((state, at.timestamp()))
    return found


def _newest(rows: "QuerySet[Report]") -> list[Place]:
    """Return what is closed, the last first: nothing of it is urgent."""
    told = rows.order_by().values_list("pk", "since", "received_at")
    found = [
        Place(pk, (-(since or received).timestamp(), 0.0, -pk), 0.0, 1.0, 0.0)
        for pk, since, received in told
    ]
    return sorted(found, key=lambda one: one.key)


def _loaded(line: Iterable[Place], *, now: datetime) -> list[Ranked]:
    line = list(line)
    there = Report.objects.select_related("language").in_bulk([one.pk for one in line])
    return [
        Ranked(
            there[one.pk],
            one.priority,
            one.parity,
            one.waited / clocks.DAY,
            _late(there[one.pk], now=now),
        )
        for one in line
        if one.pk in there
    ]


def _late(report: Report, *, now: datetime) -> bool:
    return report.due_at is not None and report.due_at < now


def _written(now: datetime, key: Key) -> str:
    return "~".join(repr(one) for one in (now.timestamp(), *key))


def _read(after: str) -> tuple[datetime | None, Key | None]:
    """Return the moment and the key that an address names; whatever else is the first page."""
    try:
        at, first, second, pk = after.split("~")
        return datetime.fromtimestamp(float(at), UTC), (float(first), float(second), int(pk))
    except (ValueError, OverflowError, OSError):
        return None, None
