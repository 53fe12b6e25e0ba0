"""Tournaments: does it help to choose whom people compare (``python -m benchmarks.tournaments``)?

Made-up raters, as in :mod:`benchmarks.judges_made`, choose between 8 and 20 writers whose strengths are drawn;
after every 50 choices the next 50 pairs are allotted by :mod:`annotation.methods.pairings`, or drawn from all
alike. Both see the same raters. The quick run takes few seeds and writes nothing.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from annotation.methods.judgements import Floats, Ints
from annotation.methods.pairings import allot, openness
from annotation.methods.preferences import Choices, Fit, fit
from benchmarks import report
from benchmarks.figures import Figure, mean_of, table

TOTAL, BATCH, RATERS, OUTPUTS = 300, 50, 8, 200
NOTES = [
    "Rank correlation is Spearman's with what is planted after 300 choices, mean over seeds.",
    "`peer` is the same number where pairs are drawn from all alike, in the same run.",
]


@dataclass(frozen=True)
class World:
    """Writers, and raters with tastes, a side they favour that drifts, and a readiness to call ties."""

    strength: Floats
    taste: Floats
    side: Floats
    moves: Floats
    tie: Floats
    heed: Floats

    @classmethod
    def of(cls, seed: int, *, writers: int) -> "World":
        """Draw a world."""
        rng = np.random.default_rng(seed)
        heed = np.exp(rng.normal(0, 0.3, RATERS))
        return cls(
            rng.normal(0, 1, writers),
            rng.normal(0, 0.3, (RATERS, writers)),
            rng.normal(0.2, 0.3, RATERS),
            rng.uniform(-0.8, 0.8, RATERS),
            rng.normal(-0.3, 0.5, RATERS),
            heed / heed.mean(),
        )

    def choose(
        self, first: Ints, second: Ints, *, begun: int, rng: np.random.Generator
    ) -> tuple[Ints, Ints]:
        """Return who chose, and what: 1 the first, 0 a tie, -1 the second."""
        who = rng.integers(0, RATERS, len(first))
        when = (begun + np.arange(len(first))) / TOTAL - 0.5
        eta = self.heed[who] * (self.strength[first] - self.strength[second])
        eta = eta + self.side[who] + self.moves[who] * when
        eta = eta + self.taste[who, first] - self.taste[who, second]
        odds = np.exp(np.stack([eta / 2, self.tie[who], -eta / 2], axis=1))
        below = odds.cumsum(axis=1) / odds.sum(axis=1, keepdims=True)
        return who, 1 - (rng.random(len(eta))[:, None] > below[:, :2]).sum(axis=1)


def played(seed: int, *, writers: int, chosen: bool) -> tuple[float, float]:
    """Return the rank correlation after all choices, and the share of planted numbers inside."""
    world, rng = World.of(seed, writers=writers), np.random.default_rng([seed, 1])
    left = OUTPUTS * (1 - np.eye(writers, dtype=np.int64))
    one, other = np.triu_indices(writers, k=1)
    rows, alike = np.zeros((4, 0), np.int64), np.zeros((writers, writers))
    known: Fit | None = None
    while rows.shape[1] < TOTAL:
        told = openness(known, writers=writers) if chosen else alike
        asked = allot(told, left=left, count=BATCH, rng=rng, audit=0.2 if chosen else 1.0).asked
        pairs = rng.permutation(np.repeat(np.arange(len(one)), asked[one, other]))
        turned = rng.random(len(pairs)) < 0.5
        first = np.where(turned, other[pairs], one[pairs])
        second = np.where(turned, one[pairs], other[pairs])
        who, said = world.choose(first, second, begun=rows.shape[1], rng=rng)
        rows, left = np.c_[rows, [first, second, said, who]], left - asked
        known = fit(Choices.of(*rows[:3], rater=rows[3], writers=writers, raters=RATERS))
    assert known is not None
    truth = world.strength - world.strength.mean()
    inside = (known.strength[:, 1] <= truth) & (truth <= known.strength[:, 2])
    return float(spearmanr(truth, known.strength[:, 0])[0]), float(inside.mean())


def figures(*, seeds: int) -> list[Figure]:
    """Return both ways to choose pairs, for few writers and for many."""
    found = []
    for writers in (8, 20):
        ours, alike = (
            np.array([played(seed, writers=writers, chosen=chosen) for seed in range(seeds)])
            for chosen in (True, False)
        )
        name = f"{TOTAL} choices, {writers} writers drawn"
        peer = float(alike[:, 0].mean())
        found += [
            Figure(
                f"{name}: rank correlation, pairs chosen", **mean_of(ours[:, 0].tolist()), peer=peer
            ),
            Figure(
                f"{name}: gained by choosing",
                **mean_of((ours[:, 0] - alike[:, 0]).tolist()),
                bar=0.0,
            ),
            Figure(
                f"{name}: inside, pairs chosen",
                **mean_of(ours[:, 1].tolist()),
                peer=float(alike[:, 1].mean()),
            ),
        ]
    return found


def main() -> None:
    """Run everything, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds, nothing written")
    quick = parser.parse_args().quick
    found = figures(seeds=8 if quick else 80)
    print(table(found))
    if not quick:
        print(report.write("tournaments", found, notes=NOTES))


if __name__ == "__main__":
    main()
