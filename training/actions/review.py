"""One run as a person reads it: what was learned, how it went, what the gate found in each language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotation.methods.charts import Estimate
from annotation.models import Language
from learning.models import Deployment
from training.actions.gate_words import reasons_of
from training.actions.standings import estimates_of
from training.models import GateCheck, GateRun, TrainingRun, Verdict


@dataclass(frozen=True)
class CheckRow:
    """The gate in one language, with what was measured before and after."""

    check: GateCheck
    before: Estimate
    after: Estimate


@dataclass(frozen=True)
class RunReview:
    """A run, its gate, and whether its candidate ever served."""

    run: TrainingRun
    gate: GateRun | None
    checks: Sequence[CheckRow]
    served: bool
    reasons: Sequence[str] = ()


def review_of(run: TrainingRun) -> RunReview:
    """Everything the run's page shows."""
    gate = GateRun.objects.filter(run=run).select_related("candidate", "champion").first()
    checks: list[CheckRow] = []
    if gate:
        estimates = estimates_of([gate.candidate, gate.champion], metric=gate.metric)
        checks = [
            CheckRow(
                check=check,
                before=estimates.get((gate.champion_id, check.language_id), Estimate()),
                after=estimates.get((gate.candidate_id, check.language_id), Estimate()),
            )
            for check in gate.checks.select_related("language", "anchor")
        ]
    served = Deployment.objects.filter(version=run.candidate_id).exists()
    return RunReview(
        run=run,
        gate=gate,
        checks=checks,
        served=bool(run.candidate_id and served),
        reasons=reasons_of(gate) if gate else (),
    )


def verdict_sentence(gate: GateRun, *, served: bool) -> str:
    """What the verdict means, for somebody who has not read how gates work."""
    sentences = {
        Verdict.PASS: _("No language lost more than the margin. The candidate may serve."),
        Verdict.HOLD: _(
            "Not enough evidence yet that no language loses. The old version serves on."
        ),
        Verdict.BLOCK: _("At least one language got worse. The old version serves on."),
        Verdict.VOID: _("The comparison itself was not sound, so nothing follows from it."),
    }
    sentence = sentences[Verdict(gate.verdict)]
    return _("%s It was promoted.") % sentence if served else sentence


def languages_short(checks: Sequence[CheckRow]) -> Mapping[Language, int]:
    """How many gold items are missing, where."""
    return {
        row.check.language: row.check.items_missing for row in checks if row.check.items_missing
    }
