"""Comparisons: two versions side by side, language by language, on the gold as it is today."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.errors import ConflictError
from annotation.methods.charts import Estimate
from annotation.models import GateMetric, GoldItem, Language
from learning.actions.identities import size_of
from learning.models import ModelVersion
from training.actions.evaluation import Gold, answers_of, gold_of
from training.actions.shapes import counted
from training.methods.findings import Answers
from training.methods.paired import discordance, harm_p, tango_interval
from training.methods.resampling import DRAWS, f1_difference, resample
from training.models import Evaluation

Labels = npt.NDArray[np.int64]

Z95 = 1.959964
# For a page, which somebody waits for; a command takes as many as the gate does.
FEW_DRAWS = 999


@dataclass(frozen=True)
class LanguageRow:
    """Two versions in one language on the same gold items.

    ``delta`` is B minus A in accuracy with its 95 % interval (Tango), ``p`` McNemar's exact two-sided
    test, ``changed`` how many answers differ, be they right or wrong. ``f1`` is B minus A in macro-F1
    with its 95 % interval from a paired bootstrap over the gold, where the gate goes by that.
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
    f1: Estimate = field(default_factory=Estimate)

    @property
    def measured(self) -> bool:
        """Whether both were measured on the gold of today."""
        return self.delta is not None

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        plain = {k: v for k, v in vars(self).items() if k not in ("language", "a", "b", "f1")}
        rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in plain.items()}
        return {
            "language": self.language.tag,
            "a": asdict(self.a),
            "b": asdict(self.b),
            "macro_f1": asdict(self.f1),
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
    metric: str
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
        rows = [row.record() for row in self.rows]
        return {**sides, "metric": self.metric, "mean": mean, "languages": rows}


def compare_measured(a: ModelVersion, b: ModelVersion) -> Comparison:
    """Compare by what was measured already; no network is opened, and draws are few."""
    check_two(a, b)
    return compared(Side(a, size_of(a)), Side(b, size_of(b)), draws=FEW_DRAWS)


def check_two(a: ModelVersion, b: ModelVersion) -> None:
    """Raise unless they are two versions of one campaign."""
    if a.campaign_id != b.campaign_id:
        raise ConflictError(f"{a} and {b} belong to different campaigns.")
    if a.pk == b.pk:
        raise ConflictError(f"{a} is the same on both sides.", remedy="Name two versions.")


def compared(a: Side, b: Side, *, draws: int = DRAWS) -> Comparison:
    """Compare by what was measured of both on the gold of today.

    Macro-F1 is bootstrapped where it is what the campaign's gate goes by.
    """
    campaign = a.version.campaign
    golds = gold_of(campaign, split=GoldItem.Split.GATE)
    by_f1 = campaign.gate_metric == GateMetric.MACRO_F1
    found = {
        (e.version_id, e.language_id, e.gold_digest): e
        for e in Evaluation.objects.filter(
            version__in=(a.version, b.version), split=GoldItem.Split.GATE
        ).order_by("created_at", "pk")
    }
    rows = []
    for gold in golds:
        before, after = (
            found.get((version.pk, gold.language.pk, gold.digest))
            for version in (a.version, b.version)
        )
        rows.append(_row(gold, before, after, draws=draws if by_f1 else 0))
    means = _mean([row for row in rows if row.measured])
    return Comparison(a, b, rows, campaign.gate_metric, *means)


def _row(gold: Gold, a: Evaluation | None, b: Evaluation | None, *, draws: int) -> LanguageRow:
    if a is None or b is None or not gold.samples:
        return LanguageRow(gold.language, len(gold.samples), _estimate(a), _estimate(b))
    old, new = (answers_of(evaluation, gold=gold) for evaluation in (a, b))
    items = len(gold.samples)
    fixed, broken = discordance(old.right, new.right)
    low, high = tango_interval(fixed, broken=broken, items=items, level=0.95)
    return LanguageRow(
        language=gold.language,
        items=items,
        a=_estimate(a),
        b=_estimate(b),
        a_macro_f1=a.macro_f1,
        b_macro_f1=b.macro_f1,
        delta=(fixed - broken) / items,
        low=low,
        high=high,
        p=min(1.0, 2 * min(harm_p(fixed, broken=broken), harm_p(broken, broken=fixed))),
        fixed=fixed,
        broken=broken,
        changed=changed(old, new),
        f1=_f1(gold, old, new, draws=draws) if draws else Estimate(),
    )


def changed(old: Answers, new: Answers) -> int:
    """Count the texts that two versions answer differently."""
    return int(np.sum(old.label != new.label))


def _f1(gold: Gold, old: Answers, new: Answers, *, draws: int) -> Estimate:
    """Return the difference of macro-F1 with its 95 % interval (BCa), drawn by the gold alone.

    Where no answer changed there is nothing to draw, and an interval of nought would be a lie.
    """
    if not changed(old, new):
        return Estimate()
    rng = np.random.default_rng(zlib.crc32(gold.digest.encode()))
    difference = f1_difference(counted(old), counted(new))
    found = resample(difference, groups=gold.groups, rng=rng, draws=draws)
    return Estimate(found.value, found.bound(0.025), found.bound(0.975))


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
