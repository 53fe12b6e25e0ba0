"""One of several ordered grades, measured: as classes, and how far off the grades are."""

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from learning.methods import metrics
from training.actions.shapes import classes
from training.actions.shapes.classes import (
    answer,
    answers,
    covered,
    dev_metric,
    read,
    retyped,
    said,
    sureness,
    temperatures,
    truth,
)

if TYPE_CHECKING:
    from training.actions.evaluation import Gold

__all__ = [
    "answer",
    "answers",
    "covered",
    "dev_metric",
    "measured",
    "read",
    "retyped",
    "said",
    "sureness",
    "temperatures",
    "truth",
]


def measured(
    outputs: Any, *, gold: "Gold", temperature: float, keys: Sequence[str]
) -> dict[str, Any]:
    """Return what is told of classes, and the kappa of grades, which accuracy does not tell."""
    rng = np.random.default_rng(zlib.crc32(gold.digest.encode()))
    best = outputs.argmax(axis=1)
    kappa = metrics.weighted_kappa(best, truth=gold.truth, classes=len(keys), rng=rng)
    return {
        **classes.measured(outputs, gold=gold, temperature=temperature, keys=keys),
        "kappa": kappa.value,
        "kappa_low": kappa.low,
        "kappa_high": kappa.high,
    }
