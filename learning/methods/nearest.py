"""Nearest: how far a pick is from what its language was asked before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.candidates import Pool
from learning.methods.lots import draw, hashes

Floats = npt.NDArray[np.float64]

# Known samples that the usual distance is taken from.
SOME = 512
BLOCK = 8_192
# More digits than the machine gets wrong.
DIGITS = 6


@dataclass(frozen=True)
class Nearest:
    """The nearest known sample of some texts, and what such a distance usually is.

    ``usual`` is the median distance of a known sample to the nearest other; None where there
    are too few to tell.
    """

    found: Mapping[int, tuple[str, float]] = field(default_factory=dict)
    usual: float | None = None

    def of(self, text: int) -> tuple[str, float | None]:
        """Return the nearest known sample and 1 minus the cosine to it; nothing if none is known."""
        return self.found.get(text, ("", None))


def nearest_known(pool: Pool, *, texts: Sequence[int]) -> Nearest:
    """Look for the known sample of the language that is nearest to each of some texts, by cosine."""
    request = pool.request
    if request.embeddings is None or request.known_embeddings is None or not texts:
        return Nearest()
    rows = request.known_embeddings[pool.known]
    fit = np.isfinite(rows).all(axis=1) & rows.any(axis=1)
    here, known = pool.known[fit], _unit(rows[fit])
    if not len(here):
        return Nearest()
    points = _unit(request.embeddings[pool.at[list(texts)]])
    at, away = _closest(points, known)
    found = {
        text: (request.known_ids[here[place]], distance)
        for text, place, distance in zip(texts, at.tolist(), away.tolist(), strict=True)
    }
    return Nearest(found, _usual(known, ids=[request.known_ids[at] for at in here]))


def _closest(
    points: Floats, known: Floats, *, own: npt.NDArray[np.intp] | None = None
) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return which known row is nearest to each point, and how far; a point's ``own`` row is not.

    Equals keep the order of the rows, which is that of the hashes of their ids.
    """
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
    return at, np.asarray(away + 0.0)


def _usual(known: Floats, *, ids: Sequence[str]) -> float | None:
    if len(known) < 3:
        return None
    some = np.sort(np.argsort(draw(hashes(ids), seed=0, purpose="usual"), kind="stable")[:SOME])
    return float(np.median(_closest(known[some], known, own=some)[1]))


def _unit(rows: npt.NDArray[Any]) -> Floats:
    numbers = np.asarray(rows, dtype=np.float64)
    return np.asarray(numbers / np.linalg.norm(numbers, axis=1, keepdims=True))
