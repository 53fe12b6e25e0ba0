"""Versions as a list shows them: the mean over languages and the worst one, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from annotation.methods.charts import Estimate
from annotation.models import GoldItem, Language
from learning.models import ModelVersion
from training.methods.speeds import mean_of
from training.models import Evaluation


@dataclass(frozen=True)
class VersionRow:
    """A version with what gold said of it last; ``worst`` is the language that it serves worst."""

    version: ModelVersion
    mean: Estimate
    worst: Estimate
    worst_language: Language | None
    languages: int


def version_rows(versions: Sequence[ModelVersion]) -> list[VersionRow]:
    """Return a row for each, in their order; one query, however many there are."""
    found: dict[int, dict[int, Evaluation]] = {version.pk: {} for version in versions}
    rows = Evaluation.objects.filter(
        version__in=list(found), split=GoldItem.Split.GATE, accuracy__isnull=False
    )
    for row in rows.select_related("language").defer("answers").order_by("created_at", "pk"):
        found[row.version_id][row.language_id] = row
    return [_row(version, list(found[version.pk].values())) for version in versions]


def _row(version: ModelVersion, measured: Sequence[Evaluation]) -> VersionRow:
    estimates = [Estimate(e.accuracy, e.accuracy_low, e.accuracy_high) for e in measured]
    pairs = list(zip(estimates, measured, strict=True))
    worst = min(pairs, key=lambda pair: (pair[0].value or 0.0, pair[1].language.tag), default=None)
    return VersionRow(
        version=version,
        mean=mean_of(estimates),
        worst=worst[0] if worst else Estimate(),
        worst_language=worst[1].language if worst else None,
        languages=len(measured),
    )
