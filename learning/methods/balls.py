"""Balls: which of them covers most of what nothing covers yet, without looking at every pair.

Points are put into blocks that lie close together. Two blocks whose centres are farther apart
than their own reach and the radius together hold no pair within the radius, and are passed over
(the triangle inequality; blocked radius search as in Elkan 2003): the counts are those of all
pairs, so the picks are.
"""

import numpy as np
import numpy.typing as npt

from learning.methods.clusters import k_means, nearest
from learning.methods.geometry import DOUBLE, Floats, Points, Positions
from learning.methods.lots import Lots

# Points in one block, at most, and about so many clusters as there would be full blocks.
CROWD = 2048
CLUSTERS = 256
TOGETHER = 32

Counts = npt.NDArray[np.int64]


class _Blocks:
    """A pool in blocks that lie close together: members, middles, and how far members are away."""

    def __init__(self, pool: Points, lots: Lots | None) -> None:
        count = int(np.clip(len(pool) // (CROWD // 2), 1, CLUSTERS))
        middles = k_means(pool, count=count, rng=np.random.default_rng(0), lots=lots)
        homes = nearest(pool, middles)
        order = np.argsort(homes, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(homes[order]) > 0])
        crowds = np.split(order, starts[1:])
        self.members: list[Positions] = [
            crowd[at : at + CROWD] for crowd in crowds for at in range(0, len(crowd), CROWD)
        ]
        rows = np.stack([pool.seen(mine).mean(axis=0, dtype=np.float64) for mine in self.members])
        self.middles = Points.of(rows + pool.origin, origin=pool.origin)
        self.reach = np.array(
            [
                np.sqrt(pool.squared_exactly(mine, self.middles.at(np.array([at]))).max())
                for at, mine in enumerate(self.members)
            ]
        )

    def apart(self, points: Points, own: Floats | float = 0.0) -> Floats:
        """Return, for k points and each block, less than the distance to any of its members.

        ``own`` is the reach of each point, if it stands for several.
        """
        found = np.sqrt(self.middles.squared_exactly(slice(None), points))
        return np.asarray(found - self.reach - np.reshape(own, (-1, 1)))


class Balls:
    """How many uncovered points each ball holds. ``gain`` is a bound that only ever falls.

    ``key`` orders the balls by gain, and by lot where gains are equal.
    """

    def __init__(self, pool: Points, seen: Points, *, square: float, lots: Lots | None) -> None:
        self.pool, self.square = pool, square
        self._blocks = _Blocks(pool, lots)
        # Beyond this no rounding, in either width, can bring a pair within the radius.
        edge = square + 2.0 * (pool.slack() + seen.slack() + pool.slack(DOUBLE))
        self._edge = float(np.sqrt(edge)) * (1.0 + 1e-6)
        self.open = np.ones(len(pool), dtype=np.bool_)
        for group in seen.parts():
            self._cover(seen.at(group))
        order = np.arange(len(pool)) if lots is None else np.argsort(lots, kind="stable")
        self.behind = np.empty(len(pool), dtype=np.int64)
        self.behind[order] = np.arange(len(pool))
        self.gain = self._degrees()

    def greedy(self, wanted: int) -> Positions:
        """Pick the ball that adds most, until there are enough or nothing is open."""
        picks: list[int] = []
        while len(picks) < wanted and self.open.any():
            best = self._best()
            picks.append(best)
            self._cover(self.pool.at(np.array([best])))
            self.gain[best] = 0
        return np.array(picks, dtype=np.intp)

    def _best(self) -> int:
        """Count anew the balls that may be best, a few at a time, until one surely is."""
        counted = np.zeros(len(self.pool), dtype=np.bool_)
        while True:
            key = self.gain * len(self.pool) - self.behind
            best = int(key.argmax())
            if counted[best]:
                return best
            key[counted] = np.iinfo(np.int64).min
            few = min(TOGETHER, len(key))
            some = np.argpartition(key, len(key) - few)[len(key) - few :]
            self.gain[some] = self._count(some)
            counted[some] = True

    def _count(self, balls: Positions) -> Counts:
        found, centres = np.zeros(len(balls), dtype=np.int64), self.pool.at(balls)
        for block in self._near(centres):
            members = self._blocks.members[block]
            fresh = members[self.open[members]]
            if len(fresh):
                inside = self.pool.squared(fresh, centres) <= self.square
                found += np.count_nonzero(inside, axis=1)
        return found

    def _cover(self, centres: Points) -> None:
        for block in self._near(centres):
            members = self._blocks.members[block]
            fresh = members[self.open[members]]
            if len(fresh):
                self.open[fresh] = (self.pool.squared(fresh, centres) > self.square).all(axis=0)

    def _near(self, centres: Points) -> Positions:
        """Return the blocks that some ball may reach."""
        return np.flatnonzero((self._blocks.apart(centres) <= self._edge).any(axis=0))

    def _degrees(self) -> Counts:
        """Count every ball, covered points and all; each pair of blocks is met once."""
        found = np.zeros(len(self.pool), dtype=np.int64)
        blocks = self._blocks
        near = blocks.apart(blocks.middles, blocks.reach) <= self._edge
        for at, members in enumerate(blocks.members):
            centres = self.pool.at(members, dtype=np.float32)
            for other in np.flatnonzero(near[at, : at + 1]).tolist():
                theirs = blocks.members[other]
                inside = self.pool.squared(theirs, centres) <= self.square
                found[members] += np.count_nonzero(inside, axis=1)
                if other != at:
                    found[theirs] += np.count_nonzero(inside, axis=0)
        return found
