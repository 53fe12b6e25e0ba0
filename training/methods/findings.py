"""Findings: what a gate is told, what it may assume, and what it found, in numbers and words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Decision = Literal["VOID", "BLOCK", "HOLD", "PASS"]
Metric = Literal["accuracy", "macro-f1"]
# Of the cases of a language that are not grave so many may be lost, each of them named.
LOST = 0.02
CaseRule = Literal["report", "hold", "block"]


@dataclass(frozen=True)
class Answers:
    """What one version said on N gold items: right or not, how sure, how near the truth, and what.

    ``label`` are codes of answers, equal for equal ones; ``counts`` (N x C x 3) the hits, answers
    and truths of C classes in each item, of which F1 is made.
    """

    right: BoolArray
    confidence: FloatArray
    truth: FloatArray
    label: npt.NDArray[Any] | None = None
    counts: FloatArray | None = None


@dataclass(frozen=True)
class Comparison:
    """Two versions, and the best ever released, on the same N gold items of one language.

    ``groups`` names items that are translations of one another; ``gold`` are the N true labels.
    """

    language: str
    old: Answers
    new: Answers
    groups: tuple[str, ...]
    anchor: Answers | None = None
    gold: IntArray | None = None


@dataclass(frozen=True)
class Case:
    """One regression case: what it asks, and whether each version got it right.

    ``learned``: the candidate was trained on the text, or nearly so, and its answer shows nothing.
    ``grave``: what was reported did harm, or was told by many: nothing may bring it back.
    ``disputed``: speakers doubt what it asks for: it is asked, and decides nothing.
    """

    language: str
    text: str
    old_right: bool
    new_right: bool
    learned: bool = False
    grave: bool = False
    disputed: bool = False

    @property
    def fair(self) -> bool:
        """Whether it tells anything: it was not learned, and nobody disputes what it asks for."""
        return not (self.learned or self.disputed)

    @property
    def broken(self) -> bool:
        """Whether the candidate spoils what was right, on a text that it had not learned."""
        return self.old_right and not self.new_right and self.fair


@dataclass(frozen=True)
class Terms:
    """On which terms a gate decides.

    ``alpha`` is the risk of this one look. ``targets`` are the languages in which an update was
    to help (empty: all); ``maintenance`` says why an update needs no gain. ``worn`` are languages
    whose gold has decided too often, with how many fresh items it lacks. ``past_best`` are
    languages in which the best ever released does not serve any more, with how often their gold
    has been asked since, this time too, whether a candidate comes near it.
    """

    margin: float
    alpha: float = 0.05
    metric: Metric = "accuracy"
    parity_blocks: bool = False
    strict_calibration: bool = False
    case_rule: CaseRule = "block"
    targets: frozenset[str] = frozenset()
    maintenance: str = ""
    worn: Mapping[str, int] = field(default_factory=dict)
    past_best: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One check: whether it holds, the numbers behind it, and a sentence to read."""

    check: str
    holds: bool
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LanguageFinding:
    """Everything the gate found in one language."""

    language: str
    items: int
    fixed: int
    broken: int
    delta: float
    low: float
    high: float
    harm_p: float
    champion_z: float
    anchor_z: float | None
    missing: int
    verdict: Decision
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Decided:
    """The decision, why, and every finding."""

    verdict: Decision
    reasons: tuple[str, ...]
    languages: tuple[LanguageFinding, ...]
    pooled: tuple[Finding, ...]


def points(share: float) -> str:
    """Write a difference of shares as a person says it.

    >>> points(0.0213), points(-0.03)
    ('+2.1 points', '−3.0 points')
    """
    return f"{share * 100:+.1f} points".replace("-", "−")


def cases_finding(cases: Sequence[Case], *, most: int = 5) -> Finding:
    """Does the candidate keep every regression case that the champion gets right?

    None that is grave may be lost. Of the others of a language two in a hundred may, each of them
    named; with fewer than fifty that is none.

    >>> cases_finding([Case("wo", "na nga def", True, False)]).sentence
    '1 of 1 regression cases got worse: wo “na nga def”.'
    >>> some = [Case("wo", f"text {n}", True, n > 0) for n in range(60)]
    >>> cases_finding(some).holds, cases_finding([*some, Case("wo", "x", True, False, grave=True)]).holds
    (True, False)
    """
    if not cases:
        none = {"cases": 0, "broken": 0, "learned": 0}
        return Finding("cases", True, "There are no regression cases.", none)
    learned = sum(case.learned for case in cases)
    disputed = sum(case.disputed and not case.learned for case in cases)
    fair, broken = sum(case.fair for case in cases), [case for case in cases if case.broken]
    numbers = {"cases": len(cases), "broken": len(broken), "learned": learned}
    numbers |= {"grave": sum(case.grave for case in broken), "disputed": disputed}
    beside = (
        f" {learned} of {len(cases)} {'is' if learned == 1 else 'are'} no evidence: the candidate"
        " has learned the text, or nearly the same."
        if learned
        else ""
    )
    if disputed:
        beside += (
            f" {disputed} of {len(cases)} {'decides' if disputed == 1 else 'decide'} nothing:"
            " speakers dispute what they ask for."
        )
    if not broken:
        said = f"All {fair} regression cases are as right as before." if fair else ""
        return Finding("cases", True, f"{said}{beside}".strip(), numbers)
    named = "; ".join(f"{case.language} “{case.text[:60]}”" for case in broken[:most])
    more = f"; and {len(broken) - most} more" if len(broken) > most else ""
    holds = not numbers["grave"] and _few_enough(cases)
    few = f" That is within {LOST:.0%} of the lesser cases of each language." if holds else ""
    sentence = f"{len(broken)} of {fair} regression cases got worse: {named}{more}.{few}{beside}"
    return Finding("cases", holds, sentence, numbers)


def _few_enough(cases: Sequence[Case]) -> bool:
    """Tell whether in each language no more of the lesser cases were lost than may be."""
    lesser = [case for case in cases if case.fair and not case.grave]
    lost = Counter(case.language for case in lesser if case.broken)
    of = Counter(case.language for case in lesser)
    return all(lost[language] <= LOST * of[language] for language in lost)
