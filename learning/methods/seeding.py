"""Seeding: k-means++ draws, in embeddings or in gradient embeddings, exact and lazy.

A draw with chances proportional to D^2 is a race: a point whose squared distance to the nearest
pick is r arrives at rate r, and the first to arrive is picked (Efraimidis & Spirakis 2006). The
distances only fall, so a point that is told of a pick late can only have been due later than it
seems. Hence a few candidates, due first, are kept up to date, and the pool is read again only
when one of the others may come before them. What a point has not used of its exponential clock
is exponential again, so one clock lasts for the whole draw, and the distribution is exactly that
of a draw that reads the pool for every pick.
"""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from learning.methods.geometry import (
    Floats,
    Part,
    Points,
    Positions,
    Rows,
    Singles,
    blocks,
    complain,
    first,
    least,
    likelihoods,
    matrix,
    rounding,
    same_length,
)
from learning.methods.lots import Lots, mixed, uniforms

CANDIDATES = (1024, 8192)
TOGETHER = 128


def kmeans_plus_plus(
    embeddings: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    count: int,
    rng: np.random.Generator,
    lots: Lots | None = None,
) -> Positions:
    """Draw positions by k-means++ (Arthur & Vassilvitskii 2007), each point with its weight.

    From N x d ``embeddings`` the first is drawn in proportion to the N ``weights``, each next in
    proportion to weight times squared distance to the nearest drawn. At most ``count``, distinct;
    fewer when what is left are copies or weighs nothing. With ``lots`` the draw goes with the
    points and not with their positions.

    >>> rng = np.random.default_rng(0)
    >>> drawn = kmeans_plus_plus([[0.0], [0.0], [9.0]], weights=[1, 0, 1], count=3, rng=rng)
    >>> sorted(drawn.tolist())
    [0, 2]
    """
    pool = Points.of(embeddings)
    heavy = _weights(weights, count=len(pool))
    wanted = least(count, pool=int(np.count_nonzero(heavy)))
    if not wanted:
        return np.empty(0, dtype=np.intp)
    race = Race(pool, heavy, _clocks(len(pool), lots=lots, rng=rng))
    start = _due(_clocks(len(pool), lots=lots, rng=rng), heavy)
    return race.run(int(np.argmin(start)), count=wanted)


def badge(
    embeddings: npt.ArrayLike,
    *,
    probabilities: npt.ArrayLike,
    count: int,
    rng: np.random.Generator,
    lots: Lots | None = None,
) -> Positions:
    """Draw positions by BADGE (Ash et al. 2020, *Deep Batch Active Learning by Diverse, Uncertain
    Gradient Lower Bounds*): k-means++ in the space of gradient embeddings.

    For N x d ``embeddings`` h and N x C ``probabilities`` p, the gradient of the loss for the
    likeliest label by the last layer is g = (p - e) outer h, with e the one-hot of that label. It
    is never built: <g, g'> = <p - e, p' - e'><h, h'>. As its authors do, the first pick is the
    largest gradient; the others are drawn in proportion to the squared distance to the nearest
    pick. At most ``count``, distinct; fewer when what is left repeats a gradient that was picked,
    as the samples do that the network is sure of: all their gradients are zero.

    >>> h, p = [[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]], [[0.9, 0.1], [0.5, 0.5], [0.9, 0.1]]
    >>> badge(h, probabilities=p, count=3, rng=np.random.default_rng(0))
    array([1, 2])
    """
    pool = Gradients.of(embeddings, probabilities)
    lots = same_length(lots, len(pool))
    wanted = least(count, pool=len(pool))
    if not wanted:
        return np.empty(0, dtype=np.intp)
    largest = first(np.flatnonzero(pool.square == pool.square.max()), lots)
    race = Race(pool, np.ones(1), _clocks(len(pool), lots=lots, rng=rng))
    return race.run(largest, count=wanted)


class Space(Protocol):
    """Points between which squared distances are known, and their squared lengths."""

    @property
    def square(self) -> Singles: ...
    @property
    def dimensions(self) -> int: ...
    def __len__(self) -> int: ...
    def at(self, part: Part) -> "Space": ...
    def squared(self, part: Part, centres: Any) -> Singles: ...


@dataclass(frozen=True, eq=False)
class Gradients:
    """A pool with the distance between gradient embeddings; ``square`` are their squared norms."""

    embeddings: Rows
    probabilities: Rows
    square: Singles

    @classmethod
    def of(cls, embeddings: npt.ArrayLike, probabilities: npt.ArrayLike) -> "Gradients":
        """Check and measure what lies in blocks."""
        found = matrix(embeddings, name="embeddings")
        points = Points.of(found, origin=np.zeros(found.shape[1], dtype=np.float32))
        rows = likelihoods(probabilities, count=len(points))
        square = np.empty(len(points), dtype=np.float32)
        for part in blocks(len(points)):
            lean = residuals(rows[part])
            square[part] = np.einsum("ij,ij->i", lean, lean) * points.square[part]
        return cls(points.rows, rows, square)

    def __len__(self) -> int:
        return len(self.square)

    @property
    def dimensions(self) -> int:
        """How many products are summed."""
        return int(self.embeddings.shape[1] + self.probabilities.shape[1])

    def at(self, part: Part) -> "Gradients":
        """Return some of the points, in memory."""
        rows, lean = np.asarray(self.embeddings[part]), np.asarray(self.probabilities[part])
        return Gradients(rows, lean, self.square[part])

    def squared(self, part: Part, centres: "Gradients") -> Singles:
        """Return the k x n squared distances from k centres to some of the points."""
        rows = np.asarray(self.embeddings[part], dtype=np.float32)
        found = np.asarray(centres.embeddings, dtype=np.float32) @ rows.T
        found *= residuals(centres.probabilities) @ residuals(self.probabilities[part]).T
        found *= -2.0
        found += centres.square[:, None]
        found += self.square[part]
        return np.asarray(found)


def residuals(probabilities: Rows) -> Singles:
    """Return p minus the one-hot of its largest entry, N x C.

    >>> residuals(np.array([[0.75, 0.25]])).tolist()
    [[-0.25, 0.25]]
    """
    found = np.array(probabilities, dtype=np.float32)
    found[np.arange(len(found)), np.argmax(probabilities, axis=1)] -= 1.0
    return found


S = TypeVar("S", bound=Space)


class Race(Generic[S]):
    """The draw. ``rate`` was each point's D^2 times weight when the pool was last read, ``left``
    what remained of its clock; rates have only fallen since.
    """

    def __init__(self, pool: S, weights: Floats, clocks: Floats) -> None:
        self.pool, self.weights = pool, np.broadcast_to(weights, len(pool))
        self.left, self.rate = clocks, np.full(len(pool), np.inf)
        self.picks: list[int] = []

    def run(self, start: int, *, count: int) -> Positions:
        """Draw until there are ``count``, or nothing is left to draw from."""
        self.picks = [start]
        self._hear([start], [0.0])
        while len(self.picks) < count:
            drawn, spans = self._window(count)
            if not drawn:
                break
            self.picks += drawn
            self._hear(drawn, spans)
        return np.array(self.picks, dtype=np.intp)

    def _window(self, count: int) -> tuple[list[int], list[float]]:
        """Draw from candidates until another point may be due; return picks and the waits."""
        few, bound = self._candidates(count)
        near = self.pool.at(few)
        left, rate, weights = self.left[few], self.rate[few], self.weights[few]
        now = 0.0
        drawn: list[int] = []
        spans: list[float] = []
        while len(self.picks) + len(drawn) < count:
            due = _due(left, rate)
            at = int(np.argmin(due))
            wait = float(due[at])
            if not now + wait <= bound or np.isinf(wait):
                break
            now += wait
            left -= rate * wait
            np.maximum(left, 0.0, out=left)
            drawn.append(int(few[at]))
            spans.append(wait)
            new = near.at(np.array([at]))
            np.minimum(rate, weights * _apart(near, slice(None), new)[0], out=rate)
            rate[at] = 0.0
        return drawn, spans

    def _candidates(self, count: int) -> tuple[Positions, float]:
        """Return the points due first, and when the first of the others may be due."""
        due = _due(self.left, self.rate)
        few = min(max(4 * count, CANDIDATES[0]), CANDIDATES[1])
        if few >= len(due):
            return np.arange(len(due)), np.inf
        order = np.argpartition(due, few)
        return np.sort(order[:few]), float(due[order[few]])

    def _hear(self, drawn: list[int], spans: list[float]) -> None:
        """Tell the whole pool, in one pass, what was drawn and after what waits."""
        for start in range(0, len(drawn), TOGETHER):
            group = slice(start, start + TOGETHER)
            centres = self.pool.at(np.array(drawn[group], dtype=np.intp))
            for part in blocks(len(self.pool)):
                left, rate, weights = self.left[part], self.rate[part], self.weights[part]
                for wait, apart in zip(spans[group], _apart(self.pool, part, centres), strict=True):
                    if wait:
                        left -= rate * wait
                    np.minimum(rate, weights * apart, out=rate)
                np.maximum(left, 0.0, out=left)
        self.rate[drawn] = 0.0


def _apart(space: S, part: Part, centres: S) -> Singles:
    """Return k x n squared distances; what float32 cannot tell from a copy is one."""
    found = space.squared(part, centres)
    least_seen = rounding(space.dimensions) * (centres.square[:, None] + space.square[part])
    found[found <= least_seen] = 0.0
    return found


def _due(left: Floats, rate: Floats) -> Floats:
    """Return when each clock runs out at its rate; never at rate 0."""
    found = np.full(len(left), np.inf)
    np.divide(left, rate, out=found, where=rate > 0)
    return found


def _clocks(count: int, *, lots: Lots | None, rng: np.random.Generator) -> Floats:
    """Return exponential waits: from the generator alone, or from one number of it and the lots."""
    if same_length(lots, count) is None:
        return rng.exponential(size=count)
    key = rng.integers(2**64, dtype=np.uint64)
    return np.asarray(-np.log(uniforms(mixed(np.asarray(lots, dtype=np.uint64) ^ key))))


def _weights(weights: npt.ArrayLike | None, *, count: int) -> Floats:
    if weights is None:
        return np.ones(count)
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (count,):
        raise ValueError(f"there must be one weight for each of {count} rows, not {found.shape}")
    complain(~(np.isfinite(found) & (found >= 0)), name="weights", want="be numbers from 0 up")
    return found
