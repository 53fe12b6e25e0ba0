"""Nearest: how far a pick is from what its language was asked before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.lots import draw, hashes

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]

# Known samples that the usual distance is taken from.
SOME = 512
BLOCK = 8_192
# More digits than the machine gets wrong.
DIGITS = 6


@dataclass(frozen=True)
class Nearest:
    """For each of some points the nearest known sample and 1 minus the cosine to it.

    ``usual`` is the median distance of a known sample to the nearest other; None where there
    are too few to tell.
    """

    found: tuple[tuple[str, float | None], ...] = ()
    usual: float | None = None

    def of(self, point: int) -> tuple[str, float | None]:
        """Return the nearest known sample of one point; no name and None if none is known."""
        return self.found[point] if self.found else ("", None)


def nearest(points: npt.NDArray[Any], *, known: npt.NDArray[Any], ids: Sequence[str]) -> Nearest:
    """Look for the known row nearest to each of P x d points, by cosine; ``ids`` name M x d rows.

    Rows of zeros, or of what is no number, have no direction: they are near to nothing.

    >>> nearest(np.array([[1.0, 0.1]]), known=np.eye(2), ids=["east", "north"]).of(0)
    ('east', 0.004963)
    """
    fit = np.isfinite(known).all(axis=1) & known.any(axis=1)
    if not fit.any() or not len(points):
        return Nearest()
    # In order of their hashes, so that equals do not know where they stood.
    at = np.flatnonzero(fit)
    at = at[np.argsort(hashes([ids[i] for i in at]), kind="stable")]
    rows, names = _unit(known[at]), [ids[i] for i in at]
    seen = np.isfinite(points).all(axis=1) & points.any(axis=1)
    place, away = _closest(_unit(np.where(seen[:, None], points, 1.0)), rows)
    found = zip(seen.tolist(), place.tolist(), away.tolist(), strict=True)
    return Nearest(
        tuple((names[i], distance) if fine else ("", None) for fine, i, distance in found),
        _usual(rows, ids=names),
    )


def _closest(
    points: Floats, known: Floats, *, own: Positions | None = None
) -> tuple[Positions, Floats]:
    """Return which known row is nearest to each point, and how far; a point's ``own`` row is not."""
    away, at = np.full(len(points), np.inf), np.zeros(len(points), dtype=np.intp)
    for start in range(0, len(known), BLOCK):
        apart = (1.0 - points @ known[start : start + BLOCK].T).round(DIGITS)
        if own is not None:
            inside = np.flatnonzero((own >= start) & (own < start + BLOCK))
            apart[inside, own[inside] - start] = np.inf
        best = apart.argmin(axis=1)
        nearer = apart[np.arange(len(points)), best] < away
        at[nearer] = best[nearer] + start
        away[nearer] = apart[nearer, best[nearer]]
    # Adding 0 turns -0.0 into 0.0.
    return at, np.asarray(away + 0.0)


def _usual(known: Floats, *, ids: Sequence[str]) -> float | None:
    if len(known) < 3:
        return None
    drawn = draw(hashes(ids), seed=0, purpose="usual")
    some = np.sort(np.argsort(drawn, kind="stable")[:SOME])
    return float(np.median(_closest(known[some], known, own=some)[1]))


def _unit(rows: npt.NDArray[Any]) -> Floats:
    numbers = np.asarray(rows, dtype=np.float64)
    return np.asarray(numbers / np.linalg.norm(numbers, axis=1, keepdims=True))
