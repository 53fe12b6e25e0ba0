"""What fairness costs and brings: ``python -m benchmarks.parity [--quick]``.

Eight synthetic languages with pools from 6,000 down to 200 share a part of their signal and have
a part of their own, the more the smaller they are; noisier, too. From ten labels each, eight
rounds of 80 are asked: by our `select()`, or as is usual, the smallest margins of the whole pool.
Then the ledger of the quota, copies in a pool, the two traps of stopping, and a network that is
weak in one language. Everything is made here; no data is needed.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from benchmarks import report
from benchmarks.figures import Figure, mean_of, table
from benchmarks.traps import copies, gain_cover, ledger, traps, weak_network
from learning.methods.acquisition import margin
from learning.methods.quotas import QuotaPolicy
from learning.methods.requests import LanguageState, SelectionRequest
from learning.methods.selection import select
from learning.methods.stopping import paired_curve, slope

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

POOLS = (6000, 3000, 1500, 800, 400, 300, 250, 200)
TAGS = tuple(f"l{size:04d}" for size in POOLS)
WIDTH, CLASSES, TEST, DEV = 32, 3, 500, 150
START, BATCH, ROUNDS = 10, 80, 8
NOTES = (
    "Eight synthetic languages; 80 labels to start with, 8 rounds of 80; paired over seeds.",
    "usual: the smallest margins of the whole pool, no language looked at.",
    "ours: select(), quota with floor 4, audit arm of a tenth, margin inside the language.",
    "labels to parity: labels after which the worst language is where the usual way leaves it, as"
    " a share of all labels, the first 80 included; never reached counts as 1.",
)


@dataclass(frozen=True, eq=False)
class World:
    """Texts as numbers: N x d features, N labels and languages, a test and a development set."""

    features: Floats
    labels: Ints
    home: Ints
    test: tuple[Floats, Ints, Ints]
    dev: tuple[Floats, Ints, Ints]


def world(seed: int) -> World:
    """Make the languages of one seed."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((WIDTH, CLASSES))
    parts: dict[str, list[tuple[Floats, Ints]]] = {"pool": [], "test": [], "dev": []}
    for rank, size in enumerate(POOLS):
        own = rng.standard_normal((WIDTH, CLASSES)) * (0.35 + 0.12 * rank)
        middle, noise = rng.standard_normal(WIDTH), 2 * (0.3 + 0.15 * rank)
        for name, count in (("pool", size), ("test", TEST), ("dev", DEV)):
            x = rng.standard_normal((count, WIDTH))
            z = x @ (0.8 * shared + own) + noise * rng.standard_normal((count, CLASSES))
            parts[name].append((x + middle, z.argmax(axis=1)))
    sets = {name: _joined(rows) for name, rows in parts.items()}
    return World(*sets["pool"], test=sets["test"], dev=sets["dev"])


def _joined(rows: list[tuple[Floats, Ints]]) -> tuple[Floats, Ints, Ints]:
    home = np.repeat(np.arange(len(rows)), [len(y) for _, y in rows])
    x = _spread_out(np.concatenate([x for x, _ in rows]), home)
    return x, np.concatenate([y for _, y in rows]), home


def _spread_out(x: Floats, home: Ints) -> Floats:
    """Put shared features beside each language's own copy of them: what a joint model sees."""
    with_bias = np.hstack([x, np.ones((len(x), 1))])
    own = np.zeros((len(x), len(POOLS), WIDTH + 1))
    own[np.arange(len(x)), home] = with_bias
    return np.hstack([with_bias, own.reshape(len(x), -1)])


def fitted(x: Floats, y: Ints) -> Floats:
    """Return the weights of softmax regression with a ridge of 1."""
    told = np.eye(CLASSES)[y]

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(-1, CLASSES)
        z = x @ w
        z -= z.max(axis=1, keepdims=True)
        total = np.log(np.exp(z).sum(axis=1, keepdims=True))
        value = (total[:, 0] - (z * told).sum(axis=1)).sum() + 0.5 * (w * w).sum()
        return float(value), (x.T @ (np.exp(z - total) - told) + w).ravel()

    start = np.zeros(x.shape[1] * CLASSES)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x.reshape(-1, CLASSES))


def right(weights: Floats, data: tuple[Floats, Ints, Ints]) -> list[npt.NDArray[np.bool_]]:
    """Return, for each language, which of its items are answered rightly."""
    x, y, home = data
    hit = (x @ weights).argmax(axis=1) == y
    return [hit[home == number] for number in range(len(POOLS))]


@dataclass
class State:
    """What a way of choosing knows after some rounds."""

    world: World
    seed: int
    asked: npt.NDArray[np.bool_]
    logits: Floats
    states: list[LanguageState]
    curve: list[tuple[Ints, list[npt.NDArray[np.bool_]]]]


def at_random(state: State) -> Ints:
    """Draw from the whole pool."""
    rng = np.random.default_rng((state.seed, int(state.asked.sum())))
    return rng.choice(np.flatnonzero(~state.asked), BATCH, replace=False)


def usual(state: State) -> Ints:
    """Take the smallest margins of the whole pool, whatever the language."""
    left = np.flatnonzero(~state.asked)
    z = state.logits[left]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return left[np.argsort(-margin(p / p.sum(axis=1, keepdims=True)), kind="stable")[:BATCH]]


def ours(state: State) -> Ints:
    """Let `select()` choose: equal quotas, a debt ledger, an audit arm, margin inside."""
    return _selected(state, QuotaPolicy(floor=4))


def by_slope(state: State) -> Ints:
    """The same, with half of the quota by the learning curves' lower bounds from round three on."""
    trust = 0.5 if len(state.curve) >= 4 else 0.0
    if trust:
        state.states = [
            LanguageState(**(vars(s) | {"slope": _slope(state, number)}))
            for number, s in enumerate(state.states)
        ]
    return _selected(state, QuotaPolicy(floor=4, slope_trust=trust))


def equal_random(state: State) -> Ints:
    """Equal quotas, but at random inside the language."""
    return _selected(state, QuotaPolicy(floor=4, audit_share=1.0))


def _slope(state: State, number: int) -> float:
    last = state.curve[-3:]
    labels = [int(counts[number]) for counts, _ in last]
    means, covariance = paired_curve([hits[number] for _, hits in last])
    rng = np.random.default_rng(state.seed)
    found = slope(labels, means, covariance=covariance, rng=rng, draws=400)
    return found.low if found else 0.0


def _selected(state: State, policy: QuotaPolicy) -> Ints:
    left = np.flatnonzero(~state.asked)
    batch = select(
        SelectionRequest(
            item_ids=tuple(map(str, left)),
            language=state.world.home[left],
            languages=tuple(state.states),
            labels=tuple(map(str, range(CLASSES))),
            batch=BATCH,
            seed=1000 * state.seed + int(state.asked.sum()),
            logits=state.logits[left],
            quota=policy,
        )
    )
    told = {outcome.language: outcome for outcome in batch.languages}
    state.states = [
        LanguageState(
            tag=s.tag,
            debt=told[s.tag].debt_after,
            owed=told[s.tag].owed_after,
            audit_carry=told[s.tag].audit_carry_after,
        )
        for s in state.states
    ]
    return np.array([int(pick.item_id) for pick in batch.items])


WAYS: dict[str, Callable[[State], Ints]] = {
    "random": at_random,
    "usual": usual,
    "ours": ours,
    "ours by slope": by_slope,
    "equal quota, random inside": equal_random,
}


def run(way: str, *, seed: int) -> Floats:
    """Return (rounds + 1) x languages: accuracy on the test set, before each round and after all."""
    here = world(seed)
    rng = np.random.default_rng(10_000 + seed)
    asked = np.zeros(len(here.labels), dtype=bool)
    for number in range(len(POOLS)):
        asked[rng.choice(np.flatnonzero(here.home == number), START, replace=False)] = True
    states = [LanguageState(tag) for tag in TAGS]
    state = State(here, seed, asked, np.zeros((0, CLASSES)), states, [])
    reached = []
    for round_ in range(ROUNDS + 1):
        weights = fitted(here.features[asked], here.labels[asked])
        reached.append([float(hits.mean()) for hits in right(weights, here.test)])
        counts = np.bincount(here.home[asked], minlength=len(POOLS))
        state.curve.append((counts, right(weights, here.dev)))
        state.logits = here.features @ weights
        if round_ < ROUNDS:
            asked[WAYS[way](state)] = True
    return np.array(reached)


def parity(seeds: int) -> tuple[list[Figure], dict[str, dict[str, float]]]:
    """Compare the ways of choosing; the bars are those of ours against the usual."""
    curves = {way: np.array([run(way, seed=seed) for seed in range(seeds)]) for way in WAYS}
    worst = {way: found.min(axis=2) for way, found in curves.items()}
    macro = {way: found.mean(axis=2) for way, found in curves.items()}
    base = worst["usual"][:, -1]
    spent = (START * len(POOLS) + BATCH * np.arange(ROUNDS + 1)) / (
        START * len(POOLS) + BATCH * ROUNDS
    )
    figures = []
    for way in ("ours", "ours by slope", "equal quota, random inside", "random"):
        bars: dict[str, Any] = {"bar": 0.08, "low_bar": 0.04} if way == "ours" else {}
        gained = (worst[way][:, -1] - base).tolist()
        figures.append(Figure(f"worst language, {way} less usual", **mean_of(gained), **bars))
        gained = (macro[way][:, -1] - macro["usual"][:, -1]).tolist()
        bars = {"bar": 0.0} if way == "ours" else {}
        figures.append(Figure(f"mean of languages, {way} less usual", **mean_of(gained), **bars))
        shares = [_first(row >= end, spent) for row, end in zip(worst[way], base, strict=True)]
        bars = {"bar": 0.5} if way == "ours" else {}
        row = f"labels to parity, {way}"
        figures.append(Figure(row, **mean_of(shares), **bars, less=True))
    ends = {
        way: {"worst": round(float(w[:, -1].mean()), 4), "mean": round(float(m[:, -1].mean()), 4)}
        for way, w, m in ((way, worst[way], macro[way]) for way in WAYS)
    }
    return figures, ends


def _first(reached: npt.NDArray[np.bool_], spent: Floats) -> float:
    return float(spent[reached.argmax()]) if reached.any() else 1.0


def main() -> None:
    """Run everything, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, nothing written")
    options = parser.parse_args()
    figures, ends = parity(2 if options.quick else 6)
    figures += [*ledger(), copies(), *traps(10 if options.quick else 100)]
    figures.append(weak_network(4 if options.quick else 20))
    figures.append(gain_cover(5 if options.quick else 60))
    print(table(figures))
    print(
        "\n".join(f"{way}: worst {e['worst']:.3f}, mean {e['mean']:.3f}" for way, e in ends.items())
    )
    if not options.quick:
        print(report.write("parity", figures, notes=NOTES, ends=ends))


if __name__ == "__main__":
    main()
