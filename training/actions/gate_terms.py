"""Gate terms: what a candidate is judged by, from its first look to its last.

The first look writes every term down. Whatever is set since, the looks after it keep to them: terms
that could move between two looks at one candidate could be moved until it passes.
"""

from typing import Any

from training.methods import gate as checks
from training.models import GateRun, Maintenance, SnapshotRow, TrainingRun

_RULES: dict[str, checks.CaseRule] = {"report": "report", "hold": "hold", "block": "block"}


def terms_to_keep(run: TrainingRun, *, last: GateRun | None) -> dict[str, Any]:
    """Return the terms of the first look; before it, those that hold now."""
    if last is not None and last.terms:
        return dict(last.terms)
    terms = _present(run)
    if last is not None:  # it was judged before terms were written down
        terms |= {"margin": last.margin, "metric": last.metric, "looks": last.looks}
    return terms


def terms_of(gate: GateRun, *, worn: dict[str, int], past_best: dict[str, int]) -> checks.Terms:
    """Return what the gate decides by, as its methods want to have it."""
    told = gate.terms
    return checks.Terms(
        margin=gate.margin,
        alpha=gate.alpha,
        metric="macro-f1" if gate.metric == "macro-f1" else "accuracy",
        parity_blocks=told["parity_blocks"],
        strict_calibration=told["strict_calibration"],
        case_rule=_RULES[told["case_rule"]],
        targets=frozenset(told["targets"]),
        maintenance=told["maintenance"],
        worn=worn,
        past_best=past_best,
    )


def _present(run: TrainingRun) -> dict[str, Any]:
    campaign = run.campaign
    fresh = SnapshotRow.objects.filter(snapshot=run.snapshot_id, fresh=True)
    return {
        "margin": float(campaign.margin),
        "metric": campaign.gate_metric,
        "looks": campaign.gate_looks,
        "parity_blocks": campaign.parity_blocks,
        "strict_calibration": campaign.strict_calibration,
        "case_rule": campaign.case_rule,
        "targets": sorted(set(fresh.order_by().values_list("sample__language__tag", flat=True))),
        "maintenance": _why_without_gain(run),
    }


def _why_without_gain(run: TrainingRun) -> str:
    """Return why the run need not make anything better: what its kind says, or a person."""
    declared = Maintenance.objects.filter(run=run).first()
    return str(declared) if declared else str(run.settings.get("maintenance", ""))
