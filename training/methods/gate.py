"""The gate: may a candidate replace the champion, in every language, on the same gold?

Each check is a function from paired answers to a :class:`Finding`, whose sentence needs no
statistics to be read. The tests behind them are in :mod:`training.methods.paired`; the reason
to change at all is an exact sign-flip test on clusters of items that are translations of one
another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from training.methods.paired import (
    ALPHA,
    BoolArray,
    discordance,
    harm_p,
    holm,
    items_needed,
    sign_flip_p,
    tango_interval,
    tango_z,
)

FloatArray = npt.NDArray[np.float64]
Decision = Literal["VOID", "BLOCK", "HOLD", "PASS"]

ANCHOR_MARGIN = 0.05
CALIBRATION_MARGIN = 0.02
# Below this the calibration error of a perfect model is larger than what we look for.
CALIBRATION_ITEMS = 250
# Assumed share of changed answers where no gold says how many there are.
USUAL_CHURN = 0.10
BEST = "the best ever released"


@dataclass(frozen=True)
class Answers:
    """What one version said on N gold items: right or not, how sure, how near the truth."""

    right: BoolArray
    confidence: FloatArray
    truth: FloatArray


@dataclass(frozen=True)
class Comparison:
    """Two versions, and the best ever released, on the same N gold items of one language."""

    language: str
    old: Answers
    new: Answers
    groups: tuple[str, ...]
    anchor: Answers | None = None


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


def non_inferior(
    fixed: int, *, broken: int, items: int, margin: float, alpha: float = ALPHA, rival: str
) -> Finding:
    """Is the candidate shown not to be worse than its rival by the margin?"""
    z = tango_z(fixed, broken=broken, items=items, margin=margin)
    holds = bool(items and z > norm.ppf(1 - alpha))
    low, high = tango_interval(fixed, broken=broken, items=items, level=1 - 2 * alpha)
    said = f"between {points(low)} and {points(high)} against {rival}"
    if not items:
        sentence = f"There is no gold to compare with {rival}."
    elif holds:
        sentence = f"Not worse: {said}, all above the margin of {points(-margin)}."
    else:
        sentence = f"Not shown: {said}, which reaches below the margin of {points(-margin)}."
    return Finding(rival, holds, sentence, {"z": z, "low": low, "high": high, "margin": margin})


def harm(fixed: int, *, broken: int, adjusted: float, alpha: float = ALPHA) -> Finding:
    """Is the candidate shown to be worse, all languages looked at?"""
    holds = adjusted >= alpha
    counts = f"{broken} answers became wrong and {fixed} became right"
    sentence = (
        f"No harm shown: {counts}."
        if holds
        else f"Harm: {counts}, more than chance explains (p = {adjusted:.4f})."
    )
    return Finding("harm", holds, sentence, {"p": harm_p(fixed, broken=broken), "holm_p": adjusted})


def reason(comparisons: Sequence[Comparison], *, alpha: float = ALPHA) -> Finding:
    """Is there a reason to change: more fixed than broken, all languages pooled?

    Items that share a group (translations of one another) move together, so a group counts
    once: under no change its sum is as likely up as down, and the distribution of all sums is
    computed exactly by convolution.
    """
    sums: dict[str, int] = {}
    for comparison in comparisons:
        change = comparison.new.right.astype(int) - comparison.old.right.astype(int)
        for index, step in enumerate(change):
            own = f"{comparison.language}\0{index}"
            group = f"\0{comparison.groups[index]}" if comparison.groups[index] else own
            sums[group] = sums.get(group, 0) + int(step)
    steps = [step for step in sums.values() if step]
    p = sign_flip_p(steps)
    total, items = sum(steps), sum(len(c.groups) for c in comparisons)
    delta = total / items if items else 0.0
    holds = p < alpha
    sentence = (
        f"A reason to change: {points(delta)} over all languages (p = {p:.4f})."
        if holds
        else f"No reason to change is shown: {points(delta)} over all languages (p = {p:.3f})."
    )
    return Finding("reason", holds, sentence, {"delta": delta, "p": p, "groups": len(sums)})


def calibration_error(answers: Answers, *, bins: int = 5) -> float:
    """Adaptive expected calibration error: equally filled bins of confidence."""
    order = np.argsort(answers.confidence, kind="stable")
    gap = answers.right[order].astype(float) - answers.confidence[order]
    return float(sum(abs(part.sum()) for part in np.array_split(gap, bins)) / max(len(gap), 1))


def calibration(comparison: Comparison, *, rng: np.random.Generator, draws: int = 1000) -> Finding:
    """Does the candidate's confidence stay honest? Bootstrap over items, 95 % upper bound."""
    items = len(comparison.groups)
    nll = _mean_nll(comparison.new) - _mean_nll(comparison.old)
    if items < CALIBRATION_ITEMS:
        sentence = (
            f"Not enough gold to judge calibration: {items} of {CALIBRATION_ITEMS} items; "
            f"the mean surprise changed by {nll:+.3f}."
        )
        return Finding("calibration", True, sentence, {"items": items, "nll": nll})
    rises = np.empty(draws)
    for draw in range(draws):
        rows = rng.integers(0, items, items)
        rises[draw] = calibration_error(_take(comparison.new, rows)) - calibration_error(
            _take(comparison.old, rows)
        )
    bound = float(np.quantile(rises, 0.95))
    holds = bound <= CALIBRATION_MARGIN
    sentence = (
        f"Confidence {'stays' if holds else 'may no longer be'} honest: its error rises by at "
        f"most {bound * 100:.1f} points (allowed: {CALIBRATION_MARGIN * 100:.0f})."
    )
    return Finding("calibration", holds, sentence, {"bound": bound, "nll": nll, "items": items})


def _mean_nll(answers: Answers) -> float:
    return float(-np.log(np.maximum(answers.truth, 1e-12)).mean()) if len(answers.truth) else 0.0


def _take(answers: Answers, rows: npt.NDArray[np.int64]) -> Answers:
    return Answers(answers.right[rows], answers.confidence[rows], answers.truth[rows])


def parity(
    comparisons: Sequence[Comparison], *, rng: np.random.Generator, draws: int = 1000
) -> Finding:
    """Does the worst language fall further behind the mean? Reported, never decisive."""
    judged = [c for c in comparisons if c.groups]
    if len(judged) < 2:
        return Finding("parity", True, "Parity needs gold in two languages at least.")
    drawn = np.empty((draws + 1, 2, len(judged)))
    for column, comparison in enumerate(judged):
        items = len(comparison.groups)
        rows = np.vstack([np.arange(items), rng.integers(0, items, (draws, items))])
        drawn[:, 0, column] = comparison.old.right[rows].mean(axis=1)
        drawn[:, 1, column] = comparison.new.right[rows].mean(axis=1)
    gap = drawn.mean(axis=2) - drawn.min(axis=2)
    change = gap[:, 1] - gap[:, 0]
    bound = float(np.quantile(change[1:], 0.95))
    sentence = (
        f"The worst language is {points(float(gap[0, 1])).lstrip('+')} below the mean; "
        f"that gap changed by {points(float(change[0]))} (at most {points(bound)})."
    )
    numbers = {"gap": float(gap[0, 1]), "change": float(change[0]), "bound": bound}
    return Finding("parity", bound <= CALIBRATION_MARGIN, sentence, numbers)


def decide(
    comparisons: Sequence[Comparison],
    *,
    margin: float,
    rng: np.random.Generator,
    void: Sequence[str] = (),
    alpha: float = ALPHA,
) -> Decided:
    """Give the verdict: VOID, BLOCK, HOLD or PASS, with a sentence for every reason."""
    tables = [discordance(c.old.right, c.new.right) for c in comparisons]
    adjusted = holm([harm_p(fixed, broken=broken) for fixed, broken in tables])
    languages = tuple(
        _judge_language(c, margin=margin, holm_p=p, rng=rng, alpha=alpha)
        for c, p in zip(comparisons, adjusted, strict=True)
    )
    pooled = (reason(comparisons, alpha=alpha), parity(comparisons, rng=rng))
    if void:
        return Decided("VOID", tuple(void), languages, pooled)
    verdict, reasons = _verdict(languages, pooled[0])
    return Decided(verdict, (*reasons, pooled[1].sentence), languages, pooled)


def _verdict(
    languages: Sequence[LanguageFinding], why: Finding
) -> tuple[Decision, tuple[str, ...]]:
    harmed = [found for found in languages if found.verdict == "BLOCK"]
    held = [found for found in languages if found.verdict == "HOLD"]
    if harmed:
        return "BLOCK", tuple(_why(found) for found in harmed)
    if held or not why.holds or not languages:
        sentences = [_why(found) for found in held]
        return "HOLD", tuple(sentences if why.holds else [*sentences, why.sentence])
    count = len(languages)
    everywhere = f"Shown not to be worse in {'the' if count == 1 else f'all {count}'} language"
    return "PASS", (f"{everywhere}{'' if count == 1 else 's'}.", why.sentence)


def _why(found: LanguageFinding) -> str:
    failed = " ".join(f.sentence for f in found.findings if not f.holds)
    if found.verdict != "HOLD" or found.findings[-1].check != "gold":
        return f"{found.language}: {failed}"
    return f"{found.language}: {failed} {found.findings[-1].sentence}".replace("  ", " ")


def _judge_language(
    comparison: Comparison,
    *,
    margin: float,
    holm_p: float,
    rng: np.random.Generator,
    alpha: float,
) -> LanguageFinding:
    items = len(comparison.groups)
    fixed, broken = discordance(comparison.old.right, comparison.new.right)
    findings = [
        harm(fixed, broken=broken, adjusted=holm_p, alpha=alpha),
        non_inferior(
            fixed, broken=broken, items=items, margin=margin, alpha=alpha, rival="the champion"
        ),
        *_anchor(comparison, alpha=alpha),
        calibration(comparison, rng=rng),
    ]
    missing, advice = _gold(comparison, findings, margin=margin, alpha=alpha)
    low, high = tango_interval(fixed, broken=broken, items=items)
    return LanguageFinding(
        language=comparison.language,
        items=items,
        fixed=fixed,
        broken=broken,
        delta=(fixed - broken) / items if items else 0.0,
        low=low,
        high=high,
        harm_p=harm_p(fixed, broken=broken),
        champion_z=findings[1].numbers["z"],
        anchor_z=next((f.numbers["z"] for f in findings if f.check == BEST), None),
        missing=missing,
        verdict=_language_verdict(findings),
        findings=(*findings, *advice),
    )


def _anchor(comparison: Comparison, *, alpha: float) -> list[Finding]:
    if comparison.anchor is None or not comparison.groups:
        return []
    fixed, broken = discordance(comparison.anchor.right, comparison.new.right)
    items = len(comparison.groups)
    found = non_inferior(
        fixed, broken=broken, items=items, margin=ANCHOR_MARGIN, alpha=alpha, rival=BEST
    )
    churn = (fixed + broken) / items
    return [Finding(found.check, found.holds, found.sentence, {**found.numbers, "churn": churn})]


def _language_verdict(findings: Sequence[Finding]) -> Decision:
    if not findings[0].holds:
        return "BLOCK"
    return "PASS" if all(found.holds for found in findings) else "HOLD"


def _gold(
    comparison: Comparison, findings: Sequence[Finding], *, margin: float, alpha: float
) -> tuple[int, list[Finding]]:
    """Say how many gold items are missing; none when more of them would not help."""
    items = len(comparison.groups)
    fixed, broken = discordance(comparison.old.right, comparison.new.right)
    needs = {
        "the champion": ((fixed + broken) / items if items else USUAL_CHURN, margin),
        BEST: (next((f.numbers["churn"] for f in findings if f.check == BEST), 0), ANCHOR_MARGIN),
    }
    short = [needs[f.check] for f in findings if not f.holds and f.check in needs]
    if not short:
        return 0, []
    needed = max(items_needed(churn, margin=allowed, alpha=alpha) for churn, allowed in short)
    missing = max(needed - items, 0)
    sentence = (
        f"{missing} gold items are missing: {items} of {needed}."
        if missing
        else f"{items} gold items are enough; it is the candidate that falls short."
    )
    return missing, [Finding("gold", True, sentence, {"needed": needed, "missing": missing})]
