"""Gates: the candidate of a run against the champion, on the bytes that would be served."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version as library_version
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import F

from annotation.errors import ConflictError, VernacularError
from annotation.models import GoldItem, Language
from learning.actions.versions import libraries
from learning.gateways.weights import open_weights
from learning.models import ModelVersion
from training.actions.datasets import GoldMarks, gold_leaks, lineage_rows
from training.actions.evaluation import Gold, evaluate, gold_of
from training.actions.hindsight import look_back
from training.actions.runs import readable
from training.methods import gate as checks
from training.models import Evaluation, GateCheck, GateRun, TrainingRun, Verdict

DETAILS = 20
log = logging.getLogger(__name__)


def judge(run_id: int, *, now: datetime) -> GateRun:
    """Hold the run's candidate against its champion and write the verdict down, once.

    The champion is what the run started from: the version that served when it was opened.
    The verdict of a run never changes: a second call returns the first one's.
    """
    run = TrainingRun.objects.select_related("campaign", "candidate", "base").get(pk=run_id)
    known = GateRun.objects.filter(run=run).first()
    if known:
        return known
    if run.candidate is None:
        raise ConflictError(f"{run} has no candidate to judge; it is {run.status}.")
    candidate, champion = run.candidate, run.base
    void = _void(run, candidate=candidate, champion=champion)
    comparisons: list[checks.Comparison] = []
    anchors: dict[str, ModelVersion] = {}
    if not void:
        comparisons, anchors, void = _compare(run, candidate=candidate, champion=champion)
    seed = int.from_bytes(hashlib.sha256(f"gate:{run.seed}".encode()).digest()[:6], "big")
    decided = checks.decide(
        comparisons,
        margin=float(run.campaign.margin),
        rng=np.random.default_rng(seed),
        void=void,
    )
    facts = _facts(decided.pooled, champion=champion, seed=seed, now=now)
    gate = GateRun(
        run=run,
        candidate=candidate,
        champion=champion,
        candidate_digest=candidate.digest,
        margin=float(run.campaign.margin),
        verdict=Verdict(decided.verdict),
        reasons=list(decided.reasons),
        record=facts,
    )
    return _record(gate, decided=decided, anchors=anchors)


def try_to_judge(run_id: int, *, now: datetime) -> GateRun | None:
    """Judge, and when that fails leave the reason on the run; None then."""
    TrainingRun.objects.filter(pk=run_id).update(judgings=F("judgings") + 1)
    look_back(TrainingRun.objects.select_related("base", "candidate", "round").get(pk=run_id))
    try:
        gate = judge(run_id, now=now)
    except Exception as error:
        log.exception("run %s could not be judged", run_id)
        TrainingRun.objects.filter(pk=run_id).update(error=readable(error))
        return None
    TrainingRun.objects.filter(pk=run_id).exclude(error="").update(error="")
    return gate


def _void(run: TrainingRun, *, candidate: ModelVersion, champion: ModelVersion) -> list[str]:
    """Return why the comparison would mean nothing, if so."""
    reasons = []
    for version in (candidate, champion):
        try:
            open_weights(version.path, digest=version.digest)
        except VernacularError as error:
            reasons.append(f"The weights of {version} are not what was registered: {error}")
    gold = GoldItem.objects.filter(sample__campaign=run.campaign, retired_at=None)
    rows = gold.values_list("sample_id", "sample__digest", "sample__group")
    marks = GoldMarks(
        frozenset(row[0] for row in rows),
        frozenset(row[1] for row in rows),
        frozenset(row[2] for row in rows if row[2]),
    )
    leaked = gold_leaks(lineage_rows(candidate), marks=marks)
    if leaked:
        some = ", ".join(map(str, leaked[:DETAILS]))
        reasons.append(
            f"{len(leaked)} samples that the candidate learned from are gold, or share a text or"
            f" a group with gold (samples {some}). Retire that gold, or train without them."
        )
    return reasons


def _compare(
    run: TrainingRun, *, candidate: ModelVersion, champion: ModelVersion
) -> tuple[list[checks.Comparison], dict[str, ModelVersion], list[str]]:
    golds = gold_of(run.campaign, split=GoldItem.Split.GATE)
    anchors = {gold.language.tag: _anchor(run, gold.language) for gold in golds}
    versions = {candidate, champion} | {anchor for anchor in anchors.values() if anchor}
    found = {
        version.pk: {e.language_id: e for e in evaluate(version, campaign=run.campaign)}
        for version in versions
    }
    compared, moved = [], []
    for gold in golds:
        anchor = anchors[gold.language.tag]
        evaluations = [
            found[version.pk].get(gold.language.pk)
            for version in (champion, candidate, anchor)
            if version
        ]
        if any(e is None or e.gold_digest != gold.digest for e in evaluations):
            moved.append(gold.language.tag)
            continue
        told = [_answers(e, gold) for e in evaluations if e is not None]
        compared.append(
            checks.Comparison(
                gold.language.tag, told[0], told[1], gold.groups, told[2] if anchor else None
            )
        )
    void = [f"The gold of {', '.join(moved)} changed while it was measured."] if moved else []
    return compared, {tag: anchor for tag, anchor in anchors.items() if anchor}, void


def _answers(evaluation: Evaluation, gold: Gold) -> checks.Answers:
    told = [evaluation.answers[str(sample)] for sample in gold.samples]
    table = np.array(told, np.float64).reshape(-1, 3)
    return checks.Answers(
        right=table[:, 0].astype(np.int64) == np.array(gold.truth, np.int64),
        confidence=table[:, 2],
        truth=table[:, 1],
    )


def _anchor(run: TrainingRun, language: Language) -> ModelVersion | None:
    """Return the best version ever released in a language, as it was last measured."""
    released = run.campaign.deployments.values_list("version", flat=True)
    latest: dict[int, Evaluation] = {}
    for evaluation in Evaluation.objects.filter(
        version__in=released, language=language, split=GoldItem.Split.GATE, items__gt=0
    ).order_by("created_at", "pk"):
        latest[evaluation.version_id] = evaluation
    best_first = sorted(latest.values(), key=lambda e: (e.accuracy or 0, e.version_id))[::-1]
    versions = (ModelVersion.objects.get(pk=each.version_id) for each in best_first)
    return next((version for version in versions if _is_whole(version)), None)


def _is_whole(version: ModelVersion) -> bool:
    """Tell whether an old version can still be measured; its weights may have been pruned."""
    try:
        open_weights(version.path, digest=version.digest)
    except VernacularError as error:
        log.warning("%s is no anchor any more: %s", version, error)
        return False
    return True


def _record(gate: GateRun, *, decided: checks.Decided, anchors: dict[str, ModelVersion]) -> GateRun:
    """Write the gate with its checks; whoever was quicker has said the same."""
    homes = gate.run.campaign.languages.select_related("language")
    languages = {home.language.tag: home.language for home in homes}
    try:
        with transaction.atomic():
            gate.save(force_insert=True)
            GateCheck.objects.bulk_create(
                _check(
                    gate,
                    found,
                    language=languages[found.language],
                    anchor=anchors.get(found.language),
                )
                for found in decided.languages
            )
    except IntegrityError:
        return GateRun.objects.get(run=gate.run)
    return gate


def _facts(
    pooled: Sequence[checks.Finding], *, champion: ModelVersion, seed: int, now: datetime
) -> dict[str, Any]:
    return {
        "pooled": [_told(finding) for finding in pooled],
        "champion_digest": champion.digest,
        "seed": seed,
        "libraries": libraries() | {"scipy": library_version("scipy")},
        "judged_at": now.isoformat(),
    }


def _check(
    gate: GateRun,
    found: checks.LanguageFinding,
    *,
    language: Language,
    anchor: ModelVersion | None,
) -> GateCheck:
    return GateCheck(
        gate=gate,
        language=language,
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
        verdict=Verdict(found.verdict),
        detail={
            "findings": [_told(finding) for finding in found.findings],
            "flip_rate": found.broken / found.items if found.items else None,
        },
    )


def _told(finding: checks.Finding) -> dict[str, Any]:
    return asdict(finding) | {"numbers": dict(finding.numbers)}
