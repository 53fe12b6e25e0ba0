"""Calibrations: thresholds fitted on development gold, and their promise checked on the gate's."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import transaction

from annotation.actions.judging import judging
from learning.methods import conformal, selective
from learning.methods.metrics import Estimate, accuracy
from learning.methods.probabilities import softmax
from learning.models import LanguageCalibration, ModelVersion
from training.models import Evaluation

if TYPE_CHECKING:
    from training.actions.evaluation import Gold

EVERYTHING = 1.0


@judging()
def fit_calibrations(
    version: ModelVersion,
    *,
    golds: Sequence["Gold"],
    logits: Mapping[str, tuple[Any, Any]],
    temperatures: Mapping[int, float],
) -> None:
    """Write down, per language, from when the version answers alone and how large its sets are.

    ``logits`` are those of the development gold, with the truth, by language tag.
    """
    told = {
        gold.language.tag: _probabilities(
            *logits[gold.language.tag], temperatures[gold.language.pk]
        )
        for gold in golds
    }
    rules = conformal.weighted(
        {tag: conformal.of_truth(conformal.lac(p), truth=truth) for tag, (p, truth) in told.items()}
    )
    with transaction.atomic():
        for gold in golds:
            tag = gold.language.tag
            LanguageCalibration.objects.update_or_create(
                version=version,
                language=gold.language,
                defaults=_fitted(*told[tag], rule=rules[tag]),
            )
        version.calibrations.exclude(language__in=[gold.language for gold in golds]).delete()


@judging()
def check_calibrations(
    version: ModelVersion, *, golds: Sequence["Gold"], evaluations: Sequence[Evaluation]
) -> None:
    """Measure on the gate's gold what the thresholds keep of their promise."""
    fitted = {row.language_id: row for row in version.calibrations.all()}
    for gold, evaluation in zip(golds, evaluations, strict=True):
        calibration = fitted.get(gold.language.pk)
        if calibration:
            for name, value in _checked(calibration, evaluation, gold=gold).items():
                setattr(calibration, name, value)
            calibration.save()


def _probabilities(logits: Any, truth: Any, temperature: float) -> tuple[Any, Any]:
    if not len(truth):
        return np.zeros((0, 1)), np.zeros(0, np.int64)
    return softmax(logits, temperature=temperature), np.asarray(truth, np.int64)


def _fitted(
    probabilities: conformal.Floats, truth: Any, *, rule: conformal.SetRule
) -> dict[str, Any]:
    best, sure = probabilities.argmax(axis=1), probabilities.max(axis=1, initial=0.0)
    alone = selective.answer_alone(sure, correct=best == truth)
    told = conformal.lac(probabilities)
    sets = conformal.label_sets(told, threshold=rule.threshold)
    return {
        "gold": rule.gold,
        "set_level": rule.level,
        "set_threshold": rule.threshold if math.isfinite(rule.threshold) else EVERYTHING,
        "set_size": float(sets.sum(axis=1).mean()) if len(sets) else None,
        "approximate": rule.approximate,
        "risk_target": selective.RISK,
        "answer_threshold": alone.threshold,
    }


def _checked(
    calibration: LanguageCalibration, evaluation: Evaluation, *, gold: "Gold"
) -> dict[str, Any]:
    """Return the promises kept, from what was stored of each gold item's answer."""
    rows = np.array([evaluation.answers[str(pk)] for pk in gold.samples], np.float64)
    if not len(rows):
        return {"checked": 0, **_ends("coverage", None), **_ends("risk", None), "aurc": None}
    right = rows[:, 0] == np.array(gold.truth)
    true, sure = rows[:, 1], rows[:, 2]
    held = accuracy(1.0 - true <= calibration.set_threshold)
    threshold = calibration.answer_threshold
    alone = sure >= (math.inf if threshold is None else threshold)
    wrong = accuracy(~right[alone]) if alone.any() else None
    return {
        "checked": len(rows),
        **_ends("coverage", held),
        **_ends("risk", wrong),
        "answered": float(alone.mean()),
        "aurc": selective.aurc(sure, correct=right),
    }


def _ends(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
