"""The queue of a language: which report is looked at first, and why."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from annotation.methods import report_clocks as clocks
from annotation.methods import report_priority
from annotation.models import Annotation, Campaign, CampaignLanguage, Language, Report, ReportState
from annotation.models.reports import OPEN

State = ReportState
# What waits for people of the language; the rest waits for machines, or for a moderator.
FOR_SPEAKERS = (State.AWAITING_TRIAGE,)


@dataclass(frozen=True)
class Ranked:
    """A report with its place in the queue, and what its place is made of."""

    report: Report
    priority: float
    parity: float
    waited_days: float
    late: bool


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
) -> list[Ranked]:
    """Return the open reports of a language, the most urgent first; without one, the strays."""
    rows = Report.objects.filter(campaign=campaign, language=language, state__in=states)
    rows = rows.prefetch_related("log").select_related("language")
    weights = parity_weights(campaign)
    found = [_ranked(one, parity=weights.get(one.language_id or 0, 1.0), now=now) for one in rows]
    return sorted(found, key=lambda one: (-one.priority, one.report.received_at, one.report.pk))


def _ranked(report: Report, *, parity: float, now: datetime) -> Ranked:
    events = [(one.to_state, one.at.timestamp()) for one in report.log.all()]
    waited = clocks.running(events, now=now.timestamp()) if events else 0.0
    span = clocks.SPANS[State.AWAITING_TRIAGE]
    if report.severity >= clocks.CRITICAL:
        span = clocks.TRIAGE_OF_CRITICAL
    value = report_priority.priority(
        severity=report.severity,
        reporters=1 if report.frozen else report.reporters,
        parity=parity,
        waited=waited,
        span=span,
    )
    late = report.due_at is not None and report.due_at < now
    return Ranked(report, round(value, 3), parity, waited / clocks.DAY, late)
