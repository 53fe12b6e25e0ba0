"""One label a text, measured: a code is the label's position, outputs are logits N x K."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from annotation.objectives import Answer
from learning.methods import conformal, metrics
from learning.methods.calibration import FittedTemperature, fit_temperatures
from learning.methods.probabilities import softmax
from training.actions.shapes import DIGITS, Ask, Sureness, set_sizes
from training.methods.findings import Answers
from training.methods.resampling import f1_counts

if TYPE_CHECKING:
    from training.actions.evaluation import Gold

Floats = npt.NDArray[np.float64]


def truth(rows: Sequence[tuple[int, str, Any]], *, keys: Sequence[str]) -> list[int]:
    """Return the labels' positions."""
    return [position for position, _, _ in rows]


def read(ask: Ask, *, texts: Sequence[str], languages: Sequence[str]) -> Any:
    """Return logits."""
    return ask(texts=texts, languages=languages)


def said(outputs: Any) -> list[int]:
    """Return the best labels."""
    best: list[int] = outputs.argmax(axis=1).tolist()
    return best


def retyped(code: int, *, text: str, typed: Callable[[str], str]) -> int:
    """Return the label as it was: the words mean what they meant."""
    return code


def temperatures(
    outputs: Mapping[str, tuple[Any, Sequence[Any]]],
) -> Mapping[str, FittedTemperature]:
    """Fit a temperature a language."""
    return fit_temperatures(outputs)


def sureness(outputs: Any, *, truth: Sequence[int], temperature: float) -> Sureness:
    """Return how sure the version is of the best label."""
    p, true = softmax(outputs, temperature=temperature), np.asarray(truth, np.int64)
    return Sureness(
        sure=p.max(axis=1),
        right=p.argmax(axis=1) == true,
        strange=conformal.of_truth(conformal.lac(p), truth=true),
        sets=set_sizes(p),
    )


def measured(
    outputs: Any, *, gold: "Gold", temperature: float, keys: Sequence[str]
) -> dict[str, Any]:
    """Return accuracy, macro-F1 and how honest the probabilities are."""
    told = softmax(outputs, temperature=temperature)
    true, best = np.array(gold.truth), told.argmax(axis=1)
    # The draws depend on the gold alone, so that two versions are drawn alike.
    rng = np.random.default_rng(zlib.crc32(gold.digest.encode()))
    f1 = metrics.macro_f1(best, truth=true, classes=len(keys), rng=rng)
    rows = zip(
        best.tolist(),
        told[np.arange(len(true)), true].tolist(),
        told.max(axis=1).tolist(),
        strict=True,
    )
    return columns(
        best == true,
        f1=f1,
        nll=metrics.nll_of_each(told, truth=true),
        brier=metrics.brier_of_each(told, truth=true),
        gold=gold,
        rows=[[label, *(round(p, DIGITS) for p in sure)] for label, *sure in rows],
    )


def columns(
    right: Any,
    *,
    f1: metrics.Estimate,
    nll: Any,
    brier: Any,
    gold: "Gold",
    rows: Sequence[Sequence[Any]],
) -> dict[str, Any]:
    """Return the columns of an evaluation."""
    share = metrics.accuracy(right)
    return {
        "items": len(gold.samples),
        "accuracy": share.value,
        "accuracy_low": share.low,
        "accuracy_high": share.high,
        "macro_f1": f1.value,
        "macro_f1_low": f1.low,
        "macro_f1_high": f1.high,
        "nll": float(nll.mean()),
        "brier": float(brier.mean()),
        "answers": {str(sample): list(row) for sample, row in zip(gold.samples, rows, strict=True)},
    }


def answer(code: int, *, keys: Sequence[str]) -> Answer:
    """Return the label at a position."""
    return {"label": keys[code]}


def dev_metric(said: Sequence[int], *, gold: "Gold", keys: Sequence[str]) -> float:
    """Return macro-F1."""
    rng = np.random.default_rng(0)
    found = metrics.macro_f1(np.array(said), truth=gold.truth, classes=len(keys), rng=rng, draws=1)
    return found.value


def covered(rows: Sequence[Sequence[Any]], *, threshold: float) -> npt.NDArray[np.bool_]:
    """Return whether the true label is in the set."""
    return np.asarray(1.0 - np.array(rows, np.float64)[:, 1] <= threshold)


def answers(rows: Sequence[Sequence[Any]], *, truth: Sequence[int], labels: int) -> Answers:
    """Return kept answers as the gate compares them."""
    table = np.array(rows, np.float64).reshape(-1, 3)
    label, true = table[:, 0].astype(np.int64), np.array(truth, np.int64)
    return Answers(
        right=label == true,
        confidence=table[:, 2],
        truth=table[:, 1],
        label=label,
        counts=f1_counts(label, gold=true, classes=labels),
    )
