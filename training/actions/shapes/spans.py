"""Marks in a text, measured: a code is the marks by class number as JSON, outputs are of units.

Accuracy is of whole texts, exactly the right marks; F1 the mean over classes of whole spans, by
counts kept with every text, so that two versions are compared on the same texts. How sure a
version is of a text is the probability of all its tags together, after a temperature that is
fitted on units. How many answers lie above a threshold is not told: too many could be given.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from annotation.methods.span_metrics import tally
from annotation.methods.spans import Span, encode, units
from annotation.objectives import Answer
from annotation.objectives.spans import answer_of
from learning.methods import metrics
from learning.methods.calibration import FittedTemperature, fit_temperatures
from learning.methods.noise import followed
from learning.methods.tagging import Read, decoded, log_probabilities, truth_probability
from training.actions.shapes import DIGITS, Ask, Sureness
from training.actions.shapes.classes import columns
from training.methods.findings import Answers

if TYPE_CHECKING:
    from training.actions.evaluation import Gold

# What is kept of a text: its code, how probable the truth was and the answer, counts by class.
TRUE, SURE, COUNTS = 1, 2, 3


class Outputs:
    """What a network says of N texts: the logits (u x K) of the units of each."""

    def __init__(self, texts: Sequence[str], logits: Sequence[npt.NDArray[Any]]) -> None:
        self.units, self.logits = [units(text) for text in texts], list(logits)
        tags = next((one.shape[1] for one in self.logits), 3)
        self.classes = [str(number) for number in range(tags // 2)]

    def logs(self, temperature: float) -> npt.NDArray[np.float64]:
        """Return the log-probabilities of all units' tags."""
        return log_probabilities(self.logits, temperature=temperature)

    def reads(self, temperature: float = 1.0) -> list[Read]:
        """Return the best spans of each text; their classes are numbers."""
        return decoded(self.logs(temperature), units=self.units, labels=self.classes)

    def of_truth(self, truth: Sequence[str], *, temperature: float) -> npt.NDArray[np.float64]:
        """Return how probable exactly the right spans of each text are."""
        return truth_probability(
            self.logs(temperature),
            units=self.units,
            spans=[coded(code) for code in truth],
            labels=self.classes,
        )

    def tags(self, truth: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the right tags of all units."""
        both = zip(truth, self.units, strict=True)
        return np.concatenate(
            [encode(coded(code), units=one, labels=self.classes) for code, one in both]
        )


def code_of(spans: Sequence[Span]) -> str:
    """Return the code of spans whose classes are numbers.

    >>> code_of([Span(7, 12, "1"), Span(0, 3, "0")])
    '[[0,3,0],[7,12,1]]'
    """
    told = [[one.start, one.end, int(one.label)] for one in sorted(spans)]
    return json.dumps(told, separators=(",", ":"))


def coded(code: str) -> tuple[Span, ...]:
    """Return the spans behind a code.

    >>> coded('[[0,3,1]]')
    (Span(start=0, end=3, label='1'),)
    """
    return tuple(Span(start, end, str(number)) for start, end, number in json.loads(code))


def truth(rows: Sequence[tuple[int, str, Any]], *, keys: Sequence[str]) -> list[str]:
    """Return the codes of what is right."""
    number = {key: str(at) for at, key in enumerate(keys)}
    return [
        code_of([Span(start, end, number[key]) for start, end, key in value or ()])
        for _, _, value in rows
    ]


def read(ask: Ask, *, texts: Sequence[str], languages: Sequence[str]) -> Outputs:
    """Return what is said of every unit."""
    return Outputs(texts, ask(texts=texts, languages=languages))


def said(outputs: Outputs) -> list[str]:
    """Return the codes of the best spans."""
    return [code_of(one.spans) for one in outputs.reads()] if outputs.units else []


def retyped(code: str, *, text: str, typed: Callable[[str], str]) -> str | None:
    """Return the marks where their words are now; None where that is not certain, or nothing is left.

    >>> retyped("[[3,6,0]]", text="Шу Ашю", typed=str.upper)
    '[[3,6,0]]'
    """
    marks = coded(code)
    ends = [place for one in marks for place in (one.start, one.end)]
    there = followed(text, typed=typed, places=ends)
    if there is None:
        return None
    pairs = list(zip(there[::2], there[1::2], strict=True))
    if any(start >= end for start, end in pairs):
        return None
    return code_of(
        [Span(start, end, one.label) for (start, end), one in zip(pairs, marks, strict=True)]
    )


def temperatures(
    outputs: Mapping[str, tuple[Any, Sequence[str]]],
) -> Mapping[str, FittedTemperature]:
    """Fit a temperature a language on the likelihood of all units' tags."""
    return fit_temperatures(
        {
            tag: (np.concatenate(told.logits), told.tags(codes)) if len(codes) else ([], [])
            for tag, (told, codes) in outputs.items()
        }
    )


def sureness(outputs: Outputs, *, truth: Sequence[str], temperature: float) -> Sureness:
    """Return how sure the version is of all spans of a text."""
    reads, none = outputs.reads(temperature), np.zeros(0)
    said = [code_of(one.spans) for one in reads]
    return Sureness(
        sure=np.array([one.whole for one in reads]),
        right=np.array([code == true for code, true in zip(said, truth, strict=True)], bool),
        strange=1.0 - outputs.of_truth(truth, temperature=temperature),
        sets=lambda threshold: none,
    )


def measured(
    outputs: Outputs, *, gold: "Gold", temperature: float, keys: Sequence[str]
) -> dict[str, Any]:
    """Return accuracy of whole texts, F1 over classes of spans, and how honest sureness is."""
    reads = outputs.reads(temperature)
    said = [code_of(one.spans) for one in reads]
    sure = np.array([one.whole for one in reads])
    true = outputs.of_truth(gold.truth, temperature=temperature)
    right = np.array([code == meant for code, meant in zip(said, gold.truth, strict=True)], bool)
    counts = _counts(said, truth=gold.truth, classes=len(keys))
    # The draws depend on the gold alone, so that two versions are drawn alike.
    rng = np.random.default_rng(zlib.crc32(gold.digest.encode()))
    told = zip(said, true.tolist(), sure.tolist(), counts.tolist(), strict=True)
    return columns(
        right,
        f1=metrics.counted_f1(counts.astype(np.float64), rng=rng),
        nll=-np.log(np.maximum(true, 1e-12)),
        brier=2 * (sure - right) ** 2,
        gold=gold,
        rows=[[code, round(p, DIGITS), round(top, DIGITS), seen] for code, p, top, seen in told],
    )


def answer(code: str, *, keys: Sequence[str]) -> Answer:
    """Return the marks behind a code."""
    named = [Span(one.start, one.end, keys[int(one.label)]) for one in coded(code)]
    return answer_of(named)


def dev_metric(said: Sequence[str], *, gold: "Gold", keys: Sequence[str]) -> float:
    """Return the mean F1 over classes of spans."""
    counts = _counts(said, truth=gold.truth, classes=len(keys)).astype(np.float64)
    return metrics.counted_f1(counts, rng=np.random.default_rng(0), draws=1).value


def covered(rows: Sequence[Sequence[Any]], *, threshold: float) -> npt.NDArray[np.bool_]:
    """Return whether the truth is among the answers that are probable enough."""
    return np.array([1.0 - row[TRUE] <= threshold for row in rows], bool)


def answers(rows: Sequence[Sequence[Any]], *, truth: Sequence[str], labels: int) -> Answers:
    """Return kept answers as the gate compares them."""
    return Answers(
        right=np.array([row[0] == true for row, true in zip(rows, truth, strict=True)], bool),
        confidence=np.array([row[SURE] for row in rows], np.float64),
        truth=np.array([row[TRUE] for row in rows], np.float64),
        label=np.array([row[0] for row in rows], str),
        counts=np.array([row[COUNTS] for row in rows], np.float64).reshape(-1, labels, 3),
    )


def _counts(said: Sequence[str], *, truth: Sequence[str], classes: int) -> npt.NDArray[np.int64]:
    """Return N x C x 3: what is right, what was found and what was meant."""
    return tally(
        [coded(code) for code in truth],
        found=[coded(code) for code in said],
        labels=[str(number) for number in range(classes)],
    )
