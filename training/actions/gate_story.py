"""A gate's verdict as a person reads it: what was found, what happens next, what one can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.methods.texts import shown
from annotation.models import Campaign
from learning.actions.serving import serving_version
from learning.models import ModelVersion
from training.actions.gate_words import pooled_of, reasons_of, sentences_of
from training.actions.gold_calls import waiting_by_language
from training.models import (
    CaseCheck,
    GateCheck,
    GateRun,
    GoldCall,
    GoldCandidate,
    Verdict,
    Waiver,
)

ORDER = {Verdict.BLOCK: 0, Verdict.VOID: 1, Verdict.HOLD: 2, Verdict.PASS: 3}
State = GoldCandidate.State


@dataclass(frozen=True)
class LanguageLine:
    """One language: its numbers, its sentences, and how many texts wait to become gold."""

    check: GateCheck
    sentences: tuple[str, ...]
    flip_rate: float | None
    waiting: int


@dataclass(frozen=True)
class GateStory:
    """Everything that the gate's page shows."""

    gate: GateRun
    looks: Sequence[GateRun]
    lines: Sequence[LanguageLine]
    reasons: Sequence[str]
    pooled: Sequence[str]
    calls: Sequence[GoldCall]
    cases: Sequence[CaseCheck]
    waivers: Sequence[Waiver]
    waiver: Waiver | None
    next_steps: Sequence[str]
    can_do: Sequence[str]
    waivable: bool


def story_of(gate: GateRun, *, now: datetime) -> GateStory:
    """Read all that a look at a candidate says; the number of queries does not grow with it."""
    campaign = gate.run.campaign
    looks = list(GateRun.objects.filter(run=gate.run_id).order_by("look"))
    waiting = waiting_by_language(campaign)
    checks = gate.checks.select_related("language", "anchor", "gold_version")
    lines = [_line(check, waiting.get(check.language_id, 0)) for check in checks]
    serving = serving_version(campaign)
    waivers = list(gate.waivers.select_related("granted_by"))
    valid = [one for one in waivers if one.revoked_at is None and one.expires_at > now]
    newest = gate.look == looks[-1].look
    current = newest and serving is not None and serving.pk == gate.champion_id
    return GateStory(
        gate=gate,
        looks=looks,
        lines=sorted(lines, key=lambda line: ORDER[Verdict(line.check.verdict)]),
        reasons=reasons_of(gate),
        pooled=list(pooled_of(gate, checks=[line.check for line in lines]).values()),
        calls=_calls(gate),
        cases=list(
            gate.case_checks.select_related(
                "case__language", "champion_label", "candidate_label"
            ).prefetch_related("case__reports")
        ),
        waivers=waivers,
        waiver=valid[0] if valid else None,
        next_steps=_next_steps(gate, lines, serving=serving, newest=newest),
        can_do=_can_do(gate, lines, current=current),
        waivable=gate.verdict == Verdict.HOLD and current,
    )


def _line(check: GateCheck, waiting: int) -> LanguageLine:
    return LanguageLine(
        check=check,
        sentences=tuple(sentences_of(check)),
        flip_rate=check.detail.get("flip_rate"),
        waiting=waiting,
    )


def _calls(gate: GateRun) -> list[GoldCall]:
    counts = {
        f"in_{state}": Count("candidates", filter=Q(candidates__state=state)) for state in State
    }
    return list(gate.gold_calls.select_related("language").annotate(**counts))


def _next_steps(
    gate: GateRun,
    lines: Sequence[LanguageLine],
    *,
    serving: ModelVersion | None,
    newest: bool,
) -> list[str]:
    numbers = {"new": gate.candidate.number, "old": gate.champion.number}
    if serving is not None and serving.pk == gate.candidate_id:
        return [_("Version %(new)d serves now.") % numbers]
    if not newest:
        return [_("This look is past: the candidate has been judged again since.")]
    if serving is not None and serving.pk != gate.champion_id:
        return [
            _(
                "This verdict is past: version %d serves now, and later candidates are compared with it."
            )
            % serving.number
        ]
    steps = [_("Version %(old)d serves on.") % numbers]
    if gate.verdict == Verdict.HOLD:
        return steps + _after_hold(gate, sum(line.waiting for line in lines))
    if gate.verdict == Verdict.PASS:
        return [
            *steps,
            _("Version %(new)d may serve, and will as soon as it is promoted.") % numbers,
        ]
    return [*steps, _("The next round learns from more answers, and tries again from there.")]


def _after_hold(gate: GateRun, waiting: int) -> list[str]:
    steps = []
    if waiting:
        steps.append(
            ngettext(
                "%d text waits at the desk for two speakers to agree on it.",
                "%d texts wait at the desk for two speakers each to agree on them.",
                waiting,
            )
            % waiting
        )
    if gate.looks_left and gate.checks.filter(items_missing__gt=0).exists():
        steps.append(
            _(
                "When the missing gold is there the gate looks again by itself (look %(next)d of"
                " %(looks)d). Rounds go on meanwhile; if another candidate is released first, this"
                " one is past."
            )
            % {"next": gate.look + 1, "looks": gate.looks}
        )
        if gate.run.campaign.status == Campaign.Status.FINISHED:
            steps.append(
                _("The campaign is over, so nobody is asked: the gold has to be imported.")
            )
    else:
        steps.append(_("It is not judged again. The next round brings another candidate."))
    return steps


def _can_do(gate: GateRun, lines: Sequence[LanguageLine], *, current: bool) -> list[str]:
    if not current or gate.verdict == Verdict.PASS:
        return []
    if gate.verdict == Verdict.VOID:
        return [_("Put right what is named above. The verdict on a later candidate will be sound.")]
    things = []
    if any(line.check.items_missing for line in lines):
        things += [
            _("Import gold: texts whose answer two native speakers have agreed on."),
            _("Invite speakers: gold that is asked for takes two people in a language."),
        ]
    if gate.verdict == Verdict.HOLD:
        things.append(
            _(
                "An admin may answer for the candidate with a waiver: a name, a reason and an end."
                " Only a hold can be waived."
            )
        )
    if gate.verdict == Verdict.BLOCK:
        things.append(_("Look at the answers that broke, in the file of predictions below."))
    return things


COLUMNS = (
    *("language", "verdict", "items", "fixed", "broken", "negative_flip_rate"),
    *("delta", "delta_low", "delta_high", "margin", "champion_z", "champion_p", "harm_p"),
    *("harm_holm_p", "anchor_z", "anchor_p", "anchor", "anchor_digest", "calibration_old"),
    *("calibration_new", "calibration_rise", "calibration_bound", "items_missing", "waiting"),
    *("gold_version", "gold_digest", "reasons"),
)


def row_of(line: LanguageLine, *, gate: GateRun) -> dict[str, Any]:
    """Return one language as it goes into CSV and JSON."""
    check = line.check
    numbers = {one["check"]: one["numbers"] for one in check.detail.get("findings", [])}
    harm, sure = numbers.get("harm", {}), numbers.get("calibration", {})
    best = numbers.get("the best ever released", {})
    return {
        "language": check.language.tag,
        "verdict": check.verdict,
        "items": check.items,
        "fixed": check.fixed,
        "broken": check.broken,
        "negative_flip_rate": line.flip_rate,
        "delta": check.delta,
        "delta_low": check.delta_low,
        "delta_high": check.delta_high,
        "margin": gate.margin,
        "champion_z": check.champion_z,
        "champion_p": numbers.get("the champion", {}).get("p"),
        "harm_p": check.harm_p,
        "harm_holm_p": harm.get("holm_p"),
        "anchor_z": check.anchor_z,
        "anchor_p": best.get("p"),
        "anchor": check.anchor.number if check.anchor else None,
        "anchor_digest": check.detail.get("anchor_digest", ""),
        "calibration_old": sure.get("old"),
        "calibration_new": sure.get("new"),
        "calibration_rise": sure.get("rise"),
        "calibration_bound": sure.get("bound"),
        "items_missing": check.items_missing,
        "waiting": line.waiting,
        "gold_version": check.gold_version.number if check.gold_version else None,
        "gold_digest": check.gold_digest,
        # Files are the record: they say what was written, in the words of that day.
        "reasons": " ".join(one["sentence"] for one in check.detail.get("findings", [])),
    }


def record_of(story: GateStory) -> dict[str, Any]:
    """Return the whole decision for programs."""
    gate = story.gate
    file = getattr(gate, "predictions", None)
    return {
        "run": gate.run_id,
        "look": gate.look,
        "looks": gate.looks,
        "alpha": gate.alpha,
        "metric": gate.metric,
        "margin": gate.margin,
        "terms": gate.terms,
        "verdict": gate.verdict,
        "reasons": gate.reasons,
        "candidate": {"number": gate.candidate.number, "sha256": gate.candidate_digest},
        "champion": {"number": gate.champion.number, "sha256": gate.champion.digest},
        "record": gate.record,
        "predictions": {"sha256": file.sha256, "rows": file.rows} if file else None,
        "languages": [row_of(line, gate=gate) for line in story.lines],
        "cases": [
            {
                "language": check.case.language.tag,
                "text": shown(check.case.text),
                "champion": check.champion_label.key,
                "candidate": check.candidate_label.key,
                "champion_right": check.champion_right,
                "candidate_right": check.candidate_right,
                "learned": check.learned,
                "reported": bool(check.case.reports.all()),
            }
            for check in story.cases
        ],
        "gold_calls": [
            {
                "language": call.language.tag,
                "missing": call.missing,
                "asked": call.asked,
                "note": call.note,
            }
            for call in story.calls
        ],
        "waivers": [
            {
                "name": one.name,
                "reason": one.reason,
                "granted_by": str(one.granted_by),
                "granted_at": one.granted_at.isoformat(),
                "expires_at": one.expires_at.isoformat(),
                "revoked_at": one.revoked_at.isoformat() if one.revoked_at else None,
            }
            for one in story.waivers
        ],
    }
