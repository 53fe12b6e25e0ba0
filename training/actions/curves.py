"""How a run learns, language by language, as its page shows it while it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from annotation.methods.charts import Axis, Estimate, axis
from annotation.models import Language
from training.models import TrainingRun

# A language whose share of the draws has grown by more than this is being leaned towards.
GROWN = 1.05


@dataclass(frozen=True)
class LanguageCurve:
    """One language in the course of a run; points without a number were not measured."""

    language: Language
    metric: Sequence[Estimate]
    loss: Sequence[Estimate]
    share: float | None
    leaning: bool

    @property
    def first(self) -> float | None:
        """Return the first metric that was measured."""
        return next((point.value for point in self.metric if point.value is not None), None)

    @property
    def last(self) -> float | None:
        """Return the newest metric."""
        return next((p.value for p in reversed(self.metric) if p.value is not None), None)

    @property
    def change(self) -> float | None:
        """Return what became of the first metric."""
        return None if self.first is None or self.last is None else self.last - self.first

    @property
    def last_loss(self) -> float | None:
        """Return the newest loss."""
        return next((p.value for p in reversed(self.loss) if p.value is not None), None)


@dataclass(frozen=True)
class RunCurves:
    """All languages of a run, and the axes that they share so that they can be compared."""

    languages: Sequence[LanguageCurve]
    metric_axis: Axis
    loss_axis: Axis

    @property
    def leaning(self) -> list[LanguageCurve]:
        """Return the languages that began to lose, and are drawn more often for it."""
        return [curve for curve in self.languages if curve.leaning]


def curves_of(run: TrainingRun) -> RunCurves:
    """Read the course of a run, language by language."""
    metrics, losses, shares = (_tables(run.curve, place) for place in (2, 3, 4))
    tags = sorted({tag for table in (*metrics, *losses, *shares) for tag in table})
    known = {language.tag: language for language in Language.objects.filter(tag__in=tags)}
    curves = [
        LanguageCurve(
            language=known[tag],
            metric=[Estimate(table.get(tag)) for table in metrics],
            loss=[Estimate(table.get(tag)) for table in losses],
            share=shares[-1].get(tag) if shares else None,
            leaning=_grown([table[tag] for table in shares if tag in table]),
        )
        for tag in tags
        if tag in known
    ]
    return RunCurves(
        languages=curves,
        metric_axis=axis(value for table in metrics for value in table.values()),
        loss_axis=axis(value for table in losses for value in table.values()),
    )


def loss_of(run: TrainingRun) -> list[tuple[float, float]]:
    """Return the mean loss over the steps since the point before."""
    return [(float(point[0]), float(point[1])) for point in run.curve]


def metric_of(run: TrainingRun) -> list[tuple[float, float]]:
    """Return the mean of the metric over languages; no language counts more for its size."""
    means = [
        (float(point[0]), table)
        for point, table in zip(run.curve, _tables(run.curve, 2), strict=True)
    ]
    return [(step, sum(table.values()) / len(table)) for step, table in means if table]


def time_left(run: TrainingRun) -> timedelta | None:
    """Return how long the steps that are left take at the present pace, if it is known."""
    if run.status != TrainingRun.Status.RUNNING or not run.pace or not run.steps_total:
        return None
    return timedelta(seconds=run.pace * max(0, run.steps_total - run.step))


def _tables(curve: Sequence[Sequence[Any]], place: int) -> list[dict[str, float]]:
    """Return what each point says of languages at that place; older runs said less."""
    found = [point[place] if len(point) > place else None for point in curve]
    return [
        {tag: float(value) for tag, value in table.items() if value is not None}
        for table in found
        if isinstance(table, dict)
    ]


def _grown(shares: Sequence[float]) -> bool:
    return len(shares) > 1 and shares[-1] > GROWN * shares[0]
