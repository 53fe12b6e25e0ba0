"""Calibrations: thresholds fitted on development gold, and their promise checked on the gate's."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction

from annotation.actions.judging import judging
from learning.methods import conformal, selective
from learning.methods.metrics import Estimate, accuracy
from learning.models import LanguageCalibration, ModelVersion
from training.actions.shapes import Sureness
from training.models import Evaluation

if TYPE_CHECKING:
    from training.actions.evaluation import Gold

EVERYTHING = 1.0


@judging()
def fit_calibrations(
    version: ModelVersion,
    *,
    golds: Sequence["Gold"],
    outputs: Mapping[str, tuple[Any, Any]],
    temperatures: Mapping[int, float],
) -> None:
    """Write down, per language, from when the version answers alone and how large its sets are.

    ``outputs`` are those on the development gold, with the truth, by language tag.
    """
    told = {
        gold.language.tag: _sureness(
            gold, outputs[gold.language.tag][0], temperature=temperatures[gold.language.pk]
        )
        for gold in golds
    }
    rules = conformal.weighted({tag: one.strange for tag, one in told.items()})
    with transaction.atomic():
        for gold in golds:
            tag = gold.language.tag
            LanguageCalibration.objects.update_or_create(
                version=version,
                language=gold.language,
                defaults=_fitted(told[tag], rule=rules[tag]),
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


def _sureness(gold: "Gold", outputs: Any, *, temperature: float) -> Sureness:
    if not gold.samples:
        return Sureness.nothing()
    return gold.shape.sureness(outputs, truth=gold.truth, temperature=temperature)


def _fitted(told: Sureness, *, rule: conformal.SetRule) -> dict[str, Any]:
    alone = selective.answer_alone(told.sure, correct=told.right)
    sizes = told.sets(rule.threshold)
    return {
        "gold": rule.gold,
        "set_level": rule.level,
        "set_threshold": rule.threshold if math.isfinite(rule.threshold) else EVERYTHING,
        "set_size": float(sizes.mean()) if len(sizes) else None,
        "approximate": rule.approximate,
        "risk_target": selective.RISK,
        "answer_threshold": alone.threshold,
    }


def _checked(
    calibration: LanguageCalibration, evaluation: Evaluation, *, gold: "Gold"
) -> dict[str, Any]:
    """Return the promises kept, from what was stored of each gold item's answer."""
    rows = [evaluation.answers[str(pk)] for pk in gold.samples]
    if not rows:
        return {"checked": 0, **_ends("coverage", None), **_ends("risk", None), "aurc": None}
    said = gold.shape.answers(rows, truth=gold.truth, labels=len(gold.keys))
    right, sure = said.right, said.confidence
    held = accuracy(gold.shape.covered(rows, threshold=calibration.set_threshold))
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
