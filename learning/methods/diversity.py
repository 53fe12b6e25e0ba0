"""Diversity: k-center, points that leave no sample of the pool far from what is asked.

Exact and lazy: a centre only ever lowers distances, so what was read in the last pass over the
pool still bounds every point. A few candidates are kept up to date; while the best of them is
beyond the bound of all the rest it is the farthest point of the pool, and no pass is needed.
"""

import numpy as np
import numpy.typing as npt

from learning.methods.geometry import (
    BLOCK,
    DOUBLE,
    SINGLE,
    Distances,
    Part,
    Points,
    Positions,
    blocks,
    first,
    given,
    least,
    same_length,
)
from learning.methods.lots import Lots

CANDIDATES = 2048
REACH = 4
TOGETHER = 128


def k_center(
    embeddings: npt.ArrayLike,
    *,
    known: npt.ArrayLike | None = None,
    count: int,
    block: int = BLOCK,
    lots: Lots | None = None,
) -> Positions:
    """Return positions that greedily cover a pool (Sener & Savarese 2018, *Core-Set*).

    N x d ``embeddings`` of the pool and L x d of what is ``known`` already give at most ``count``
    positions in picking order: each is the point farthest from all that is known or picked, which
    leaves a largest distance of at most twice the best possible (Gonzalez 1985). The picks are
    those of plain greedy search in float64, whatever the block; points at equal distance are
    ordered by lot, or without lots by position. With nothing known the first is the point nearest
    the mean. Copies of what is known or picked are not asked, so fewer may come back.

    >>> k_center([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0], [9.0, 5.0]], known=[[0.0, 1.0]], count=2)
    array([3, 2])
    >>> k_center([[1.0, 1.0], [1.0, 1.0]], count=2)
    array([0])
    """
    pool = Points.of(embeddings, block=block)
    wanted = least(count, pool=len(pool))
    lots = same_length(lots, len(pool))
    if not wanted:
        return np.empty(0, dtype=np.intp)
    cover = Cover(pool, lots=lots)
    if len(seen := given(known, pool=pool, block=TOGETHER)):
        cover.known(seen)
    else:
        cover.pick(middle(pool, lots=lots))
    while len(cover.picks) < wanted and (farthest := cover.farthest()) is not None:
        cover.pick(farthest)
    return np.array(cover.picks, dtype=np.intp)


def middle(pool: Points, *, lots: Lots | None) -> int:
    """Return the position nearest the mean of the pool.

    >>> middle(Points.of([[0.0], [1.0], [5.0]]), lots=None)
    1
    """
    origin = pool.origin.astype(np.float64)
    mean = sum((pool.rows[part] - origin).sum(axis=0) for part in pool.parts()) / len(pool)
    away = np.empty(len(pool))
    for part in pool.parts():
        rows = pool.rows[part] - origin - mean
        away[part] = np.einsum("ij,ij->i", rows, rows)
    return first(np.flatnonzero(away <= away.min() + 2.0 * pool.slack(DOUBLE)), lots)


class Cover:
    """How far every point is from the nearest centre, read again only when it must be.

    ``near`` are squared distances to what is known and to the first ``heard`` picks, so a bound of
    what they are now. Candidates have been the farthest points, and their ``value`` is kept up to
    date; nobody else is beyond ``bound``.
    """

    def __init__(self, pool: Points, *, lots: Lots | None) -> None:
        self.pool, self.lots = pool, lots
        self.unit = SINGLE
        self.near: Distances = np.full(len(pool), np.inf, dtype=np.float32)
        self.given = pool.at(slice(0))
        self.slack = pool.slack()
        self.heard = np.zeros(len(pool), dtype=np.int32)
        self.picks: list[int] = []
        self.candidates: Positions = np.empty(0, dtype=np.intp)
        self.rows = self.given
        self.value, self.bound = self.near[:0], np.inf

    def known(self, seen: Points) -> None:
        """Count points that are not in the pool among the centres."""
        self.given = seen
        self.slack = self._slack(self.unit)
        self._lower(seen)
        self._choose()

    def pick(self, at: int) -> None:
        """Make a point of the pool a centre; only the candidates learn of it now."""
        self.picks.append(at)
        if len(self.candidates):
            new = self._nearest(self.rows, slice(None), self._picked(len(self.picks) - 1))
            np.minimum(self.value, new, out=self.value)
        else:
            self._lower(self._picked(0))
            self._choose()

    def farthest(self) -> int | None:
        """Return the farthest point of the pool, or None when every point has a centre."""
        while True:
            top = float(self.value.max())
            edge = top - 2.0 * self.slack
            if edge > self.bound:
                return self._resolve(self.candidates[self.value >= edge], top=top)
            far = np.flatnonzero(self.near >= edge)
            if (self.heard[far] < len(self.picks)).any():
                self._choose(among=max(len(far), REACH * CANDIDATES))
            elif len(far) <= CANDIDATES or self.unit == DOUBLE:
                return self._resolve(far, top=top)
            else:
                self._sharpen()

    def _resolve(self, tied: Positions, *, top: float) -> int | None:
        """Choose in float64 among points that float32 cannot tell apart."""
        edge = 2.0 * self._slack(DOUBLE)
        if self.unit == DOUBLE:
            return first(tied, self.lots) if top > edge else None
        if len(tied) == 1 and top > 2.0 * self.slack:
            return int(tied[0])
        exact = np.full(len(tied), np.inf)
        for centres in (self.given, self._picked(0)):
            for group in centres.parts():
                found = self.pool.squared_exactly(tied, centres.at(group))
                np.minimum(exact, found.min(axis=0), out=exact)
        best = float(exact.max())
        return first(tied[exact >= best - edge], self.lots) if best > edge else None

    def _sharpen(self) -> None:
        """Go on in float64: more points lie within float32's rounding than are worth resolving."""
        self.unit, self.slack = DOUBLE, self._slack(DOUBLE)
        self.near = np.full(len(self.pool), np.inf)
        self._lower(self.given)
        self._lower(self._picked(0))
        self._choose()

    def _slack(self, unit: float) -> float:
        return max(self.pool.slack(unit), self.given.slack(unit))

    def _nearest(self, pool: Points, part: Part, centres: Points) -> Distances:
        if self.unit == DOUBLE:
            return np.asarray(pool.squared_exactly(part, centres).min(axis=0))
        return pool.nearest(part, centres)

    def _picked(self, start: int) -> Points:
        """Return the picks from some place on, as centres that are applied a few at a time."""
        return self.pool.at(np.array(self.picks[start:], dtype=np.intp), block=TOGETHER)

    def _lower(self, centres: Points) -> None:
        """Let every point know some centres, in one pass over the pool for each group of them."""
        for group in centres.parts():
            some = centres.at(group)
            for part in self.pool.parts():
                found = self._nearest(self.pool, part, some)
                np.minimum(self.near[part], found, out=self.near[part])
        self.heard[:] = len(self.picks)

    def _hear(self, points: Positions) -> None:
        """Let some points know the picks that they have not heard of."""
        heard = self.heard[points]
        for start in np.unique(heard[heard < len(self.picks)]).tolist():
            late = points[heard == start]
            centres = self._picked(start)
            for part in blocks(len(late), block=self.pool.block):
                at = late[part]
                for group in centres.parts():
                    found = self._nearest(self.pool, at, centres.at(group))
                    self.near[at] = np.minimum(self.near[at], found)
        self.heard[points] = len(self.picks)

    def _choose(self, *, among: int = 0) -> None:
        """Take the farthest points as candidates, after so many of the farthest have caught up."""
        among = max(among, CANDIDATES)
        some, bound = farthest(self.near, among)
        self._hear(some)
        kept, edge = farthest(self.near[some], CANDIDATES)
        self.candidates, self.bound = some[kept], max(bound, edge)
        self.value = self.near[self.candidates]
        dtype = np.float32 if self.unit == SINGLE else np.float64
        self.rows = self.pool.at(self.candidates, dtype=dtype)


def farthest(distances: Distances, count: int) -> tuple[Positions, float]:
    """Return the positions of the largest distances, in rising order, and the largest of the rest.

    >>> farthest(np.array([3.0, 1.0, 2.0, 5.0]), 2)
    (array([0, 3]), 2.0)
    """
    rest = len(distances) - count
    if rest <= 0:
        return np.arange(len(distances)), -np.inf
    order = np.argpartition(distances, rest - 1)
    return np.sort(order[rest:]), float(distances[order[rest - 1]])
