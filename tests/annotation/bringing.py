"""Files brought into campaigns, for the tests of imports."""

import io
from datetime import UTC, datetime
from typing import Any

from annotation.actions.imports import queue_import, run_import
from annotation.models import Campaign, SampleImport

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
DEFAULTS = {"language": "wo", "licence": "CC0-1.0", "source": "Village news"}


def clock() -> datetime:
    return NOW


def queue(
    campaign: Campaign, content: str | bytes, name: str = "a.csv", **over: Any
) -> SampleImport:
    raw = content.encode() if isinstance(content, str) else content
    return queue_import(
        campaign, file=io.BytesIO(raw), filename=name, **({"defaults": DEFAULTS} | over)
    )


def bring(
    campaign: Campaign, content: str | bytes, name: str = "a.csv", **over: Any
) -> SampleImport:
    return run_import(queue(campaign, content, name, **over).pk, now=clock)


def refusals(job: SampleImport) -> dict[int, tuple[str, str]]:
    return {row.row: (row.field, row.reason) for row in job.refused_rows.all()}
