"""What must not go wrong: debts of the quota, copies, false stops, and a network that is weak
in one language. Part of ``python -m benchmarks.parity``.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure, mean_of
from learning.methods.gain import Arm, selection_gain
from learning.methods.quotas import QuotaPolicy, Standing, allot
from learning.methods.relabelling import LanguageAnswers, active_lab
from learning.methods.requests import LanguageState, SelectionRequest
from learning.methods.selection import select
from learning.methods.stopping import RoundFacts, StopPolicy, decide, kappa, spread

Ints = npt.NDArray[np.int64]

SIZES = (6000, 3000, 1500, 800, 400, 300, 250, 200)
CLASSES = 3


def ledger() -> list[Figure]:
    """Share batches of 16 among 30 languages over 200 rounds, and look at the debts."""
    rng = np.random.default_rng(0)
    tags = [f"l{number:02d}" for number in range(30)]
    shares = {"equal": np.ones(30), "uneven": rng.uniform(0.3, 3.0, 30)}
    figures = []
    for name, cost in shares.items():
        debts, got, due, worst = dict.fromkeys(tags, 0.0), np.zeros(30), np.zeros(30), 0.0
        weights = (1 / cost) / (1 / cost).sum()
        for round_ in range(200):
            standings = [
                Standing(tag, samples=10**6, texts=10**6, debt=debts[tag], cost=float(c))
                for tag, c in zip(tags, cost, strict=True)
            ]
            quotas = allot(standings, batch=16, policy=QuotaPolicy(cost_exponent=1.0), seed=round_)
            debts = {quota.tag: quota.debt for quota in quotas}
            got += [quota.got for quota in quotas]
            due += 16 * weights
            worst = max(worst, float(np.abs(got - due).max()))
        plain = np.zeros(30)
        plain[
            np.argsort(-(16 * weights % 1), kind="stable")[: 16 - int((16 * weights // 1).sum())]
        ] = 1
        alone = float(np.abs(200 * (plain + 16 * weights // 1) - due).max())
        row = f"cumulative quota error in items, {name} shares"
        figures.append(Figure(row, worst, peer=alone, bar=1.0, less=True))
    return figures


def copies() -> Figure:
    """Ask 60 of 200 texts of which 40 are distinct and two are known: 38, never padded."""
    names = tuple(f"s{number:03d}" for number in range(200))
    groups = tuple(f"t{number % 40:02d}" for number in range(200))
    state = LanguageState("wo", asked=frozenset({"t00", "t01"}))
    batch = select(
        SelectionRequest(
            item_ids=names,
            language=np.zeros(200, np.int64),
            languages=(state,),
            labels=("a", "b"),
            batch=60,
            seed=0,
            logits=np.random.default_rng(0).standard_normal((200, 2)),
            dup_group=groups,
        )
    )
    texts = {groups[int(pick.item_id[1:])] for pick in batch.items}
    return Figure("distinct texts in a batch of 60 from 38", float(len(texts)), bar=38.0)


def traps(seeds: int = 100) -> list[Figure]:
    """Count false stops where a network has collapsed, and where the smallest language changes."""
    counts = {"collapsed network": [0, 0], "smallest language changes": [0, 0]}
    home = np.repeat(np.arange(len(SIZES)), SIZES)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        first = rng.integers(0, CLASSES, len(home))
        collapsed = [first] + [np.full(len(home), seed % CLASSES)] * 4
        changing = [first]
        for _ in range(4):
            after = changing[-1].copy()
            anew = (home == len(SIZES) - 1) & (rng.random(len(home)) < 0.35)
            after[anew] = rng.integers(0, CLASSES, anew.sum())
            changing.append(after)
        for name, said in zip(counts, (collapsed, changing), strict=True):
            last = (
                said if name == "collapsed network" else [s[home == len(SIZES) - 1] for s in said]
            )
            counts[name][0] += _ours_stops(last)
            counts[name][1] += _pooled_stops(said)
    return [
        Figure(f"false stops in {seeds} seeds, {name}", float(ours_), float(pooled), 0.0, less=True)
        for name, (ours_, pooled) in counts.items()
    ]


def _ours_stops(said: list[Ints]) -> bool:
    history = [
        RoundFacts(
            labels=800,
            kappa=kappa(before, after),
            agreed_on=len(after),
            spread=spread(np.bincount(after)),
            expected_spread=spread([1] * CLASSES),
            half_width=0.01,
            gain=0.0,
            gain_low=0.0,
            gain_high=0.0,
            change=0.0,
        )
        for before, after in pairwise(said)
    ]
    return decide(history, policy=StopPolicy()).verdict == "stop"


def _pooled_stops(said: list[Ints], *, least: float = 0.99) -> bool:
    """The usual rule: the mean kappa of the last three rounds, over the whole stop set."""
    found = []
    for before, after in pairwise(said):
        agreed = kappa(before, after)
        found.append(1.0 if agreed is None else agreed)
    return float(np.mean(found[-3:])) >= least


def weak_network(seeds: int = 20) -> Figure:
    """Let a network be 92 % right in one language and 45 % in another, 90 % sure in both."""
    alone, together = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        _, strong = _answered(rng, 1500, people=8, skill=0.80, model=0.92)
        truth, weak = _answered(rng, 300, people=4, skill=0.92, model=0.45)
        alone.append(float((active_lab(weak).consensus == truth).mean()))
        both = LanguageAnswers(
            np.r_[strong.item, np.asarray(weak.item) + 1500],
            np.r_[strong.person, np.asarray(weak.person) + 8],
            np.r_[strong.label, weak.label],
            np.r_[strong.probabilities, weak.probabilities],
        )
        pooled = active_lab(both, temperature=1.0)
        together.append(float((pooled.consensus[1500:] == truth).mean()))
    row = "consensus where the network is weak"
    return Figure(row, **mean_of(alone), peer=float(np.mean(together)), bar=0.935)


def _answered(
    rng: np.random.Generator, n: int, *, people: int, skill: float, model: float
) -> tuple[Ints, LanguageAnswers]:
    truth = rng.integers(0, 4, n)
    item = np.repeat(np.arange(n), 2)
    person = rng.permuted(np.tile(np.arange(people), (n, 1)), axis=1)[:, :2].ravel()
    wrong = (truth[item] + rng.integers(1, 4, 2 * n)) % 4
    label = np.where(rng.random(2 * n) < skill, truth[item], wrong)
    best = np.where(rng.random(n) < model, truth, (truth + rng.integers(1, 4, n)) % 4)
    p = np.full((n, 4), 0.1 / 3)
    p[np.arange(n), best] = 0.9
    return truth, LanguageAnswers(item, person, label, p)


def gain_cover(seeds: int = 60) -> Figure:
    """Count how often the gain's interval holds 0 where chosen samples are random ones, too."""
    held = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        middle = 0.9 * rng.standard_normal((4, 12))
        drawn = []
        for count in (400, 64, 200):
            labels = rng.integers(0, 4, count)
            features = middle[labels] + rng.standard_normal((count, 12))
            drawn.append(Arm(features, labels, np.arange(count) % 8))
        chosen, random, gold = drawn
        found = selection_gain(
            chosen, random=random, gold=gold.features, truth=gold.labels, rng=rng, draws=20
        )
        held.append(float(bool(found.estimate and found.estimate.low <= 0 <= found.estimate.high)))
    return Figure("interval of the gain holds 0 where there is none", **mean_of(held), bar=0.93)
