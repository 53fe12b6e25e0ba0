"""The gate: may a candidate replace the champion, in every language, on the same gold?

Each check is a function from paired answers to a :class:`Finding`, whose sentence needs no
statistics to be read. The tests behind them are in :mod:`training.methods.paired` (accuracy),
:mod:`training.methods.resampling` (any other metric) and :mod:`training.methods.honesty`
(calibration); the reason to change at all is an exact sign-flip test on clusters of items that
are translations of one another.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.methods.findings import (
    Answers,
    Case,
    CaseRule,
    Comparison,
    Decided,
    Decision,
    Finding,
    LanguageFinding,
    Terms,
    cases_finding,
    points,
)
from training.methods.honesty import Sure, error_rise, items_to_judge
from training.methods.non_inferiority import non_inferior, resampled_non_inferior
from training.methods.paired import (
    ALPHA,
    discordance,
    harm_p,
    holm,
    shared_risk,
    sign_flip_p,
    tango_interval,
)
from training.methods.parity import parity
from training.methods.resampling import Resampled, f1_counts, f1_difference, resample

__all__ = [
    "Answers",
    "Case",
    "CaseRule",
    "Comparison",
    "Decided",
    "Terms",
    "decide",
    "parity",
    "points",
]

ANCHOR_MARGIN = 0.05
CALIBRATION_MARGIN = 0.02
# With fewer items the calibration error of a perfect model is larger than what is looked for.
CALIBRATION_ITEMS = 250
# A gold version that has decided so often is worn out, until so much of it is fresh.
MOST_DECISIONS = 20
FRESH_SHARE = 0.25
CHAMPION = "the champion"
BEST = "the best ever released"


def decide(
    comparisons: Sequence[Comparison],
    *,
    terms: Terms,
    rng: np.random.Generator,
    void: Sequence[str] = (),
    cases: Sequence[Case] = (),
) -> Decided:
    """Give the verdict: VOID, BLOCK, HOLD or PASS, with a sentence for every reason."""
    measured = [_Measured(c, terms=terms, rng=rng) for c in comparisons]
    adjusted = holm([one.harm_p for one in measured])
    # Of languages with as much gold the same places are drawn: each bound is for its own language.
    drawn = int(rng.integers(1 << 32))
    languages = tuple(
        _judge_language(one, holm_p=p, terms=terms, drawn=drawn, languages=len(measured))
        for one, p in zip(measured, adjusted, strict=True)
    )
    why = reason(comparisons, terms=terms)
    gap, kept = parity(comparisons, rng=rng, alpha=terms.alpha), cases_finding(cases)
    pooled = (why, gap, kept)
    if void:
        return Decided("VOID", tuple(void), languages, pooled)
    verdict, reasons = _verdict(languages, why, gap, kept, terms=terms)
    return Decided(verdict, reasons, languages, pooled)


class _Measured:
    """One language's comparison with the difference to champion and anchor in the gate's metric."""

    def __init__(self, comparison: Comparison, *, terms: Terms, rng: np.random.Generator) -> None:
        self.comparison = comparison
        self.items = len(comparison.groups)
        self.fixed, self.broken = discordance(comparison.old.right, comparison.new.right)
        self._against: dict[str, Resampled] = {}
        if terms.metric != "accuracy" and self.items:
            self._against[CHAMPION] = _redrawn(comparison, comparison.old, rng)
            if comparison.anchor is not None:
                self._against[BEST] = _redrawn(comparison, comparison.anchor, rng)

    @property
    def harm_p(self) -> float:
        redrawn = self._against.get(CHAMPION)
        return redrawn.p_not_below(0.0) if redrawn else harm_p(self.fixed, broken=self.broken)

    def against(self, rival: str, answers: Answers, *, margin: float, alpha: float) -> Finding:
        """Is the candidate shown not to be worse than the rival by the margin?"""
        redrawn = self._against.get(rival)
        if redrawn is None:
            fixed, broken = discordance(answers.right, self.comparison.new.right)
            return non_inferior(
                fixed, broken=broken, items=self.items, margin=margin, alpha=alpha, rival=rival
            )
        return resampled_non_inferior(
            redrawn, items=self.items, margin=margin, alpha=alpha, rival=rival
        )

    def difference(self) -> tuple[float, float, float]:
        """Return the difference to the champion with its 90 % interval."""
        redrawn = self._against.get(CHAMPION)
        if redrawn:
            return redrawn.value, redrawn.bound(0.05), redrawn.bound(0.95)
        delta = (self.fixed - self.broken) / self.items if self.items else 0.0
        return delta, *tango_interval(self.fixed, broken=self.broken, items=self.items)


def _redrawn(comparison: Comparison, rival: Answers, rng: np.random.Generator) -> Resampled:
    if rival.counts is not None and comparison.new.counts is not None:
        change = f1_difference(rival.counts, comparison.new.counts)
        return resample(change, groups=comparison.groups, rng=rng)
    labels = [rival.label, comparison.new.label, comparison.gold]
    if any(one is None for one in labels):
        raise ValueError("F1 needs to know which label was given, and which is right")
    classes = 1 + max(int(np.max(one)) for one in labels if one is not None)
    old, new = (
        f1_counts(said.label, gold=comparison.gold, classes=classes)  # type: ignore[arg-type]
        for said in (rival, comparison.new)
    )
    return resample(f1_difference(old, new), groups=comparison.groups, rng=rng)


def harm(
    fixed: int, *, broken: int, adjusted: float, alpha: float = ALPHA, p: float | None = None
) -> Finding:
    """Is the candidate shown to be worse, all languages looked at?"""
    holds = adjusted >= alpha
    counts = f"{broken} answers became wrong and {fixed} became right"
    sentence = (
        f"No harm shown: {counts}."
        if holds
        else f"Harm: {counts}, more than chance explains (p = {adjusted:.4f})."
    )
    raw = harm_p(fixed, broken=broken) if p is None else p
    return Finding("harm", holds, sentence, {"p": raw, "holm_p": adjusted})


def reason(comparisons: Sequence[Comparison], *, terms: Terms) -> Finding:
    """Is there a reason to change: more fixed than broken, the target languages pooled?

    Items that share a group (translations of one another) move together, so a group counts
    once: under no change its sum is as likely up as down, and the distribution of all sums is
    computed exactly by convolution.
    """
    sums: dict[str, int] = {}
    aimed = [c for c in comparisons if not terms.targets or c.language in terms.targets]
    for comparison in aimed:
        change = comparison.new.right.astype(int) - comparison.old.right.astype(int)
        for index, step in enumerate(change):
            own = f"{comparison.language}\0{index}"
            group = f"\0{comparison.groups[index]}" if comparison.groups[index] else own
            sums[group] = sums.get(group, 0) + int(step)
    steps = [step for step in sums.values() if step]
    p = sign_flip_p(steps)
    total, items = sum(steps), sum(len(c.groups) for c in aimed)
    delta = total / items if items else 0.0
    where = "all languages" if len(aimed) == len(comparisons) else "the languages it learned in"
    numbers = {"delta": delta, "p": p, "groups": len(sums)}
    if terms.maintenance:
        return Finding("reason", True, f"It is declared maintenance: {terms.maintenance}.", numbers)
    holds = p < terms.alpha
    sentence = (
        f"A reason to change: {points(delta)} over {where} (p = {p:.4f})."
        if holds
        else f"No reason to change is shown: {points(delta)} over {where} (p = {p:.3f})."
    )
    return Finding("reason", holds, sentence, numbers)


def calibration(
    comparison: Comparison,
    *,
    rng: np.random.Generator,
    languages: int = 1,
    alpha: float = ALPHA,
    strict: bool = False,
) -> Finding:
    """Does the candidate's confidence stay honest?

    The bound of the rise (95 %, or what this look's share of the risk leaves) must stay below two points wherever there is gold enough for an
    equal candidate to show it, in every language. With less gold only a rise that is shown
    counts, and under 250 items none, unless ``strict``. The change of the mean surprise is told.
    """
    items = len(comparison.groups)
    if not items:
        said = "There is no gold to judge calibration."
        return Finding("calibration", not strict, said, {"items": 0})
    fixed, broken = discordance(comparison.old.right, comparison.new.right)
    churn = (fixed + broken) / items
    needed = items_to_judge(churn, bound=CALIBRATION_MARGIN, languages=languages, alpha=alpha)
    needed = max(needed, CALIBRATION_ITEMS)
    rise = error_rise(
        _sure(comparison.old), _sure(comparison.new), rng=rng, languages=languages, alpha=alpha
    )
    numbers = {"rise": rise.value, "bound": rise.high, "low": rise.low, "items": items}
    numbers |= {"old": rise.old, "new": rise.new}
    numbers["nll"] = _mean_nll(comparison.new) - _mean_nll(comparison.old)
    at_most = f"its error rises by at most {rise.high * 100:.1f} points"
    allowed = f"(allowed: {CALIBRATION_MARGIN * 100:.0f})"
    if rise.high <= CALIBRATION_MARGIN:
        return Finding(
            "calibration", True, f"Confidence stays honest: {at_most} {allowed}.", numbers
        )
    shown = rise.low > 0 and rise.value > CALIBRATION_MARGIN
    if shown and (strict or items >= CALIBRATION_ITEMS):
        said = f"Confidence became less honest: its error rose by {rise.value * 100:.1f} points {allowed}."
        return Finding("calibration", False, said, numbers)
    if strict or items >= needed:
        said = f"Confidence may no longer be honest: {at_most} {allowed}."
        return Finding("calibration", False, said, {**numbers, "needed": needed})
    said = (
        f"Not enough gold to judge calibration: {items} of {needed} items; {at_most}, "
        f"and the mean surprise changed by {numbers['nll']:+.3f}."
    )
    return Finding("calibration", True, said, {**numbers, "needed": needed})


def _sure(answers: Answers) -> Sure:
    return Sure(answers.right, answers.confidence)


def _mean_nll(answers: Answers) -> float:
    return float(-np.log(np.maximum(answers.truth, 1e-12)).mean()) if len(answers.truth) else 0.0


def _verdict(
    languages: Sequence[LanguageFinding],
    why: Finding,
    gap: Finding,
    kept: Finding,
    *,
    terms: Terms,
) -> tuple[Decision, tuple[str, ...]]:
    harmed = [found for found in languages if found.verdict == "BLOCK"]
    held = [found for found in languages if found.verdict == "HOLD"]
    told = (kept.sentence,) if not kept.holds else ()
    if harmed or (told and (terms.case_rule == "block" or kept.numbers.get("grave"))):
        return "BLOCK", (*(_why(found) for found in harmed), *told, gap.sentence)
    against = [_why(found) for found in held]
    against += [why.sentence] if not why.holds else []
    uneven = terms.parity_blocks and not gap.holds
    if against or not languages or uneven or (told and terms.case_rule == "hold"):
        return "HOLD", (*against, *told, gap.sentence)
    count = len(languages)
    everywhere = f"Shown not to be worse in {'the' if count == 1 else f'all {count}'} language"
    return "PASS", (f"{everywhere}{'' if count == 1 else 's'}.", why.sentence, *told, gap.sentence)


def _why(found: LanguageFinding) -> str:
    failed = " ".join(f.sentence for f in found.findings if not f.holds)
    if found.verdict != "HOLD" or found.findings[-1].check != "gold":
        return f"{found.language}: {failed}"
    return f"{found.language}: {failed} {found.findings[-1].sentence}".replace("  ", " ")


def _judge_language(
    one: _Measured,
    *,
    holm_p: float,
    terms: Terms,
    drawn: int,
    languages: int,
) -> LanguageFinding:
    comparison, alpha = one.comparison, terms.alpha
    findings = [
        harm(one.fixed, broken=one.broken, adjusted=holm_p, alpha=alpha, p=one.harm_p),
        one.against(CHAMPION, comparison.old, margin=terms.margin, alpha=alpha),
    ]
    if comparison.anchor is not None and one.items:
        findings.append(against_best(one, comparison.anchor, terms=terms))
    findings.append(
        calibration(
            comparison,
            rng=np.random.default_rng(drawn),
            languages=languages,
            alpha=alpha,
            strict=terms.strict_calibration,
        )
    )
    if comparison.language in terms.worn:
        findings.append(worn_out(terms.worn[comparison.language], items=one.items))
    missing, advice = _gold(findings, items=one.items)
    delta, low, high = one.difference()
    return LanguageFinding(
        language=comparison.language,
        items=one.items,
        fixed=one.fixed,
        broken=one.broken,
        delta=delta,
        low=low,
        high=high,
        harm_p=one.harm_p,
        champion_z=findings[1].numbers["z"],
        anchor_z=next((f.numbers["z"] for f in findings if f.check == BEST), None),
        missing=missing,
        verdict=_language_verdict(findings),
        findings=(*findings, *advice),
    )


def against_best(one: _Measured, best: Answers, *, terms: Terms) -> Finding:
    """Is the candidate shown to come near the best ever released?

    Each of many small losses looks for luck on the same gold, so where the best serves no more
    its gold shares the risk among all the decisions it may make. Where it serves, the champion's
    narrower margin has said it already.
    """
    asked = terms.past_best.get(one.comparison.language)
    if asked is None:
        return one.against(BEST, best, margin=ANCHOR_MARGIN, alpha=terms.alpha)
    now, later = (
        min(terms.alpha, shared_risk(k, decisions=MOST_DECISIONS)) for k in (asked, asked + 1)
    )
    found = one.against(BEST, best, margin=ANCHOR_MARGIN, alpha=now)
    again = one.against(BEST, best, margin=ANCHOR_MARGIN, alpha=later)
    told = {"alpha": now, "asked": asked, "needed": again.numbers["needed"]}
    oftener = f" This gold is asked so for time {asked}, and wants to be surer each time."
    said = found.sentence if found.holds or asked == 1 else found.sentence + oftener
    return replace(found, sentence=said, numbers={**found.numbers, **told})


def worn_out(fresh: int, *, items: int) -> Finding:
    """Gold that has decided too often decides no more: candidates would be bred to it."""
    sentence = (
        f"This gold has decided {MOST_DECISIONS} times and is worn out: {fresh} fresh items must"
        f" join it, a quarter of all, before it decides again."
    )
    return Finding("worn", False, sentence, {"needed": items + fresh})


def _language_verdict(findings: Sequence[Finding]) -> Decision:
    if not findings[0].holds:
        return "BLOCK"
    return "PASS" if all(found.holds for found in findings) else "HOLD"


def _gold(findings: Sequence[Finding], *, items: int) -> tuple[int, list[Finding]]:
    """Say how many gold items are missing; none when more of them would not help."""
    short = [int(f.numbers["needed"]) for f in findings if not f.holds and "needed" in f.numbers]
    if not short:
        return 0, []
    needed = max(short)
    missing = max(needed - items, 0)
    sentence = (
        f"{missing} gold items are missing: {items} of {needed}."
        if missing
        else f"{items} gold items are enough; it is the candidate that falls short."
    )
    return missing, [Finding("gold", True, sentence, {"needed": needed, "missing": missing})]
