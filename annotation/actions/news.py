"""News of people and their words, for webhooks: no text, and nobody's name."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db.models import Max, Q

from annotation.actions.webhooks import News, Piece
from annotation.models import Campaign, ReportEvent, SampleImport

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOST = 500


def number_of(at: datetime | None) -> int:
    """Return a moment as a number that grows: microseconds since 1970; 0 for none."""
    return (at - EPOCH) // MICROSECOND if at else 0


def moment_of(number: int) -> datetime:
    """Return the moment that a number stands for.

    >>> moment_of(number_of(datetime(2026, 5, 4, 3, 2, 1, 7, tzinfo=UTC))).microsecond
    7
    """
    return EPOCH + number * MICROSECOND


def _newest_import(campaign: Campaign) -> int:
    return number_of(campaign.imports.aggregate(at=Max("finished_at"))["at"])


def _imports(campaign: Campaign, last: int, since: datetime, until: datetime) -> Iterable[Piece]:
    ended = campaign.imports.filter(
        finished_at__gt=min(moment_of(last), since), finished_at__lte=until
    )
    for job in ended.order_by("finished_at")[:MOST]:
        yield Piece(number_of(job.finished_at), job.finished_at or until, _of_import(job))


def _of_import(job: SampleImport) -> dict[str, object]:
    return {
        "import": job.pk,
        "status": job.status,
        "rows_kept": job.rows_kept,
        "rows_refused": job.rows_refused,
    }


def _newest_step(campaign: Campaign) -> int:
    last = ReportEvent.objects.filter(report__campaign=campaign).aggregate(last=Max("pk"))["last"]
    return int(last or 0)


def _steps(campaign: Campaign, last: int, since: datetime, until: datetime) -> Iterable[Piece]:
    rows = ReportEvent.objects.filter(
        Q(pk__gt=last) | Q(at__gt=since), report__campaign=campaign, at__lte=until
    )
    for step in rows.select_related("report__language").order_by("pk")[:MOST]:
        yield Piece(
            step.pk,
            step.at,
            {
                "report": str(step.report.uid),
                "language": step.report.language.tag if step.report.language else "",
                "from": step.from_state,
                "to": step.to_state,
                "reason": step.reason,
            },
        )


NEWS = (
    News("import.finished", _newest_import, _imports),
    News("report.moved", _newest_step, _steps),
)
