"""The gate's operating characteristics: ``python -m benchmarks.gate [--quick]``.

What the gate accepts, holds and blocks when the truth is known, over 4,000 simulations on counts
for twelve languages, by the product's own tests, beside three plainer gates; a chain of updates
each of which is a point worse; the whole gate, ``decide`` as the product calls it; what a strict
calibration check would cost; the calibration check, old and present, on networks whose error truly
rose by two points or did not; and macro-F1 at the margin. Seconds are of one process.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks import figures, report
from benchmarks.figures import Figure
from benchmarks.gate_counts import LANGUAGES, LOOKS, MARGIN, harm, verdicts
from benchmarks.gate_creep import cost_figures, creep_figures
from benchmarks.gate_decide import OFTENER, decide_figures, decide_rows, strict_rows
from benchmarks.gate_networks import calibration_figures, f1_figures
from training.methods.paired import ALPHA

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SIMS = 4_000


@dataclass(frozen=True)
class Setting:
    """Gold items a language, and the share of answers that change."""

    items: int
    churn: float


SETTINGS = (Setting(400, 0.05), Setting(800, 0.05), Setting(800, 0.10), Setting(1600, 0.10))
# Below the churn no difference can be larger: with 5 % changed, the loser loses 5 points.
TRUTHS = ("all +1", "all equal", "one -8 (-5), rest +1", "one at the margin, rest +1")


def draw(
    rng: np.random.Generator, deltas: Floats, setting: Setting, sims: int
) -> tuple[Floats, Floats]:
    """Return sims x L counts of fixed and broken answers."""
    up = (setting.churn + deltas) / 2
    down = (setting.churn - deltas) / 2
    fixed = rng.binomial(setting.items, up, (sims, len(deltas)))
    broken = rng.binomial(setting.items - fixed, down / (1 - up))
    return fixed.astype(np.float64), broken.astype(np.float64)


def deltas_of(truth: str, setting: Setting) -> Floats:
    """The true differences in the twelve languages."""
    if truth == "all equal":
        return np.zeros(LANGUAGES)
    deltas = np.full(LANGUAGES, 0.01)
    if truth.startswith("one -8"):
        deltas[0] = -0.08 if setting.churn >= 0.08 else -0.05
    elif truth.startswith("one at"):
        deltas[0] = -MARGIN
    return deltas


def plainer(fixed: Floats, broken: Floats, items: int) -> dict[str, float]:
    """How often three plainer gates accept."""
    delta = (fixed - broken) / items
    return {
        "mean not lower": float((delta.mean(axis=1) >= 0).mean()),
        "every point estimate above -3": float((delta >= -MARGIN).all(axis=1).mean()),
        "no raw McNemar": float((harm(fixed, broken) >= 0.05).all(axis=1).mean()),
    }


def characteristics(sims: int) -> list[dict[str, object]]:
    """The table: one look at the whole risk, one of three looks, and the plainer gates."""
    rng, rows = np.random.default_rng(4), []
    for truth in TRUTHS:
        for setting in SETTINGS:
            fixed, broken = draw(rng, deltas_of(truth, setting), setting, sims)
            row: dict[str, object] = {
                "truth": truth,
                "items": setting.items,
                "churn": setting.churn,
            }
            for name, alpha in (("one look", ALPHA), ("one of three", ALPHA / LOOKS)):
                passed, blocked = verdicts(fixed, broken, setting.items, alpha=alpha)
                shares = (passed.mean(), 1 - passed.mean() - blocked.mean(), blocked.mean())
                row[name] = [round(float(share), 4) for share in shares]
            row["plainer"] = {
                name: round(share, 4)
                for name, share in plainer(fixed, broken, setting.items).items()
            }
            rows.append(row)
    return rows


def three_looks(truth: str, setting: Setting, sims: int) -> float:
    """How often a candidate passes by its third look, half as many items joining at each."""
    rng = np.random.default_rng(5)
    deltas, passed, over = deltas_of(truth, setting), np.zeros(sims, bool), np.zeros(sims, bool)
    fixed: Floats
    broken: Floats
    fixed, broken, items = np.zeros((sims, LANGUAGES)), np.zeros((sims, LANGUAGES)), 0
    for look in range(LOOKS):
        more = setting.items if look == 0 else setting.items // 2
        new = draw(rng, deltas, Setting(more, setting.churn), sims)
        fixed, broken, items = fixed + new[0], broken + new[1], items + more
        ok, blocked = verdicts(fixed, broken, items, alpha=ALPHA / LOOKS)
        passed |= ok & ~over
        over |= ok | blocked
    return float(passed.mean())


def bars(rows: Sequence[dict[str, object]], sims: int) -> list[Figure]:
    """The bars that were set, each with its 95 % interval."""
    at = {(row["truth"], row["items"], row["churn"]): row for row in rows}

    def share(name: str, truth: str, setting: Setting, outcome: int) -> float:
        told = at[(truth, setting.items, setting.churn)][name]
        return float(told[outcome]) if isinstance(told, list) else 0.0

    found = []
    for name in ("one look", "one of three"):
        accepted = max(share(name, TRUTHS[3], setting, 0) for setting in SETTINGS)
        gross = max(share(name, TRUTHS[2], setting, 0) for setting in SETTINGS)
        power = share(name, TRUTHS[0], SETTINGS[1], 0)
        found += [
            _share(
                f"false accept at the margin, worst setting, {name}", accepted, sims, 0.05, True
            ),
            _share(f"false accept at -8 (-5), worst setting, {name}", gross, sims, 0.001, True),
            _share(f"power, all +1, n = 800, d = .05, {name}", power, sims, 0.95, False),
        ]
    late = max(three_looks(TRUTHS[3], setting, sims) for setting in SETTINGS)
    early = three_looks(TRUTHS[0], SETTINGS[0], sims)
    found.append(_share("false accept at the margin, all three looks", late, sims, 0.05, True))
    found.append(_share("power, all +1, from n = 400 in three looks", early, sims, None, False))
    return found + creep_figures(sims // 4) + cost_figures(sims // 20)


def _share(row: str, value: float, sims: int, bar: float | None, less: bool) -> Figure:
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 1 / sims) / sims))
    return Figure(row, value, bar=bar, low=max(0.0, value - half), high=value + half, less=less)


def main() -> None:
    """Simulate, print, and write ``results/gate.json`` and one file for each other part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations")
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    asked = parser.parse_args()
    for name, part in PARTS.items():
        if asked.only in (None, name):
            part(quick=asked.quick)


def _count(*, quick: bool) -> None:
    sims = SIMS // 10 if quick else SIMS
    began = time.process_time()
    rows = characteristics(sims)
    found = bars(rows, sims)
    notes = [f"{sims} simulations on counts, {LANGUAGES} languages, margin {MARGIN}"]
    _tell("gate", found, rows=rows, notes=notes, began=began)


def _decide(*, quick: bool) -> None:
    sims = 10 if quick else 100
    began = time.process_time()
    rows = decide_rows(sims)
    notes = [
        f"{sims} simulations of the whole gate a row, {OFTENER} times as many at the margin, {LANGUAGES} languages, margin {MARGIN}"
    ]
    _tell("gate_decide", decide_figures(rows), rows=rows, notes=notes, began=began)


def _strict(*, quick: bool) -> None:
    sims = 5 if quick else 40
    began = time.process_time()
    rows = strict_rows(sims)
    notes = [f"{sims} candidates a row, {LANGUAGES} languages, all gold that is asked for comes"]
    _tell("gate_strict", [], rows=rows, notes=notes, began=began)


def _networks(*, quick: bool) -> None:
    sims, few = (20, 10) if quick else (120, 60)
    began = time.process_time()
    found = [*calibration_figures(sims), *f1_figures(few)]
    notes = [f"{sims} simulations a row of calibration, {few} of macro-F1"]
    _tell("gate_networks", found, rows=[], notes=notes, began=began)


def _tell(
    name: str,
    found: Sequence[Figure],
    *,
    rows: Sequence[dict[str, object]],
    notes: Sequence[str],
    began: float,
) -> None:
    print(figures.table(found))
    for row in rows:
        print(row)
    seconds = round(time.process_time() - began, 1)
    report.write(name, found, notes=notes, table=list(rows), cpu_seconds=seconds)


PARTS = {"counts": _count, "decide": _decide, "strict": _strict, "networks": _networks}


if __name__ == "__main__":
    main()
