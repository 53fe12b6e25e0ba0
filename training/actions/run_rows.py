"""The runs of a campaign as rows: for their page, and for a spreadsheet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from annotation.models import Campaign
from training.actions.curves import curves_of
from training.models import GateRun, TrainingRun

RUNS = (
    *("run", "kind", "status", "round", "samples", "fresh", "from_version", "candidate", "gate"),
    *("step", "steps", "seconds", "started", "finished", "error"),
)
CURVE = ("step", "loss", "language", "metric", "language_loss", "share")


@dataclass(frozen=True)
class RunRow:
    """One run, the newest look of its gate, and how long it took."""

    run: TrainingRun
    gate: GateRun | None
    took: timedelta | None


def runs_of(campaign: Campaign) -> "QuerySet[TrainingRun]":
    """Return the runs of a campaign with what their rows tell, the newest first."""
    rows = campaign.training_runs.select_related("round", "snapshot", "base", "candidate")
    return rows.defer("curve").prefetch_related("gates").order_by("-created_at", "-pk")


def told(run: TrainingRun) -> RunRow:
    """Tell one run."""
    took = run.finished_at - run.started_at if run.finished_at and run.started_at else None
    return RunRow(run=run, gate=run.gate, took=took)


def row_of(row: RunRow) -> Sequence[Any]:
    """Return a run as it goes into a file."""
    run = row.run
    return (
        *(run.pk, run.kind, run.status, run.round.number if run.round else None),
        *(run.snapshot.samples, run.snapshot.fresh_samples, run.base.number),
        run.candidate.number if run.candidate else None,
        row.gate.verdict if row.gate else "",
        *(run.step, run.steps_total, round(row.took.total_seconds()) if row.took else None),
        run.started_at.isoformat() if run.started_at else "",
        run.finished_at.isoformat() if run.finished_at else "",
        run.error,
    )


def curve_rows(run: TrainingRun) -> Iterator[Sequence[Any]]:
    """Yield how a run learned: each point, over all languages first and then in each."""
    tables = [(point, *(_table(point, place) for place in (2, 3, 4))) for point in run.curve]
    known = [curve.language.tag for curve in curves_of(run).languages]
    for point, metric, loss, share in tables:
        yield point[0], point[1], "", None, None, None
        for tag in known:
            yield point[0], None, tag, metric.get(tag), loss.get(tag), share.get(tag)


def _table(point: Sequence[Any], place: int) -> dict[str, float]:
    found = point[place] if len(point) > place else None
    return found if isinstance(found, dict) else {}
