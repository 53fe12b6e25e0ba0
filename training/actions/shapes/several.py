"""Several labels a text, measured: a code is the number of a set, outputs are logits N x K.

Accuracy is of whole sets, F1 the mean over labels. How sure a version is of a set is the product
of what it says of each label; the set that is promised to hold the truth is of all labels above a
threshold, and holds it where no right label is below.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from annotation.methods import composing
from annotation.objectives import Answer
from annotation.objectives.several import composed
from learning.methods import metrics, several
from learning.methods.calibration import FittedTemperature
from training.actions.shapes import DIGITS, Ask, Sureness, set_sizes
from training.actions.shapes.classes import columns, retyped
from training.methods.findings import Answers

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


def truth(rows: Sequence[tuple[int, str, Any]], *, keys: Sequence[str]) -> list[int]:
    """Return the numbers of the sets."""
    found: list[int] = composing.numbers(
        composing.bits_of([value or () for _, _, value in rows], keys=keys)
    ).tolist()
    return found


def read(ask: Ask, *, texts: Sequence[str], languages: Sequence[str]) -> Any:
    """Return logits."""
    return ask(texts=texts, languages=languages)


def said(outputs: Any) -> list[int]:
    """Return the sets of all labels more probable than not."""
    best: list[int] = several.chosen(several.sigmoid(outputs)).tolist()
    return best


def temperatures(
    outputs: Mapping[str, tuple[Any, Sequence[Any]]],
) -> Mapping[str, FittedTemperature]:
    """Fit a temperature a language on the likelihood of all labels."""
    return several.temperatures(outputs)


def sureness(outputs: Any, *, truth: Sequence[int], temperature: float) -> Sureness:
    """Return how sure the version is of the whole set."""
    p, true = several.sigmoid(outputs, temperature=temperature), np.asarray(truth, np.int64)
    best = several.chosen(p)
    return Sureness(
        sure=several.joint(p, sets=best),
        right=best == true,
        strange=1.0 - several.least_true(p, truth=true),
        sets=set_sizes(p),
    )


def measured(
    outputs: Any, *, gold: "Gold", temperature: float, keys: Sequence[str]
) -> dict[str, Any]:
    """Return accuracy of whole sets, macro-F1 over labels, and how honest probabilities are."""
    p, true = several.sigmoid(outputs, temperature=temperature), np.array(gold.truth, np.int64)
    best = several.chosen(p)
    # The draws depend on the gold alone, so that two versions are drawn alike.
    rng = np.random.default_rng(zlib.crc32(gold.digest.encode()))
    sure = np.stack(
        [
            several.joint(p, sets=true),
            several.joint(p, sets=best),
            several.least_true(p, truth=true),
        ],
        axis=1,
    )
    return columns(
        best == true,
        f1=metrics.counted_f1(several.counts(best, truth=true, labels=len(keys)), rng=rng),
        nll=several.nll_of_each(p, truth=true),
        brier=several.brier_of_each(p, truth=true),
        gold=gold,
        rows=[
            [number, *(round(one, DIGITS) for one in row)]
            for number, row in zip(best.tolist(), sure.tolist(), strict=True)
        ],
    )


def answer(code: int, *, keys: Sequence[str]) -> Answer:
    """Return the set behind a number."""
    return composed(composing.keys_of(composing.bits([code], labels=len(keys))[0], keys=keys))


def dev_metric(said: Sequence[int], *, gold: "Gold", keys: Sequence[str]) -> float:
    """Return macro-F1 over labels."""
    table = several.counts(np.array(said), truth=gold.truth, labels=len(keys))
    return metrics.counted_f1(table, rng=np.random.default_rng(0), draws=1).value


def covered(rows: Sequence[Sequence[Any]], *, threshold: float) -> npt.NDArray[np.bool_]:
    """Return whether every right label is in the set."""
    return np.asarray(1.0 - np.array(rows, np.float64)[:, 3] <= threshold)


def answers(rows: Sequence[Sequence[Any]], *, truth: Sequence[int], labels: int) -> Answers:
    """Return kept answers as the gate compares them."""
    table = np.array(rows, np.float64).reshape(-1, 4)
    number, true = table[:, 0].astype(np.int64), np.array(truth, np.int64)
    return Answers(
        right=number == true,
        confidence=table[:, 2],
        truth=table[:, 1],
        label=number,
        counts=several.counts(number, truth=true, labels=labels),
    )
