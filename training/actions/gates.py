"""Gates: the candidate of a run against the champion, on the bytes that would be served."""

import hashlib
import logging
from contextlib import suppress
from datetime import datetime
from typing import Any

import numpy as np
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from annotation.errors import ConflictError, TransientError, VernacularError, is_out_of_room
from learning.gateways.weights import open_weights
from learning.models import ModelVersion
from training.actions.comparing import AskedCase, Compared, GoldMovedError, ask_cases, compare
from training.actions.datasets import gold_leaks, lineage_rows
from training.actions.gate_records import facts_of, predictions_of, told
from training.actions.gate_settings import keep_track
from training.actions.gate_terms import terms_of, terms_to_keep
from training.actions.gold_calls import call_for_gold, may_look_again
from training.actions.gold_marks import GoldMarks
from training.actions.gold_versions import past_best_of, versions_of_gold, worn_of
from training.actions.hindsight import look_back
from training.actions.runs import readable
from training.methods import gate as checks
from training.methods.findings import LanguageFinding
from training.methods.paired import ALPHA
from training.models import (
    CaseCheck,
    GateCheck,
    GateRun,
    GoldVersion,
    TrainingRun,
    Verdict,
)

DETAILS = 20
log = logging.getLogger(__name__)


def judge(run_id: int, *, now: datetime) -> GateRun:
    """Hold the run's candidate against its champion and write the verdict down, once a look.

    The champion is what the run started from: the version that served when it was opened.
    A verdict never changes. A candidate that was held is looked at again when the gold that was
    missing has come; until then a further call returns the last look's verdict.
    """
    run = TrainingRun.objects.select_related("campaign", "candidate", "base").get(pk=run_id)
    last = run.gate
    if last and not may_look_again(last):
        return last
    if run.candidate is None:
        raise ConflictError(f"{run} has no candidate to judge; it is {run.status}.")
    if last is None:
        keep_track(run.campaign, now=now)
    terms = terms_to_keep(run, last=last)
    gate = GateRun(
        run=run,
        look=last.look + 1 if last else 1,
        looks=terms["looks"],
        alpha=ALPHA / terms["looks"],
        metric=terms["metric"],
        candidate=run.candidate,
        champion=run.base,
        candidate_digest=run.candidate.digest,
        margin=terms["margin"],
        terms=terms,
    )
    return _decide(gate, now=now)


def try_to_judge(run_id: int, *, now: datetime) -> GateRun | None:
    """Judge, and ask for the gold that was missing; None, and the reason on the run, on failure.

    What is only away for now is no failure: the attempt does not count, and is made again.
    """
    TrainingRun.objects.filter(pk=run_id).update(judgings=F("judgings") + 1)
    run = TrainingRun.objects.select_related("base", "candidate", "round").get(pk=run_id)
    try:
        if run.gate is None:
            look_back(run)
        gate = judge(run_id, now=now)
        call_for_gold(gate)
    except Exception as error:
        if isinstance(error, OperationalError | TransientError) or is_out_of_room(error):
            log.warning("run %s waits to be judged: %s", run_id, error)
            waiting = "" if isinstance(error, GoldMovedError) else "Waiting for storage: "
            with suppress(OperationalError):  # what is away may be the database itself
                TrainingRun.objects.filter(pk=run_id, judgings__gt=0).update(
                    judgings=F("judgings") - 1, error=f"{waiting}{readable(error)}"
                )
            return None
        log.exception("run %s could not be judged", run_id)
        TrainingRun.objects.filter(pk=run_id).update(error=readable(error))
        return None
    TrainingRun.objects.filter(pk=run_id).exclude(error="").update(error="")
    return gate


def _decide(gate: GateRun, *, now: datetime) -> GateRun:
    run, candidate, champion = gate.run, gate.candidate, gate.champion
    void = _void(run, candidate=candidate, champion=champion)
    compared, cases = Compared(), list[AskedCase]()
    if not void:
        compared = compare(run, candidate=candidate, champion=champion, metric=gate.metric)
        cases = ask_cases(run.campaign, candidate=candidate, champion=champion)
    versions = versions_of_gold(run.campaign, golds=compared.golds)
    name = f"gate:{run.seed}" if gate.look == 1 else f"gate:{run.seed}:{gate.look}"
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
    decided = checks.decide(
        compared.comparisons,
        terms=terms_of(
            gate,
            worn=worn_of(versions, golds=compared.golds),
            past_best=past_best_of(versions, anchors=compared.anchors, champion=champion),
        ),
        rng=np.random.default_rng(seed),
        void=[one["sentence"] for one in void],
        cases=[case.told() for case in cases],
    )
    gate.verdict = Verdict(decided.verdict)
    gate.reasons = list(decided.reasons)
    if void:
        # The weights may be what is not sound: nothing more is read of them.
        gate.record = {"seed": seed, "judged_at": now.isoformat(), "pooled": [], "void": void}
    else:
        gate.record = facts_of(
            decided.pooled, candidate=candidate, champion=champion, seed=seed, now=now
        )
    return _record(gate, decided=decided, compared=compared, cases=cases, versions=versions)


def _void(
    run: TrainingRun, *, candidate: ModelVersion, champion: ModelVersion
) -> list[dict[str, Any]]:
    """Return why the comparison would mean nothing, if so: what is wrong, and a sentence."""
    reasons: list[dict[str, Any]] = []
    for version in (candidate, champion):
        try:
            open_weights(version.path, digest=version.digest)
        except TransientError:
            raise
        except VernacularError as error:
            said = f"The weights of {version} are not what was registered: {error}"
            told = {"version": str(version), "error": str(error), "sentence": said}
            reasons.append({"code": "weights", **told})
    leaked = gold_leaks(lineage_rows(candidate), marks=GoldMarks.present(run.campaign))
    if leaked:
        some = ", ".join(map(str, leaked[:DETAILS]))
        said = (
            f"{len(leaked)} samples that the candidate learned from are gold, or share a text or"
            f" a group with gold, or nearly say the same (samples {some}). Retire that gold, or"
            f" train without them."
        )
        count = {"count": len(leaked), "some": some, "sentence": said}
        reasons.append({"code": "leaked", **count})
    return reasons


def _record(
    gate: GateRun,
    *,
    decided: checks.Decided,
    compared: Compared,
    cases: list[AskedCase],
    versions: dict[str, GoldVersion],
) -> GateRun:
    """Write the gate with all that it rests on; whoever was quicker has said the same."""
    homes = gate.run.campaign.languages.select_related("language")
    languages = {home.language.tag: home.language for home in homes}
    try:
        with transaction.atomic():
            gate.save(force_insert=True)
            for found in decided.languages:
                check = _check(gate, found, compared=compared)
                check.language = languages[found.language]
                check.gold_version = versions.get(found.language)
                check.save(force_insert=True)
            CaseCheck.objects.bulk_create(
                CaseCheck(
                    gate=gate,
                    case=asked.case,
                    champion_label=asked.champion,
                    candidate_label=asked.candidate,
                    champion_right=asked.champion_right,
                    candidate_right=asked.candidate_right,
                    learned=asked.learned,
                    terms={
                        "version": asked.terms.number,
                        "severity": asked.terms.severity,
                        "disputed": asked.terms.disputed,
                    },
                )
                for asked in cases
            )
            if compared.comparisons:
                predictions_of(
                    gate, compared=compared, champion=gate.champion, candidate=gate.candidate
                ).save(force_insert=True)
    except IntegrityError:
        return GateRun.objects.get(run=gate.run, look=gate.look)
    return gate


def _check(gate: GateRun, found: LanguageFinding, *, compared: Compared) -> GateCheck:
    gold = compared.golds.get(found.language)
    anchor = compared.anchors.get(found.language)
    return GateCheck(
        gate=gate,
        items=found.items,
        fixed=found.fixed,
        broken=found.broken,
        delta=found.delta,
        delta_low=found.low,
        delta_high=found.high,
        harm_p=found.harm_p,
        champion_z=found.champion_z,
        anchor_z=found.anchor_z,
        anchor=anchor,
        items_missing=found.missing,
        gold_digest=gold.digest if gold else "",
        verdict=Verdict(found.verdict),
        detail={
            "findings": [told(finding) for finding in found.findings],
            "flip_rate": found.broken / found.items if found.items else None,
            "anchor_digest": anchor.digest if anchor else "",
        },
    )
