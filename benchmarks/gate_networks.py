"""Networks whose honesty and F1 are known, for ``python -m benchmarks.gate``.

Texts have K scores drawn from a normal distribution, the truth is drawn from their softmax, and a
version sees the scores with noise of its own; two versions share most of it. Temperatures are
fitted on a large set, so both are as honest as temperatures make them; a candidate that is not has
its temperature moved until its calibration error on that set has risen by exactly two points.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar

from benchmarks.figures import Figure
from training.methods.findings import Answers, Comparison, Terms
from training.methods.gate import CALIBRATION_MARGIN, calibration, decide

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CLASSES = 4
NOISE, SCALE = 0.8, 2.0
MANY = 200_000
SIZES = (250, 400, 800, 1600)
DRAWS = 400


@dataclass(frozen=True)
class Pair:
    """Two versions that share so much of their noise, with their temperatures and the moved ones."""

    shared: float
    old: float
    new: float
    over: float
    under: float
    churn: float


def texts(rng: np.random.Generator, items: int, shared: float) -> tuple[Floats, Floats, Ints]:
    """Return N x K scores of two versions, and the truth."""
    true = rng.standard_normal((items, CLASSES)) * SCALE
    same, own = rng.standard_normal((2, items, CLASSES))
    old = true + NOISE * same
    new = true + NOISE * (shared * same + np.sqrt(1 - shared**2) * own)
    truth = (true + rng.gumbel(size=true.shape)).argmax(axis=1)
    return old, new, truth


def probabilities(scores: Floats, temperature: float) -> Floats:
    """Softmax of the scores at a temperature."""
    scaled = scores / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def answers(scores: Floats, truth: Ints, temperature: float) -> Answers:
    """What a version says at a temperature."""
    p = probabilities(scores, temperature)
    best = p.argmax(axis=1)
    return Answers(best == truth, p.max(axis=1), p[np.arange(len(p)), truth], best)


def true_error(told: Answers, bins: int = 100) -> float:
    """The calibration error on a set so large that noise does not count."""
    order = np.argsort(told.confidence, kind="stable")
    gap = (told.confidence - told.right)[order]
    return float(sum(abs(part.sum()) for part in np.array_split(gap, bins)) / len(gap))


def pair_of(shared: float) -> Pair:
    """Fit both temperatures and move the candidate's until its error has risen by two points."""
    old, new, truth = texts(np.random.default_rng(0), MANY, shared)

    def surprise(log: float, scores: Floats) -> float:
        p = probabilities(scores, float(np.exp(log)))[np.arange(MANY), truth]
        return float(-np.log(p + 1e-12).mean())

    heat = [
        float(np.exp(minimize_scalar(surprise, bounds=(-2, 2), method="bounded", args=(z,)).x))
        for z in (old, new)
    ]
    before, after = answers(old, truth, heat[0]), answers(new, truth, heat[1])
    goal = true_error(before) + CALIBRATION_MARGIN

    def off(step: float, sign: int) -> float:
        return true_error(answers(new, truth, heat[1] * float(np.exp(sign * step)))) - goal

    over, under = (brentq(off, 0.0, 0.8, args=(sign,), xtol=1e-3) for sign in (-1, 1))
    churn = float((before.right != after.right).mean())
    return Pair(shared, heat[0], heat[1], heat[1] * np.exp(-over), heat[1] * np.exp(under), churn)


def plug_in_bound(old: Answers, new: Answers, rng: np.random.Generator) -> float:
    """The check as it was: 95 % of bootstrapped differences of two plug-in errors, own bins."""
    items = len(old.right)
    rows = rng.integers(0, items, (DRAWS, items))
    edges = np.linspace(0, items, 6).round().astype(np.int64)[:-1]

    def error(told: Answers) -> Floats:
        sure, right = told.confidence[rows], told.right[rows]
        order = np.argsort(sure, axis=1, kind="stable")
        gap = np.take_along_axis(sure - right, order, axis=1)
        return np.asarray(np.abs(np.add.reduceat(gap, edges, axis=1)).sum(axis=1) / items)

    return float(np.quantile(error(new) - error(old), 0.95))


def calibration_figures(sims: int) -> list[Figure]:
    """Size and power of the calibration check at several sizes of gold and shares of change."""
    found = []
    for shared in (0.98, 0.93):
        pair = pair_of(shared)
        for items in SIZES:
            found += _calibration_rows(pair, items, sims)
    return found


def _calibration_rows(pair: Pair, items: int, sims: int) -> list[Figure]:
    named = f"d = {pair.churn:.3f}, n = {items}"
    rows = []
    for kind, heat in (
        ("equal", pair.new),
        ("+2 overconfident", pair.over),
        ("+2 shy", pair.under),
    ):
        rng = np.random.default_rng(items)
        tally = np.zeros(3)
        for _ in range(sims):
            old, new, truth = texts(rng, items, pair.shared)
            before, after = answers(old, truth, pair.old), answers(new, truth, heat)
            comparison = Comparison("wo", before, after, ("",) * items, None, truth)
            told = calibration(comparison, rng=rng, languages=12)
            tally += (
                told.numbers["bound"] <= CALIBRATION_MARGIN,
                plug_in_bound(before, after, rng) <= CALIBRATION_MARGIN,
                told.holds,
            )
        bound, plug, held = (tally / sims).tolist()
        level = None if kind == "equal" else 0.05
        rows += [
            Figure(
                f"calibration bound within 2 points, {kind}, {named}",
                bound,
                plug,
                bar=level,
                less=level is not None,
            ),
            Figure(f"calibration check lets it go on, {kind}, {named}", held),
        ]
    return rows


def f1_figures(sims: int) -> list[Figure]:
    """How often macro-F1 is let go on with a true loss at the margin, and with none."""
    found = []
    for name, lost in (("at the margin", 0.03), ("equal", 0.0)):
        rng, passed = np.random.default_rng(8), 0
        for _ in range(sims):
            passed += _f1_accepted(rng, items=800, churn=0.06, lost=lost)
        share = passed / sims
        bar = 0.05 if lost else None
        half = 1.96 * float(np.sqrt(max(share * (1 - share), 1 / sims) / sims))
        found.append(
            Figure(
                f"macro-F1, n = 800, d = .06, {name}: accepted",
                share,
                bar=bar,
                low=max(0.0, share - half),
                high=share + half,
                less=True,
            )
        )
    return found


def _f1_accepted(rng: np.random.Generator, *, items: int, churn: float, lost: float) -> bool:
    """Equally common classes and errors at random: macro-F1 moves as accuracy does."""
    truth = rng.integers(0, CLASSES, items)
    wrong = (truth + rng.integers(1, CLASSES, items)) % CLASSES
    right = rng.random(items) < 0.8
    chance = rng.random(items)
    new = np.where(right, chance >= (churn + lost) / 2 / 0.8, chance < (churn - lost) / 2 / 0.2)
    sure = np.full(items, 0.8)
    before, after = (
        Answers(told, sure, sure, np.where(told, truth, wrong)) for told in (right, new)
    )
    comparison = Comparison("wo", before, after, ("",) * items, None, truth)
    terms = Terms(margin=0.03, metric="macro-f1")
    decided = decide([comparison], terms=terms, rng=rng)
    return decided.languages[0].findings[1].holds
