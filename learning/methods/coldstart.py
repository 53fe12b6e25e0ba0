"""The cold start: what to ask first, when a model knows nothing that is worth a doubt."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from learning.methods.balls import Balls
from learning.methods.clusters import Homes, k_means, nearest
from learning.methods.diversity import k_center
from learning.methods.geometry import (
    DOUBLE,
    Distances,
    Floats,
    Points,
    Positions,
    Singles,
    blocks,
    complain,
    given,
    least,
    same_length,
)
from learning.methods.lots import Lots

CLUSTERS = 500
CROWD = 8192
TOGETHER = 32
PURITY = 0.95
PROBED = 1000


def typiclust(
    embeddings: npt.ArrayLike,
    *,
    known: npt.ArrayLike | None = None,
    count: int,
    rng: np.random.Generator,
    neighbours: int = 20,
    lots: Lots | None = None,
) -> Positions:
    """Return the most typical point of each cluster (Hacohen et al. 2022, *Active Learning on a
    Budget*): largest clusters first, those that hold something ``known`` last.

    N x d ``embeddings`` of the pool and L x d of what is known are cut into min(L + count, 500)
    clusters, once. Typical is who has the smallest mean distance to its ``neighbours`` nearest
    inside the cluster; of clusters beyond 8,192 points that many are drawn. With more picks than
    clusters, clusters give their next most typical. Never a position twice, nor a copy of what is
    known or picked, so fewer may come back.

    >>> rows = [[0.0], [1.0], [2.0], [50.0], [51.0], [50.5], [52.5]]
    >>> typiclust(rows, known=[[1.5]], count=1, rng=np.random.default_rng(0), neighbours=2)
    array([5])
    """
    pool = Points.of(embeddings)
    seen = given(known, pool=pool)
    lots = same_length(lots, len(pool))
    drawn = rng.integers(2**64, size=len(pool), dtype=np.uint64) if lots is None else lots
    wanted = least(count, pool=len(pool))
    if not wanted:
        return np.empty(0, dtype=np.intp)
    centres = k_means(pool, count=min(len(seen) + wanted, CLUSTERS), rng=rng, lots=drawn)
    asked = nearest(seen, centres)
    crowds = [
        _Crowd(
            pool, members, seen.at(np.flatnonzero(asked == home)), neighbours=neighbours, lots=drawn
        )
        for home, members in enumerate(_members(nearest(pool, centres), count=len(centres)))
    ]
    picks: list[int] = []
    while crowds and len(picks) < wanted:
        crowd = min(crowds, key=_Crowd.turn)
        found = crowd.next()
        if found is None:
            crowds.remove(crowd)
        else:
            picks.append(found)
    return np.array(picks, dtype=np.intp)


def _members(homes: Homes, *, count: int) -> list[Positions]:
    order = np.argsort(homes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(homes, minlength=count))[:-1])


class _Crowd:
    """One cluster: its members, most typical first once it is asked, and what it has given."""

    def __init__(
        self, pool: Points, members: Positions, seen: Points, *, neighbours: int, lots: Lots
    ) -> None:
        self.pool, self.seen, self.neighbours, self.lots = pool, seen, neighbours, lots
        self.members = members
        self.size, self.left = len(members), -1
        self.taken: list[int] = []
        self.lot = int(lots[members].min()) if len(members) else 0

    def turn(self) -> tuple[int, int, int]:
        """Say whose turn is first: who has given least, then who is largest, then by lot."""
        return len(self.seen) + len(self.taken), -self.size, self.lot

    def next(self) -> int | None:
        """Return the next most typical member that copies nothing, or None."""
        if self.left < 0:
            self.members, self.left = self._ranked(), self.size
        while self.left:
            at = int(self.members[self.size - self.left])
            self.left -= 1
            if self._new(at):
                self.taken.append(at)
                return at
        return None

    def _new(self, at: int) -> bool:
        alone = np.array([at])
        edge = self.pool.slack(DOUBLE)
        copied = (self.seen, self.pool.at(np.array(self.taken, dtype=np.intp)))
        return all((self.pool.squared_exactly(alone, each) > edge).all() for each in copied)

    def _ranked(self) -> Positions:
        """Return the members, those with the nearest neighbours first."""
        some = self.members
        if self.size > CROWD:
            some = some[np.argpartition(self.lots[some], CROWD)[:CROWD]]
        self.size = len(some)
        apart = typical_distance(self.pool.at(some, dtype=np.float32), neighbours=self.neighbours)
        return np.asarray(some[np.lexsort((self.lots[some], apart))])


def typical_distance(points: Points, *, neighbours: int) -> Distances:
    """Return the mean distance of each of n points to its nearest; the less, the more typical.

    >>> typical_distance(Points.of([[0.0], [1.0], [3.0]]), neighbours=1).tolist()
    [1.0, 1.0, 2.0]
    """
    few = min(neighbours, len(points) - 1)
    found = np.zeros(len(points), dtype=np.float32)
    if few < 1:
        return found
    for part in blocks(len(points), block=TOGETHER * TOGETHER):
        apart = points.squared(slice(None), points.at(part))
        here = np.arange(part.stop - part.start)
        apart[here, here + part.start] = 0.0
        close = np.partition(apart, few, axis=1)[:, : few + 1]
        found[part] = np.sqrt(close).sum(axis=1) / few
    return found


def prob_cover(
    embeddings: npt.ArrayLike,
    *,
    known: npt.ArrayLike | None = None,
    count: int,
    radius: float | None = None,
    rng: np.random.Generator | None = None,
    lots: Lots | None = None,
) -> Positions:
    """Return positions whose balls cover most of the pool (Yehuda et al. 2022, *Active Learning
    Through a Covering Lens*), greedily: the next covers most points that nothing covers yet.

    N x d ``embeddings``; what is ``known``, L x d, covers already. Without a ``radius`` it is that
    of :func:`pure_radius`. No graph is kept: the N degrees are counted once and bound how much a
    ball can still add, so that a few balls are counted again for each pick. Only blocks of points
    within reach of one another are compared (:class:`.balls.Balls`): where texts form clusters
    that is a small part of all pairs, in mere noise it is all. When all is covered the rest is
    picked farthest first (:func:`k_center`), without copies.

    >>> prob_cover([[0.0], [1.0], [2.0], [9.0], [9.5], [30.0]], count=3, radius=1.0).tolist()
    [1, 3, 5]
    """
    pool = Points.of(embeddings)
    seen = given(known, pool=pool)
    lots = same_length(lots, len(pool))
    wanted = least(count, pool=len(pool))
    if not wanted:
        return np.empty(0, dtype=np.intp)
    if radius is None:
        radius = pure_radius(pool, rng=rng or np.random.default_rng(0), lots=lots)
    if not radius > 0:
        raise ValueError("a radius must be a positive number")
    picks = Balls(pool, seen, square=float(radius) ** 2, lots=lots).greedy(wanted)
    covered = np.concatenate([seen.rows, pool.rows[picks]])
    more = k_center(pool.rows, known=covered, count=wanted - len(picks), lots=lots)
    return np.concatenate([picks, more])


def pure_radius(
    pool: Points, *, rng: np.random.Generator, clusters: int = 10, lots: Lots | None = None
) -> float:
    """Return the radius at which 95 of 100 balls hold points of one cluster only.

    The rule of Yehuda et al. 2022 with k-means clusters for the classes that nobody knows yet: a
    ball is pure until it reaches the nearest point of another cluster, so the radius is the 5 %
    quantile of that distance, over at most 1,000 balls drawn uniformly. Infinite when there is
    one cluster only.

    >>> rows = Points.of([[0.0], [1.0], [9.0], [10.0]])
    >>> bool(8.0 <= pure_radius(rows, clusters=2, rng=np.random.default_rng(0)) <= 8.2)
    True
    """
    homes = nearest(pool, k_means(pool, count=clusters, rng=rng, lots=lots))
    keys = rng.random(len(pool)) if lots is None else lots
    probed = np.argsort(keys, kind="stable")[:PROBED]
    centres, own = pool.at(probed), homes[probed]
    reach = np.full(len(probed), np.inf, dtype=np.float32)
    for part in pool.parts():
        apart = pool.squared(part, centres)
        apart[own[:, None] == homes[part]] = np.inf
        np.minimum(reach, apart.min(axis=1), out=reach)
    return float(np.sqrt(np.quantile(reach, 1.0 - PURITY, method="lower")))


def surprise(losses: Sequence[npt.ArrayLike], *, top: int = 64) -> Singles:
    """Return N x ``top`` surprise vectors from N ragged rows of masked-LM losses, a loss a token.

    After ALPS (Yuan et al. 2020, *Cold-start Active Learning through Self-supervised Language
    Modeling*): the loss of each token that a language model was asked for is how surprised it is.
    Kept are the largest losses, in falling order, so that texts of other lengths compare, padded
    with 0 and scaled to length 1. A text without any loss is all zeros.

    >>> surprise([[3.0, 4.0, 0.0], []], top=2).round(2).tolist()
    [[0.800000011920929, 0.6000000238418579], [0.0, 0.0]]
    """
    if top < 1:
        raise ValueError("a surprise vector must keep one loss or more")
    rows = _losses(losses)
    found = np.zeros((len(rows), top), dtype=np.float32)
    for vector, row in zip(found, rows, strict=True):
        largest = np.sort(row)[::-1][:top]
        length = float(np.linalg.norm(largest))
        vector[: len(largest)] = largest / length if length else 0.0
    return found


def surprisal(losses: Sequence[npt.ArrayLike]) -> Floats:
    """Return the N mean losses of ragged rows, an uncertainty; 0 for a text without any.

    >>> surprisal([[3.0, 4.0], []]).tolist()
    [3.5, 0.0]
    """
    return np.array([row.mean() if len(row) else 0.0 for row in _losses(losses)])


def alps(
    losses: Sequence[npt.ArrayLike],
    *,
    count: int,
    rng: np.random.Generator,
    top: int = 64,
    lots: Lots | None = None,
) -> Positions:
    """Return the text nearest the centre of each of ``count`` clusters of surprise vectors (ALPS,
    Yuan et al. 2020), in no order of worth; where clusters lack, the farthest from these.

    >>> rows = [[9.0], [8.0], [1.0, 1.0], [2.0, 2.0]]
    >>> sorted(alps(rows, count=2, rng=np.random.default_rng(0)).tolist())
    [0, 2]
    """
    return alps_of(surprise(losses, top=top), count=count, rng=rng, lots=lots)


def alps_of(
    vectors: npt.ArrayLike, *, count: int, rng: np.random.Generator, lots: Lots | None = None
) -> Positions:
    """Return the same from N x S surprise vectors, such as :func:`surprise` makes.

    >>> alps_of([[1.0, 0.0], [0.9, 0.1]], count=1, rng=np.random.default_rng(0)).tolist()
    [0]
    """
    pool = Points.of(vectors)
    lots = same_length(lots, len(pool))
    wanted = least(count, pool=len(pool))
    if not wanted:
        return np.empty(0, dtype=np.intp)
    centres = k_means(pool, count=wanted, rng=rng, lots=lots)
    homes = nearest(pool, centres)
    away = np.square(pool.seen(slice(None)) - centres[homes]).sum(axis=1)
    ties = np.arange(len(pool)) if lots is None else lots
    order = np.lexsort((ties, away, homes))
    picks = order[np.r_[True, np.diff(homes[order]) > 0]]
    more = k_center(pool.rows, known=pool.rows[picks], count=wanted - len(picks), lots=lots)
    return np.concatenate([picks, more])


def _losses(losses: Sequence[npt.ArrayLike]) -> list[Floats]:
    rows: list[Floats] = [np.asarray(row, dtype=np.float64).ravel() for row in losses]
    wrong = np.array([not (np.isfinite(row) & (row >= 0)).all() for row in rows], dtype=np.bool_)
    complain(wrong, name="losses", want="be numbers from 0 up")
    return rows
