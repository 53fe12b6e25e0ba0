"""Grams: texts compared by the runs of three to five letters that they share.

A text is a vector of its runs, each weighing one plus the logarithm of how often it stands there;
two texts are as alike as the cosine of their vectors (Salton & Buckley 1988, *Term-weighting
approaches in automatic text retrieval*). With ``rare`` what few texts share weighs more (their
inverse document frequency). Works in any script, knows no words, needs no model.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.methods.texts import normalise

SHORTEST, LONGEST = 3, 5
BITS = 20
# A run is a number in base MULTIPLIER, and its highest bits after a product tell its place (Knuth).
MULTIPLIER, MIXER = np.uint64(1_000_003), np.uint64(0x9E3779B97F4A7C15)
# Among so many texts the likely are found first, by so many entries of the rarest runs.
MANY, LIKELY, ENTRIES = 5_000, 100, 20_000
Floats = npt.NDArray[np.float64]


def counts(text: str) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the hashed runs of a text, in order, and their weights.

    >>> here, weights = counts("aaaa")
    >>> len(here), round(float(weights.max()), 3)  # " aaaa " holds "aaa" twice
    (8, 1.693)
    """
    signs = np.frombuffer(f" {normalise(text)} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    run, runs = signs.astype(np.uint64), []
    for size in range(2, LONGEST + 1):
        if len(run) > 1:
            run = run[:-1] * MULTIPLIER + signs[size - 1 :]
        if size >= SHORTEST:
            runs.append((run + np.uint64(size)) * MIXER >> np.uint64(64 - BITS))
    places, often = np.unique(np.concatenate(runs).astype(np.int64), return_counts=True)
    return places, 1.0 + np.log(often)


class Grams:
    """Texts that can be asked which of them another text is like.

    >>> known = Grams(["Na nga def, sama xarit?", "The password was changed."])
    >>> known.like("na nga def, sama  XARIT", threshold=0.8), known.like("Password?", threshold=0.8)
    (True, False)
    >>> known.nearest("Na nga def sama xarit!", most=1)[0][0]
    0
    """

    def __init__(self, texts: Sequence[str], *, rare: bool = False) -> None:
        told = [counts(text) for text in texts]
        places = np.concatenate([np.zeros(0, np.int64), *(one for one, _ in told)])
        weights = np.concatenate([np.zeros(0), *(two for _, two in told)])
        rows = np.repeat(np.arange(len(told)), [len(one) for one, _ in told])
        self.size = len(told)
        self._known, self._starts = np.unique(np.sort(places), return_index=True)
        self._starts = np.append(self._starts, len(places))
        self._idf: npt.NDArray[Any] = np.ones(len(self._known))
        if rare:
            self._idf = np.log((1 + self.size) / (1 + np.diff(self._starts))) + 1
            weights = weights * self._idf[np.searchsorted(self._known, places)]
        norms = np.sqrt(np.bincount(rows, weights**2, minlength=self.size))
        weights = weights / np.maximum(norms[rows], 1e-12)
        # By run, then by text: a query reads the lists of its own runs and no others.
        order = np.argsort(places, kind="stable")
        self._rows = rows[order].astype(np.int32)
        self._weights = weights[order].astype(np.float32)

    def cosines(self, text: str) -> Floats:
        """Return how alike each text is to this one, from 0 to 1."""
        found = np.zeros(self.size)
        lists, weights = self._asked(text)
        for list_, weight in zip(lists, weights, strict=True):
            some = slice(self._starts[list_], self._starts[list_ + 1])
            found[self._rows[some]] += weight * self._weights[some]
        return found

    def _asked(self, text: str) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return the lists of a text's runs that are known, and what each weighs in it."""
        places, weights = counts(text)
        at = np.searchsorted(self._known, places)
        here = at < len(self._known)
        here[here] = self._known[at[here]] == places[here]
        # A run that no text has counts in the length of this one, as common as can be.
        idf = np.ones(len(places))
        idf[here] = self._idf[at[here]]
        weights = weights * idf
        weights = weights / max(float(np.sqrt((weights**2).sum())), 1e-12)
        return at[here], weights[here]

    def like(self, text: str, *, threshold: float) -> bool:
        """Tell whether any of the texts is so like this one."""
        return self.size > 0 and bool(self.cosines(text).max() >= threshold)

    def nearest(self, text: str, *, most: int) -> list[tuple[int, float]]:
        """Return the places of the texts most like this one, and how much they are."""
        if not self.size:
            return []
        rows, cosines = self._likely(text) if self.size > MANY else (None, self.cosines(text))
        rows = np.arange(self.size) if rows is None else rows
        best = np.lexsort((rows, -cosines))[:most]
        return [(int(rows[at]), float(cosines[at])) for at in best if cosines[at] > 0]

    def _likely(self, text: str) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return the texts that share the rarest runs with this one, and how alike they are.

        Of a hundred thousand texts the commonest runs stand in nearly all: who is likely is told
        by the rare ones, and only of those few is the whole cosine worked out.
        """
        lists, weights = self._asked(text)
        lengths = self._starts[lists + 1] - self._starts[lists]
        order = np.argsort(lengths, kind="stable")
        rare = int(np.searchsorted(np.cumsum(lengths[order]), ENTRIES, side="right"))
        first, then = order[: max(rare, 1)], order[max(rare, 1) :]
        partly = self._added(lists[first], weights[first])
        few = np.sort(np.argpartition(-partly, LIKELY)[:LIKELY])
        # Of the common runs only what stands in those few: one look at each entry, in a small table.
        known = np.full(self.size, -1, np.int16)
        known[few] = np.arange(len(few))
        cosines = partly[few]
        some = [slice(self._starts[one], self._starts[one + 1]) for one in lists[then]]
        if some:
            places = known[np.concatenate([self._rows[one] for one in some])]
            hits = np.flatnonzero(places >= 0)
            ends = np.cumsum([one.stop - one.start for one in some])
            of = np.searchsorted(ends, hits, side="right")
            begins = np.array([one.start for one in some]) - np.append(0, ends[:-1])
            parts = weights[then][of] * self._weights[begins[of] + hits]
            cosines = cosines + np.bincount(places[hits], parts, minlength=len(few))
        return few, cosines

    def _added(self, lists: npt.NDArray[np.int64], weights: Floats) -> Floats:
        """Return what some lists alone add to the cosine of each text."""
        some = [slice(self._starts[one], self._starts[one + 1]) for one in lists]
        if not some:
            return np.zeros(self.size)
        rows = np.concatenate([self._rows[one] for one in some])
        parts = np.concatenate([self._weights[one] for one in some])
        parts = parts * np.repeat(weights, [one.stop - one.start for one in some])
        return np.asarray(np.bincount(rows, parts, minlength=self.size), np.float64)
