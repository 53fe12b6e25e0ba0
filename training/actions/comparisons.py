"""Comparisons: two versions side by side, language by language, on the gold as it is today."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np

from annotation.errors import ConflictError
from annotation.methods.charts import Estimate
from annotation.models import GoldItem, Language
from learning.actions.identities import size_of
from learning.models import ModelVersion
from training.actions.evaluation import Gold, gold_of
from training.methods.paired import discordance, harm_p, tango_interval
from training.models import Evaluation

Z95 = 1.959964


@dataclass(frozen=True)
class LanguageRow:
    """Two versions in one language on the same gold items.

    ``delta`` is B minus A with its 95 % interval (Tango), ``p`` McNemar's exact two-sided test,
    ``changed`` how many answers differ, be they right or wrong.
    """

    language: Language
    items: int
    a: Estimate
    b: Estimate
    a_macro_f1: float | None = None
    b_macro_f1: float | None = None
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    fixed: int = 0
    broken: int = 0
    changed: int = 0

    @property
    def measured(self) -> bool:
        """Whether both were measured on the gold of today."""
        return self.delta is not None

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        plain = {k: v for k, v in vars(self).items() if k not in ("language", "a", "b")}
        rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in plain.items()}
        return {
            "language": self.language.tag,
            "a": asdict(self.a),
            "b": asdict(self.b),
            **rounded,
        }


@dataclass(frozen=True)
class Side:
    """One of the two: its size, and how many texts a second it answered, if that was measured."""

    version: ModelVersion
    size: int | None
    texts_per_second: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two versions; ``delta`` is the mean of the languages' differences with its 95 % interval."""

    a: Side
    b: Side
    rows: Sequence[LanguageRow]
    delta: float | None
    low: float | None
    high: float | None

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        sides = {
            name: {
                "version": side.version.number,
                "digest": side.version.digest,
                "bytes": side.size,
                "texts_per_second": side.texts_per_second,
            }
            for name, side in (("a", self.a), ("b", self.b))
        }
        mean = {"delta": self.delta, "low": self.low, "high": self.high}
        return {**sides, "mean": mean, "languages": [row.record() for row in self.rows]}


def compare_measured(a: ModelVersion, b: ModelVersion) -> Comparison:
    """Compare by what was measured already; no network is opened."""
    check_two(a, b)
    return compared(Side(a, size_of(a)), Side(b, size_of(b)))


def check_two(a: ModelVersion, b: ModelVersion) -> None:
    """Raise unless they are two versions of one campaign."""
    if a.campaign_id != b.campaign_id:
        raise ConflictError(f"{a} and {b} belong to different campaigns.")
    if a.pk == b.pk:
        raise ConflictError(f"{a} is the same on both sides.", remedy="Name two versions.")


def compared(a: Side, b: Side) -> Comparison:
    """Compare by what was measured of both on the gold of today."""
    golds = gold_of(a.version.campaign, split=GoldItem.Split.GATE)
    found = {
        (e.version_id, e.language_id, e.gold_digest): e
        for e in Evaluation.objects.filter(
            version__in=(a.version, b.version), split=GoldItem.Split.GATE
        )
    }
    rows = []
    for gold in golds:
        before, after = (
            found.get((version.pk, gold.language.pk, gold.digest))
            for version in (a.version, b.version)
        )
        rows.append(_row(gold, before, after))
    return Comparison(a, b, rows, *_mean([row for row in rows if row.measured]))


def _row(gold: Gold, a: Evaluation | None, b: Evaluation | None) -> LanguageRow:
    if a is None or b is None or not gold.samples:
        return LanguageRow(gold.language, len(gold.samples), _estimate(a), _estimate(b))
    old, new = (_labels(evaluation, gold) for evaluation in (a, b))
    truth = np.array(gold.truth)
    fixed, broken = discordance(old == truth, new == truth)
    low, high = tango_interval(fixed, broken=broken, items=len(truth), level=0.95)
    return LanguageRow(
        language=gold.language,
        items=len(truth),
        a=_estimate(a),
        b=_estimate(b),
        a_macro_f1=a.macro_f1,
        b_macro_f1=b.macro_f1,
        delta=(fixed - broken) / len(truth),
        low=low,
        high=high,
        p=min(1.0, 2 * min(harm_p(fixed, broken=broken), harm_p(broken, broken=fixed))),
        fixed=fixed,
        broken=broken,
        changed=int((old != new).sum()),
    )


def _labels(evaluation: Evaluation, gold: Gold) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.array([evaluation.answers[str(sample)][0] for sample in gold.samples], np.int64)


def _estimate(evaluation: Evaluation | None) -> Estimate:
    if evaluation is None:
        return Estimate()
    return Estimate(evaluation.accuracy, evaluation.accuracy_low, evaluation.accuracy_high)


def _mean(rows: Sequence[LanguageRow]) -> tuple[float | None, float | None, float | None]:
    """Return the mean difference with its interval; the languages' gold is taken as independent."""
    if not rows:
        return None, None, None
    deltas = [row.delta or 0.0 for row in rows]
    mean = sum(deltas) / len(rows)
    variances = [
        ((row.fixed + row.broken) / row.items - delta**2) / row.items
        for row, delta in zip(rows, deltas, strict=True)
    ]
    spread = Z95 * sqrt(sum(variances)) / len(rows)
    return mean, mean - spread, mean + spread
