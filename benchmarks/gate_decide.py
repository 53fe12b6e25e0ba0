"""The whole gate, ``decide`` as the product calls it, for ``python -m benchmarks.gate``.

Two versions of each of twelve languages answer made texts (:mod:`benchmarks.gate_networks`): how
often the candidate's answers change and by how much its accuracy differs is set by how much noise
it shares and how much it has of its own, and temperatures are fitted, so both are honest. What
the gate says then rests on all of its checks: harm, non-inferiority, a reason, calibration.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar

from benchmarks.figures import Figure
from benchmarks.gate_networks import CLASSES, MANY, NOISE, SCALE, answers
from training.methods.findings import Answers, Comparison, Decided, Terms
from training.methods.gate import decide
from training.methods.paired import ALPHA

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LANGUAGES, LOOKS = 12, 3
ITEMS, CHURN = 800, 0.05
# The share that is let through at the margin stands just at its bar: more draws tell on which side.
CLOSE, OFTENER = "one at -3, rest +1", 8
TRUTHS = {"all +1": 0.01, "all equal": 0.0, "one -8, rest +1": -0.08, CLOSE: -0.03}
# Who loses so much changes more answers than the others, however much noise is shared.
MUCH, NEARLY_ALL = -0.05, 0.99


@dataclass(frozen=True)
class Candidate:
    """How a candidate differs from its champion: noise that they share, its own, both temperatures."""

    shared: float
    noise: float
    old: float
    new: float


def scores(
    rng: np.random.Generator, items: int, *, shared: float, noise: float
) -> tuple[Floats, Floats, Ints]:
    """Return N x K scores of champion and candidate, and the truth."""
    true = rng.standard_normal((items, CLASSES)) * SCALE
    same, own = rng.standard_normal((2, items, CLASSES))
    old = true + NOISE * same
    new = true + noise * (shared * same + np.sqrt(1 - shared**2) * own)
    return old, new, (true + rng.gumbel(size=true.shape)).argmax(axis=1)


@lru_cache(maxsize=16)
def candidate_of(delta: float, churn: float) -> Candidate:
    """Find the noise that makes a candidate's answers change so often and gain so much."""

    def drawn(shared: float, noise: float) -> tuple[Floats, Floats, Ints]:
        return scores(np.random.default_rng(0), MANY, shared=shared, noise=noise)

    def gained(noise: float, shared: float) -> float:
        old, new, truth = drawn(shared, noise)
        return float((new.argmax(1) == truth).mean() - (old.argmax(1) == truth).mean()) - delta

    def changed(shared: float) -> float:
        noise = brentq(gained, 0.02, 4.0, args=(shared,), xtol=1e-3)
        old, new, truth = drawn(shared, noise)
        return float(((old.argmax(1) == truth) != (new.argmax(1) == truth)).mean()) - churn

    shared = NEARLY_ALL if delta < MUCH else brentq(changed, 0.5, 0.9999, xtol=1e-3)
    noise = brentq(gained, 0.02, 4.0, args=(shared,), xtol=1e-3)
    old, new, truth = drawn(shared, noise)
    return Candidate(shared, noise, _temperature(old, truth), _temperature(new, truth))


def _temperature(told: Floats, truth: Ints) -> float:
    def surprise(log: float) -> float:
        return float(-np.log(answers(told, truth, float(np.exp(log))).truth + 1e-12).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-2, 2), method="bounded").x))


@dataclass
class Language:
    """One language whose gold grows while its two versions stay what they are."""

    candidate: Candidate
    rng: np.random.Generator
    parts: list[tuple[Floats, Floats, Ints]] = field(default_factory=list)

    def add(self, items: int) -> None:
        """Have so many more gold items answered."""
        if items:
            told = self.candidate
            self.parts.append(scores(self.rng, items, shared=told.shared, noise=told.noise))

    def compared(self, tag: str) -> Comparison:
        """Return what both said of all items that there are."""
        old, new, truth = (np.concatenate(columns) for columns in zip(*self.parts, strict=True))
        before = answers(old, truth, self.candidate.old)
        after = answers(new, truth, self.candidate.new)
        return Comparison(tag, before, after, ("",) * len(truth), _like(before), truth)


def _like(champion: Answers) -> Answers:
    """The best ever released is what serves: a campaign at its first update."""
    return champion


def languages_of(truth: str, rng: np.random.Generator, *, churn: float = CHURN) -> list[Language]:
    """Return the twelve languages of a truth; what is said of one is said of the first."""
    rest = 0.0 if truth == "all equal" else 0.01
    first = TRUTHS[truth]
    return [
        Language(candidate_of(first if at == 0 else rest, churn), rng) for at in range(LANGUAGES)
    ]


def judged(
    languages: Sequence[Language], *, alpha: float, strict: bool = False, upkeep: str = ""
) -> Decided:
    """Ask the gate, with the draws of its bootstraps the same every time."""
    comparisons = [one.compared(f"l{at:02d}") for at, one in enumerate(languages)]
    terms = Terms(margin=0.03, alpha=alpha, strict_calibration=strict, maintenance=upkeep)
    return decide(comparisons, terms=terms, rng=np.random.default_rng(0))


def decide_rows(sims: int) -> list[dict[str, object]]:
    """P(PASS / HOLD / BLOCK) at the first look, by truth and share of the risk."""
    rows: list[dict[str, object]] = []
    for truth in TRUTHS:
        rng, tally = np.random.default_rng(11), np.zeros((2, 3))
        draws = sims * OFTENER if truth == CLOSE else sims
        for _ in range(draws):
            languages = languages_of(truth, rng)
            for one in languages:
                one.add(ITEMS)
            for at, alpha in enumerate((ALPHA, ALPHA / LOOKS)):
                said = judged(languages, alpha=alpha).verdict
                tally[at, ("PASS", "HOLD", "BLOCK").index(said)] += 1
        for looks, counts in zip(("one look", "one of three"), tally, strict=True):
            row: dict[str, object] = {"truth": truth, "items": ITEMS, "churn": CHURN}
            row |= {"looks": looks, "simulations": draws}
            rows.append(row | {"shares": [round(float(c) / draws, 4) for c in counts]})
    return rows


@dataclass(frozen=True)
class Way:
    """What became of a candidate: at which look it passed (0: never), and the gold it asked for."""

    passed: int
    asked: float


def three_looks(truth: str, *, start: int, strict: bool, rng: np.random.Generator) -> Way:
    """Judge, add exactly the gold that is missing, and judge again, three times at most.

    What is equal in all languages has no reason to serve but upkeep, and is declared as such.
    """
    upkeep = "a library changed" if truth == "all equal" else ""
    languages, asked = languages_of(truth, rng), 0
    for one in languages:
        one.add(start)
    for look in range(1, LOOKS + 1):
        found = judged(languages, alpha=ALPHA / LOOKS, strict=strict, upkeep=upkeep)
        if found.verdict == "PASS":
            return Way(look, asked / LANGUAGES)
        missing = [one.missing for one in found.languages]
        if found.verdict == "BLOCK" or look == LOOKS or not any(missing):
            break
        for one, more in zip(languages, missing, strict=True):
            one.add(more)
            asked += more
    return Way(0, asked / LANGUAGES)


def strict_rows(sims: int) -> list[dict[str, object]]:
    """What a strict calibration check costs a good candidate, all missing gold being answered."""
    rows: list[dict[str, object]] = []
    for truth in ("all +1", "all equal"):
        for start in (400, 800):
            for strict in (False, True):
                rng = np.random.default_rng(12)
                ways = [
                    three_looks(truth, start=start, strict=strict, rng=rng) for _ in range(sims)
                ]
                passed = [sum(way.passed == look for way in ways) / sims for look in (1, 2, 3)]
                rows.append(
                    {
                        "truth": truth,
                        "gold at first": start,
                        "calibration": "strict" if strict else "as it is",
                        "passes at look 1, 2, 3": [round(share, 3) for share in passed],
                        "never": round(1 - sum(passed), 3),
                        "gold asked, a language": round(float(np.mean([w.asked for w in ways]))),
                        "simulations": sims,
                    }
                )
    return rows


def decide_figures(rows: Sequence[dict[str, object]]) -> list[Figure]:
    """The bars, by what ``decide`` says."""
    found = []
    for row in rows:
        shares, sims = row["shares"], row["simulations"]
        assert isinstance(shares, list)
        assert isinstance(sims, int)
        bar, less = {
            "all +1": (0.95, False),
            "one -8, rest +1": (0.001, True),
            CLOSE: (0.05, True),
        }.get(str(row["truth"]), (None, True))
        value = float(shares[0])
        half = 1.96 * float(np.sqrt(max(value * (1 - value), 1 / sims) / sims))
        name = f"decide passes, {row['truth']}, n = {ITEMS}, d = {CHURN}, {row['looks']}"
        low, high = max(0.0, value - half), min(1.0, value + half)
        found.append(Figure(name, value, bar=bar, low=low, high=high, less=less))
    return found
