"""Model cards: what a version is, what it learned from, how good it is where, and what it is not.

One record for the page, for programs, and for the folder that a version is exported to.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from annotation.models import GoldItem, Severity
from learning.actions.identities import size_of
from learning.models import Deployment, ModelVersion
from training.actions.lineage import Family, Tainted, tainted
from training.models import CaseCheck, DataSnapshot, Evaluation, GateRun, TrainingRun

# With fewer gold items an interval is wide enough to hide a language that is served badly.
ENOUGH_GOLD = 100
CARD_FORMAT = 1


def card_of(version: ModelVersion, *, flags: Mapping[int, Tainted] | None = None) -> dict[str, Any]:
    """Return everything that a model card says, in plain names and numbers.

    Whoever has looked already which versions learned what was taken back says so in ``flags``.
    """
    flags = tainted(version.campaign) if flags is None else flags
    family = Family(version.campaign_id)
    run = _run(version)
    serving = Deployment.objects.serving(version.campaign)
    quality = quality_of(version)
    learned = _learned(version, family)
    return {
        "format": CARD_FORMAT,
        "campaign": version.campaign.slug,
        "title": version.campaign.title,
        "question": version.campaign.question,
        "version": version.number,
        "digest": version.digest,
        "identity": version.identity,
        "network": version.network,
        "bytes": size_of(version),
        "labels": version.manifest.get("labels", []),
        "made_at": version.created_at.isoformat(),
        "serves": serving is not None and serving.version_id == version.pk,
        "kept": version.pruned_at is None,
        "base_chain": [ancestor.number for ancestor in _chain(version, family)],
        "parents": [
            {"version": row.parent.number, "weight": row.weight}
            for row in version.parents.select_related("parent")
        ],
        "compression": version.manifest.get("compression"),
        "run": _told_run(run),
        "learned_from": learned,
        "quality": quality,
        "gates": [_told_gate(gate) for gate in _gates(version)],
        "cases": cases_of(version),
        "deployments": [
            {
                "number": row.number,
                "kind": row.kind,
                "reason": row.reason,
                "at": row.created_at.isoformat(),
            }
            for row in version.deployments.order_by("number")
        ],
        "taken_back": _told_taint(flags.get(version.pk)),
        "limits": limits_of(quality, learned["languages"]),
    }


def quality_of(version: ModelVersion) -> dict[str, dict[str, Any]]:
    """Return what was measured last on the gate's gold, by language tag, with 95 % intervals."""
    scales = {row.language_id: row.value for row in version.temperatures.filter(gold__gt=0)}
    newest: dict[str, Evaluation] = {}
    rows = Evaluation.objects.filter(version=version, split=GoldItem.Split.GATE)
    for row in rows.select_related("language").defer("answers").order_by("created_at", "pk"):
        newest[row.language.tag] = row
    return {
        tag: {
            "name": row.language.name,
            "items": row.items,
            "accuracy": [row.accuracy, row.accuracy_low, row.accuracy_high],
            "macro_f1": [row.macro_f1, row.macro_f1_low, row.macro_f1_high],
            "kappa": [row.kappa, row.kappa_low, row.kappa_high],
            "by_label": row.by_label,
            "nll": row.nll,
            "brier": row.brier,
            "temperature": scales.get(row.language_id),
            "measured_at": row.created_at.isoformat(),
        }
        for tag, row in sorted(newest.items())
    }


def limits_of(
    quality: Mapping[str, Mapping[str, Any]], learned: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """Say in sentences what the version must not be trusted with."""
    known = {tag: row for tag, row in quality.items() if row["items"]}
    limits = []
    unmeasured = sorted((set(learned) | set(quality)) - set(known))
    if not known:
        limits.append(_("Its quality was not measured in any language yet."))
    elif unmeasured:
        limits.append(
            _("Not measured in %s: nobody knows how good it is there.") % _list(unmeasured)
        )
    few = [tag for tag, row in known.items() if row["items"] < ENOUGH_GOLD]
    if few:
        limits.append(
            _("Measured on fewer than %(n)d gold items in %(languages)s: the intervals are wide.")
            % {"n": ENOUGH_GOLD, "languages": _list(few)}
        )
    values = {
        tag: row["accuracy"][0] for tag, row in known.items() if row["accuracy"][0] is not None
    }
    if len(set(values.values())) > 1:
        worst, best = min(values, key=lambda t: values[t]), max(values, key=lambda t: values[t])
        limits.append(
            _("Worst in %(worst)s (accuracy %(low).2f), best in %(best)s (%(high).2f).")
            % {"worst": worst, "low": values[worst], "best": best, "high": values[best]}
        )
    vague = [tag for tag, row in known.items() if row["temperature"] is None]
    if vague:
        limits.append(_("Its confidence was not made honest in %s.") % _list(vague))
    limits.append(
        _(
            "It knows the labels above and nothing else, and was measured on texts like its gold only."
        )
    )
    return limits


def cases_of(version: ModelVersion) -> dict[str, Any]:
    """Return how the version fared on the regression cases at its last gate, and each that got worse.

    By number, and never by their words: those may be somebody's who did not agree to be quoted.
    """
    last = version.gates_as_candidate.order_by("pk").last()
    asked = CaseCheck.objects.filter(gate=last).select_related("case__language")
    rows = list(asked.order_by("case")) if last else []
    return {
        "asked": len(rows),
        "right": sum(one.candidate_right for one in rows),
        "disputed": sum(one.disputed for one in rows),
        "learned": sum(one.learned for one in rows),
        "worse": [
            {
                "case": one.case_id,
                "language": one.case.language.tag,
                "severity": Severity(one.severity).name.lower(),
                "severity_words": str(Severity(one.severity).label),
            }
            for one in rows
            if one.broken
        ],
    }


def _list(tags: Sequence[str]) -> str:
    return ", ".join(tags)


def _run(version: ModelVersion) -> TrainingRun | None:
    return version.runs_to_here.select_related("snapshot", "base").order_by("pk").first()


def _chain(version: ModelVersion, family: Family) -> list[ModelVersion]:
    """Return what the version was fine-tuned from, nearest first."""
    chain, at = [], version.base_id
    while at is not None and at in family.versions:
        chain.append(family.versions[at])
        at = family.versions[at].base_id
    return chain


def _learned(version: ModelVersion, family: Family) -> dict[str, Any]:
    """Return the data of the newest snapshot in its line: what it holds is all that stood then."""
    own = DataSnapshot.objects.filter(pk__in=family.snapshots_of(version.pk))
    newest = own.order_by("-pk").first()
    if newest is None:
        return {"snapshot": None, "samples": 0, "languages": {}, "licences": {}}
    return {
        "snapshot": newest.digest,
        "samples": newest.samples,
        "languages": newest.provenance.get("languages", {}),
        "licences": newest.provenance.get("licences", {}),
    }


def _told_run(run: TrainingRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "number": run.pk,
        "base": run.base.number,
        "seed": run.seed,
        "settings": run.settings,
        "steps": run.step,
        "snapshot": run.snapshot.digest,
        "samples": run.snapshot.samples,
        "fresh_samples": run.snapshot.fresh_samples,
    }


def _gates(version: ModelVersion) -> Sequence[GateRun]:
    return list(version.gates_as_candidate.select_related("champion").order_by("pk"))


def _told_gate(gate: GateRun) -> dict[str, Any]:
    return {
        "run": gate.run_id,
        "look": gate.look,
        "verdict": gate.verdict,
        "champion": gate.champion.number,
        "margin": gate.margin,
        "reasons": gate.reasons,
        "at": gate.created_at.isoformat(),
    }


def _told_taint(found: Tainted | None) -> dict[str, Any] | None:
    """Say how many answers it learned from were taken back since, and what to do about it."""
    if found is None:
        return None
    return {
        "answers": found.answers,
        "withdrawals": [row.created_at.isoformat() for row in found.withdrawals],
        "way_out": found.clean.number if found.clean else None,
    }
