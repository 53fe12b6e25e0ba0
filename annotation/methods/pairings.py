"""Pairings: of which two writers people should see outputs next, so that their choices tell most.

One more choice between two writers tells as much as its outcome is open and their difference is
unsure: Fisher's information of the choice times the variance of the difference, as in
sequential designs for Bradley and Terry's model (Glickman and Jensen 2005, Journal of
Statistical Planning and Inference 127; Chen et al. 2013, WSDM). After k choices of one pair the next
tells log(1 + i v / (1 + k i v)), so that a batch spreads over pairs. A share is drawn from
everything alike, and every output is drawn with a chance that is known: within a pair the lot
decides, and what is estimated by weighting with chances is unbiased whatever the model thinks.

Shapes: W writers; W x W matrices are symmetric, their diagonal is nought.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from annotation.methods.judgements import Floats, Ints
from annotation.methods.preferences import LEVEL, STRENGTH, Fit

AUDIT = 0.2


@dataclass(frozen=True)
class Allotted:
    """How many outputs of each pair are asked: ``chosen`` and ``audit``, W x W counts.

    ``chance`` W x W: how probable it was for an output of the pair to be asked.
    """

    chosen: Ints
    audit: Ints
    chance: Floats

    @property
    def asked(self) -> Ints:
        """Outputs of each pair."""
        return self.chosen + self.audit


def openness(fit: Fit | None, *, writers: int) -> Floats:
    """Return how much one more choice of each pair tells (W x W): information times variance.

    >>> openness(None, writers=2).round(2).tolist()
    [[0.0, 1.6], [1.6, 0.0]]
    """
    strength: Floats = np.zeros(writers)
    spread: Floats = np.full((writers, writers), 2 * STRENGTH**2)
    tie = 0.5
    if fit is not None:
        strength, tie = fit.strength[:, 0], float(np.exp(fit.tie.value or 0.0))
        spread = (fit.reach / float(ndtri(0.5 + LEVEL / 2))) ** 2
    half = np.exp((strength[:, None] - strength[None, :]) / 2)
    total = half + 1 / half + tie
    win, loss = half / total, 1 / half / total
    found = (win + loss - (win - loss) ** 2) / 4 * spread
    np.fill_diagonal(found, 0.0)
    return np.asarray(found, np.float64)


def allot(
    openness: Floats,
    *,
    left: Ints,
    count: int,
    rng: np.random.Generator,
    audit: float = AUDIT,
) -> Allotted:
    """Share ``count`` choices out among pairs of which so many outputs are ``left`` (W x W).

    >>> open_ = np.array([[0, 2.0, 0.1], [2.0, 0, 0.1], [0.1, 0.1, 0]])
    >>> left = 50 * (1 - np.eye(3, dtype=int))
    >>> found = allot(open_, left=left, count=20, rng=np.random.default_rng(0))
    >>> int(found.chosen[0, 1]), int(np.triu(found.asked).sum())
    (12, 20)
    >>> bool((found.chance[left > 0] > 0).all())
    True
    """
    one, other = np.triu_indices(len(left), k=1)
    room = np.asarray(left, np.int64)[one, other]
    count = min(count, int(room.sum()))
    drawn = rng.multivariate_hypergeometric(room, round(audit * count))
    told = np.asarray(openness, np.float64)[one, other]
    chosen = np.zeros(len(room), np.int64)
    for _ in range(count - int(drawn.sum())):
        gain = np.where(chosen + drawn < room, np.log1p(told / (1 + chosen * told)), -1.0)
        chosen[rng.choice(np.flatnonzero(gain >= gain.max() - 1e-12))] += 1
    whole = max(int(room.sum()), 1)
    by_lot = 1 - int(drawn.sum()) / whole
    rest = np.maximum(room - drawn, 1)
    chance = np.where(room > 0, 1 - by_lot * (1 - chosen / rest), 0.0)
    size = len(left)
    counts = [_square(part, one, other, size=size).astype(np.int64) for part in (chosen, drawn)]
    return Allotted(counts[0], counts[1], _square(chance, one, other, size=size))


def _square(row: npt.ArrayLike, one: Ints, other: Ints, *, size: int) -> Floats:
    found = np.zeros((size, size))
    found[one, other] = found[other, one] = np.asarray(row)
    return found
