"""The gate's operating characteristics: ``python -m benchmarks.gate [--quick]``.

What the gate accepts, holds and blocks when the truth is known, over 4,000 simulations on counts
for twelve languages, beside three plainer gates; a chain of updates each of which is a point
worse; the calibration check, old and present, on networks whose calibration error truly rose by
two points or did not; and macro-F1 at the margin. Seconds are of one process.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, norm

from benchmarks import figures, report
from benchmarks.figures import Figure
from benchmarks.gate_networks import calibration_figures, f1_figures

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MARGIN, ANCHOR = 0.03, 0.05
LANGUAGES = 12
SIMS = 4_000
LOOKS = 3


@dataclass(frozen=True)
class Setting:
    """Gold items a language, and the share of answers that change."""

    items: int
    churn: float


SETTINGS = (Setting(400, 0.05), Setting(800, 0.05), Setting(800, 0.10), Setting(1600, 0.10))
# Below the churn no difference can be larger: with 5 % changed, the loser loses 5 points.
TRUTHS = ("all +1", "all equal", "one -8 (-5), rest +1", "one at the margin, rest +1")


def tango_z(fixed: Floats, broken: Floats, items: int, margin: float) -> Floats:
    """The score statistic of :func:`training.methods.paired.tango_z`, for arrays of tables."""
    shift = -margin
    linear = fixed * (1 - shift) + broken * (1 - 3 * shift) - 2 * (items - fixed - broken) * shift
    root = np.sqrt(np.maximum(linear**2 + 8 * items * broken * shift * (1 - shift), 0.0))
    share = np.maximum(np.maximum((linear + root) / (4 * items), 0.0), -shift)
    spread = items * (2 * share + shift - shift**2)
    return np.asarray((fixed - broken - items * shift) / np.sqrt(np.maximum(spread, 1e-12)))


def holm_rejects(p: Floats, alpha: float) -> Bools:
    """Whether Holm rejects anything in each row: its smallest p decides."""
    return np.asarray(p.min(axis=1) * p.shape[1] < alpha)


def harm(fixed: Floats, broken: Floats) -> Floats:
    """Exact one-sided McNemar."""
    return np.asarray(binom.sf(broken - 1, fixed + broken, 0.5))


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


def verdicts(fixed: Floats, broken: Floats, items: int, *, alpha: float) -> tuple[Bools, Bools]:
    """Return who passes harm and non-inferiority, and who is blocked."""
    blocked = holm_rejects(harm(fixed, broken), alpha)
    shown = (tango_z(fixed, broken, items, MARGIN) > norm.ppf(1 - alpha)).all(axis=1)
    return shown & ~blocked, blocked


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
            for name, alpha in (("one look", 0.05), ("one of three", 0.05 / LOOKS)):
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
        ok, blocked = verdicts(fixed, broken, items, alpha=0.05 / LOOKS)
        passed |= ok & ~over
        over |= ok | blocked
    return float(passed.mean())


def creep(sims: int, *, anchored: bool, languages: int = LANGUAGES) -> Floats:
    """Points lost when twelve updates, each a point worse everywhere, ask to be released.

    All are judged on the same 1,600 items a language, so what got through was lucky on them.
    """
    rng, block = np.random.default_rng(6), 200
    parts = [
        _chains(rng, min(block, sims - start), languages, anchored=anchored)
        for start in range(0, sims, block)
    ]
    return np.concatenate(parts)


def _chains(
    rng: np.random.Generator,
    sims: int,
    languages: int,
    *,
    anchored: bool,
    items: int = 1600,
    churn: float = 0.05,
) -> Floats:
    now = rng.random((sims, languages, items), dtype=np.float32) < 0.8
    best, lost = now.copy(), np.zeros(sims)
    for _ in range(12):
        right = now.mean(axis=2, keepdims=True)
        chance = rng.random(now.shape, dtype=np.float32)
        new = np.where(
            now, chance >= (churn + 0.01) / 2 / right, chance < (churn - 0.01) / 2 / (1 - right)
        )
        up, down = ((~now & new).sum(axis=2) * 1.0, (now & ~new).sum(axis=2) * 1.0)
        ok, _ = verdicts(up, down, items, alpha=0.05)
        if anchored:
            up, down = ((~best & new).sum(axis=2) * 1.0, (best & ~new).sum(axis=2) * 1.0)
            ok &= (tango_z(up, down, items, ANCHOR) > norm.ppf(0.95)).all(axis=1)
        lost += ok
        now[ok] = new[ok]
        better = now.mean(axis=2) > best.mean(axis=2)
        best[better] = now[better]
    return lost


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
    plain, anchored = (creep(sims // 4, anchored=with_anchor) for with_anchor in (False, True))
    alone = creep(sims // 4, anchored=True, languages=1)
    found += [
        Figure(
            "twelve -1 updates: points let through, mean",
            float(anchored.mean()),
            float(plain.mean()),
            less=True,
        ),
        Figure(
            "twelve -1 updates: points let through, 95th percentile",
            float(np.quantile(anchored, 0.95)),
            float(np.quantile(plain, 0.95)),
            bar=5.0,
            less=True,
        ),
        _share(
            "twelve -1 updates: share of chains that lose more than 5",
            float((anchored > 5).mean()),
            sims,
            0.05,
            True,
        ),
    ]
    found.append(
        Figure(
            "the same in a campaign of one language, 95th percentile",
            float(np.quantile(alone, 0.95)),
            less=True,
        )
    )
    return found


def _share(row: str, value: float, sims: int, bar: float | None, less: bool) -> Figure:
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 1 / sims) / sims))
    return Figure(row, value, bar=bar, low=max(0.0, value - half), high=value + half, less=less)


def main() -> None:
    """Simulate, print, and write ``results/gate.json`` and ``results/gate_networks.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--counts", action="store_true", help="only what is simulated on counts")
    only.add_argument("--networks", action="store_true", help="only what is simulated on networks")
    asked = parser.parse_args()
    if not asked.networks:
        _count(SIMS // 10 if asked.quick else SIMS)
    if not asked.counts:
        _try_networks(20 if asked.quick else 120, few=10 if asked.quick else 60)


def _count(sims: int) -> None:
    began = time.process_time()
    rows = characteristics(sims)
    found = bars(rows, sims)
    print(figures.table(found))
    for row in rows:
        print(row)
    notes = [f"{sims} simulations on counts, {LANGUAGES} languages, margin {MARGIN}"]
    seconds = round(time.process_time() - began, 1)
    report.write("gate", found, notes=notes, table=rows, cpu_seconds=seconds)


def _try_networks(sims: int, *, few: int) -> None:
    began = time.process_time()
    found = [*calibration_figures(sims), *f1_figures(few)]
    print(figures.table(found))
    notes = [f"{sims} simulations a row of calibration, {few} of macro-F1"]
    seconds = round(time.process_time() - began, 1)
    report.write("gate_networks", found, notes=notes, cpu_seconds=seconds)


if __name__ == "__main__":
    main()
