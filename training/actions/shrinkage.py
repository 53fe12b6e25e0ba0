"""What a compression brought and what it cost, as a person reads it on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from annotation.methods.charts import Estimate
from learning.models import Deployment, ModelVersion
from training.models import GateCheck, GateRun, TrainingRun


@dataclass(frozen=True)
class Shrinkage:
    """Size and speed before and after, and the change in every language."""

    kind: str
    base: ModelVersion
    told: dict[str, Any]
    gate: GateRun | None
    checks: Sequence[GateCheck]

    @property
    def size(self) -> float:
        """The size after as a share of the size before."""
        return float(self.told["bytes_after"]) / float(self.told["bytes_before"])

    @property
    def before(self) -> Estimate:
        """Texts a second before, with the interval if it was timed more than once."""
        return self._speed("before")

    @property
    def after(self) -> Estimate:
        """Texts a second after."""
        return self._speed("after")

    @property
    def speed(self) -> Estimate:
        """How many times as quick it is."""
        if "times_as_quick" in self.told:
            return Estimate(*self.told["times_as_quick"])
        return Estimate((self.after.value or 0.0) / max(self.before.value or 0.0, 1e-9))

    def _speed(self, name: str) -> Estimate:
        low, high = self.told.get(f"texts_per_second_{name}_95", (None, None))
        return Estimate(float(self.told[f"texts_per_second_{name}"]), low, high)


def shrinkage_of(version: ModelVersion) -> Shrinkage | None:
    """Return what the version's compression did; None if it is no compressed one."""
    told = version.manifest.get("compression")
    run = TrainingRun.objects.filter(candidate=version).exclude(kind=TrainingRun.Kind.UPDATE)
    made = run.order_by("pk").first()
    if not told or made is None or version.base is None:
        return None
    gate = made.gate
    checks = list(gate.checks.select_related("language")) if gate else []
    return Shrinkage(made.get_kind_display(), version.base, told, gate, checks)


def compression_under_way(version: ModelVersion) -> TrainingRun | None:
    """Return the run that makes what serves smaller just now, if this version serves."""
    serving = Deployment.objects.serving(version.campaign)
    if serving is None or serving.version_id != version.pk:
        return None
    runs = version.runs_from_here.exclude(kind=TrainingRun.Kind.UPDATE)
    return runs.filter(status__in=("queued", "running")).first()
