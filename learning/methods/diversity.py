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
    Points,
    Positions,
    first,
    given,
    least,
    same_length,
)
from learning.methods.lots import Lots

CANDIDATES = 4096
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

    ``near`` are squared distances as of the last pass. Candidates are the farthest points then,
    and their ``value`` is kept up to date; nobody else is beyond ``bound``.
    """

    def __init__(self, pool: Points, *, lots: Lots | None) -> None:
        self.pool, self.lots = pool, lots
        self.unit = SINGLE
        self.near: Distances = np.full(len(pool), np.inf, dtype=np.float32)
        self.given = pool.at(slice(0))
        self.slack = pool.slack()
        self.picks: list[int] = []
        self.passed = 0
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
            new = self._squared(self.rows, slice(None), self._picked(len(self.picks) - 1))[0]
            np.minimum(self.value, new, out=self.value)
        else:
            self._pass()

    def farthest(self) -> int | None:
        """Return the farthest point of the pool, or None when every point has a centre."""
        while True:
            top = float(self.value.max())
            edge = top - 2.0 * self.slack
            if edge > self.bound:
                return self._resolve(self.candidates[self.value >= edge], top=top)
            if self.passed < len(self.picks):
                self._pass()
                continue
            tied = np.flatnonzero(self.near >= edge)
            if len(tied) <= CANDIDATES or self.unit == DOUBLE:
                return self._resolve(tied, top=top)
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

    def _squared(self, pool: Points, part: slice, centres: Points) -> Distances:
        if self.unit == DOUBLE:
            return pool.squared_exactly(part, centres)
        return pool.squared(part, centres)

    def _picked(self, start: int) -> Points:
        """Return the picks from some place on, as centres that are applied a few at a time."""
        return self.pool.at(np.array(self.picks[start:], dtype=np.intp), block=TOGETHER)

    def _lower(self, centres: Points) -> None:
        """Let every point of the pool know some centres, in one pass for each group of them."""
        for group in centres.parts():
            some = centres.at(group)
            for part in self.pool.parts():
                found = self._squared(self.pool, part, some).min(axis=0)
                np.minimum(self.near[part], found, out=self.near[part])

    def _pass(self) -> None:
        self._lower(self._picked(self.passed))
        self.passed = len(self.picks)
        self._choose()

    def _choose(self) -> None:
        """Take the farthest points as candidates; the farthest of the others is the bound."""
        rest = len(self.near) - CANDIDATES
        if rest > 0:
            order = np.argpartition(self.near, rest - 1)
            self.candidates, self.bound = np.sort(order[rest:]), float(self.near[order[rest - 1]])
        else:
            self.candidates, self.bound = np.arange(len(self.near)), -np.inf
        self.value = self.near[self.candidates]
        dtype = np.float32 if self.unit == SINGLE else np.float64
        self.rows = self.pool.at(self.candidates, dtype=dtype)
