"""Clusters: k-means on a sample of the pool, then every point to its nearest centre."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from learning.methods.geometry import BLOCK, Points, Positions, Singles, blocks
from learning.methods.lots import Lots
from learning.methods.seeding import kmeans_plus_plus

Homes = npt.NDArray[np.intp]
SAMPLE = 100
LARGEST_SAMPLE = 32768
ROUNDS = 10


def k_means(
    pool: Points, *, count: int, rng: np.random.Generator, lots: Lots | None = None
) -> Singles:
    """Return at most ``count`` centres, k x d, seen from the origin of the pool (Lloyd 1982, begun
    by k-means++).

    The rounds see at most 100 points a centre, drawn uniformly: more moves a mean by less than
    a tenth of its cluster's width. Fewer centres come back from fewer distinct points.

    >>> found = k_means(Points.of([[0.0], [1.0], [9.0]]), count=2, rng=np.random.default_rng(0))
    >>> sorted(found.ravel().tolist())
    [0.5, 9.0]
    """
    drawn = _sample(len(pool), most=min(SAMPLE * count, LARGEST_SAMPLE), rng=rng, lots=lots)
    some = pool.at(drawn)
    rows = some.seen(slice(None))
    their = None if lots is None else lots[drawn]
    centres = rows[kmeans_plus_plus(rows, count=count, rng=rng, lots=their)]
    homes: Homes = np.full(len(rows), -1)
    for _ in range(ROUNDS):
        before, homes = homes, nearest(some, centres)
        if (homes == before).all():
            break
        sizes = np.bincount(homes, minlength=len(centres)).astype(np.float32)
        ones = np.ones(len(rows), dtype=np.float32)
        members = sparse.csr_array(
            (ones, (homes, np.arange(len(rows)))), shape=(len(sizes), len(rows))
        )
        full = sizes > 0
        centres[full] = (members @ rows)[full] / sizes[full, None]
    return np.asarray(centres)


def nearest(points: Points, centres: Singles) -> Homes:
    """Return, for N points, the position of the nearest of k x d centres of :func:`k_means`.

    >>> nearest(Points.of([[0.0], [8.0]]), np.array([[1.0], [9.0]], dtype=np.float32)).tolist()
    [0, 1]
    """
    found = np.empty(len(points), dtype=np.intp)
    half = 0.5 * np.einsum("ij,ij->i", centres, centres)
    for part in blocks(len(points), block=BLOCK // 2):
        likeness = points.seen(part) @ centres.T
        likeness -= half
        found[part] = likeness.argmax(axis=1)
    return found


def _sample(count: int, *, most: int, rng: np.random.Generator, lots: Lots | None) -> Positions:
    """Draw uniformly; by lot also in the order of lots, so that sums do not know positions."""
    if lots is not None:
        return np.argsort(lots, kind="stable")[:most]
    return rng.permutation(count)[:most]
