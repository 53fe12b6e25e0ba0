"""Chains of updates that ask to be released, for ``python -m benchmarks.gate``.

Whether many small losses add up on gold that judges all of them, and what the guard against it
costs updates that lose nothing. Harm and non-inferiority alone, as for upkeep that is declared: an
update that must show a gain is stopped by that long before.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure
from benchmarks.gate_counts import LANGUAGES, LOOKS, shown, verdicts
from training.methods.gate import ANCHOR_MARGIN, MOST_DECISIONS
from training.methods.paired import ALPHA, shared_risk

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ITEMS, CHURN, UPDATES = 1600, 0.05, 12
RIGHT, BLOCK = 0.8, 200
RULES = {
    "champion": "no anchor",
    "whole": "anchor at the look's whole risk (not what is done)",
    "anchor": "as it is, the same gold throughout",
    "fresh": "as it is, fresh gold each time",
}
RISKS = ((ALPHA, "one look"), (ALPHA / LOOKS, "one of three"))


def updated(rng: np.random.Generator, now: Bools, right: Floats, deltas: Floats) -> Bools:
    """What a version that truly differs so much, by language, says of the same items."""
    chance = rng.random(now.shape, dtype=np.float32)
    down, up = (CHURN - deltas) / 2 / right, (CHURN + deltas) / 2 / (1 - right)
    return np.asarray(np.where(now, chance >= down, chance < up))


def compared(old: Bools, new: Bools) -> tuple[Floats, Floats]:
    """Count what was fixed and what was broken, by simulation and language."""
    return (~old & new).sum(axis=2) * 1.0, (old & ~new).sum(axis=2) * 1.0


def near_best(tables: tuple[Floats, Floats], items: int, asked: Ints, *, whole: float) -> Bools:
    """Where candidates are shown to come near a best that serves no more, asked so often by now.

    ``whole`` is the risk of each of these decisions; nought: the gold's risk is shared, as it is.
    """
    fine = np.ones(asked.shape, bool)
    for times in np.unique(asked[asked > 0]):
        risk = whole or shared_risk(int(times), decisions=MOST_DECISIONS)
        here = asked == times
        fixed, broken = (counts[here] for counts in tables)
        fine[here] = shown(fixed, broken, items, margin=ANCHOR_MARGIN, alpha=risk)
    return np.asarray(fine.all(axis=1))


def chains(
    rng: np.random.Generator,
    sims: int,
    deltas: Sequence[float],
    *,
    rule: str,
    alpha: float,
    items: int,
) -> Ints:
    """How many of the updates in each chain are released, all judged on the same items."""
    shape = (sims, len(deltas), items)
    now = rng.random(shape, dtype=np.float32) < RIGHT
    best, serves = now.copy(), np.ones(shape[:2], bool)
    asked, released = np.zeros(shape[:2], np.int64), np.zeros(sims, np.int64)
    whole = alpha if rule == "whole" else 0.0
    change = np.array(deltas)[:, None]
    for _ in range(UPDATES):
        new = updated(rng, now, now.mean(axis=2, keepdims=True), change)
        ok, _ = verdicts(*compared(now, new), items, alpha=alpha)
        if rule != "champion":
            asked += ~serves
            tables = compared(best, new)
            ok &= near_best(tables, items, np.where(serves, 0, asked), whole=whole)
        released += ok
        now[ok] = new[ok]
        serves[ok] = False
        better = now.mean(axis=2) >= best.mean(axis=2)
        best[better] = now[better]
        serves |= better
    return released


def fresh_chains(
    rng: np.random.Generator, sims: int, deltas: Sequence[float], *, alpha: float, items: int
) -> Ints:
    """The same with gold for every decision that no version was chosen by; the best is the first."""
    change, released = np.array(deltas)[:, None], np.zeros(sims, np.int64)
    for _ in range(UPDATES):
        best = rng.random((sims, len(deltas), items), dtype=np.float32) < RIGHT
        now = best.copy()
        for step in range(int(released.max(initial=0))):
            later = updated(rng, now, RIGHT + step * change, change)
            now[released > step] = later[released > step]
        new = updated(rng, now, RIGHT + released[:, None, None] * change, change)
        ok, _ = verdicts(*compared(now, new), items, alpha=alpha)
        first = np.where(released > 0, 1, 0)[:, None].repeat(len(deltas), axis=1)
        ok &= near_best(compared(best, new), items, first, whole=0.0)
        released += ok
    return released


def many(
    sims: int, deltas: Sequence[float], *, rule: str, alpha: float, items: int = ITEMS
) -> Ints:
    """Run so many chains, some at a time."""
    rng, found = np.random.default_rng(6), []
    for start in range(0, sims, BLOCK):
        few = min(BLOCK, sims - start)
        if rule == "fresh":
            found.append(fresh_chains(rng, few, deltas, alpha=alpha, items=items))
        else:
            found.append(chains(rng, few, deltas, rule=rule, alpha=alpha, items=items))
    return np.concatenate(found)


def creep_figures(sims: int) -> list[Figure]:
    """What twelve updates that each lose a point let through, in points."""
    one_of_many = [-0.01, *[0.01] * (LANGUAGES - 1)]
    found = []
    for where, deltas, rules in (
        (f"in {LANGUAGES} languages", [-0.01] * LANGUAGES, ("champion", "anchor")),
        (f"in one of {LANGUAGES}, the rest +1", one_of_many, ("champion", "whole", "anchor")),
        ("in the only language", [-0.01], tuple(RULES)),
    ):
        chains_here = sims if len(deltas) == 1 else sims // 4
        for alpha, looks in RISKS:
            for rule in rules:
                lost = many(chains_here, deltas, rule=rule, alpha=alpha)
                name = f"twelve -1 updates {where}, {looks}, {RULES[rule]}"
                bar = 5.0 if rule == "anchor" else None
                high = float(np.quantile(lost, 0.95))
                found += [
                    Figure(f"{name}: mean", float(lost.mean()), less=True),
                    Figure(f"{name}: 95th percentile", high, bar=bar, less=True),
                    Figure(f"{name}: more than 5", float((lost > 5).mean()), less=True),
                ]
    return found


def cost_figures(sims: int) -> list[Figure]:
    """How many of twelve harmless updates are released, beside an anchor at the whole risk."""
    found = []
    for languages, items, delta in (
        (1, 400, 0.0),
        (1, 800, 0.0),
        (1, 400, 0.01),
        (LANGUAGES, 400, 0.01),
        (LANGUAGES, 800, 0.01),
    ):
        for alpha, looks in RISKS:
            shared, whole = (
                float(many(sims, [delta] * languages, rule=rule, alpha=alpha, items=items).mean())
                for rule in ("anchor", "whole")
            )
            points = f"{100 * delta:+.0f}" if delta else "equal"
            name = (
                f"of twelve {points} updates, {languages} languages, n = {items}, {looks}: released"
            )
            found.append(Figure(name, shared, peer=whole))
    return found
