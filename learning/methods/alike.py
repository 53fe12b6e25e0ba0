"""Alike: which of very many texts may say what another says, by letters and by embeddings.

Letters find what was told again with slips, without marks, in another order or in Latin letters:
all are compared in the form that is left when marks go and other scripts are romanised.
Embeddings find other words for the same; on slips they are far worse. So the first places
go by letters, the last by embeddings (``benchmarks.reports`` has both measured apart).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from annotation.methods.grams import Grams
from learning.methods.noise import romanised, without_marks

# Letters are indexed in parts of so many texts: one more does not have all of them indexed anew.
PART = 20_000
# The last part is indexed anew when so much has come since.
GROWTH, FEW = 0.1, 200
# Below nothing is shown: of runs of letters, and of embeddings.
LEAST_LETTERS, LEAST_SENSE = 0.1, 0.5
# More embeddings than these are sifted by signs first, which read a fiftieth of the memory.
MANY, SIFTED, BITS = 20_000, 1_000, 512
Floats = npt.NDArray[np.float32]


def folded(text: str) -> str:
    """Return the form in which letters are compared.

    >>> folded("Рахмет, Jërëjëf") == folded("Rakhmet, Jerejef")
    True
    """
    return romanised(without_marks(text))


@dataclass
class _Part:
    grams: Grams
    ids: list[int]


@dataclass(frozen=True)
class Near:
    """A text that may say the same: its id, and both cosines, as far as they are known."""

    id: int
    letters: float
    sense: float | None


@dataclass
class Index:
    """Texts that can be asked which of them another text is like; grows, and never forgets.

    >>> index = Index()
    >>> index.add([7, 8], texts=["Na nga def, sama xarit?", "The password was changed."])
    >>> index.add_senses([8], senses=np.array([[1.0, 0.0]], np.float32))
    >>> [one.id for one in index.nearest("na nga def sama xarit", most=1)]
    [7]
    >>> [one.id for one in index.nearest("Kode", sense=np.array([0.9, 0.1], np.float32), most=2)]
    [8]
    """

    parts: list[_Part] = field(default_factory=list)
    _waiting: _Part = field(default_factory=lambda: _Part(Grams(()), []))
    _texts: list[str] = field(default_factory=list)
    _senses: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    _sensed: list[int] = field(default_factory=list)
    _signs: npt.NDArray[np.uint64] = field(
        default_factory=lambda: np.zeros((0, BITS // 64), np.uint64)
    )

    @property
    def last(self) -> int:
        """Return the greatest id that was added."""
        ends = [part.ids[-1] for part in (*self.parts, self._waiting) if part.ids]
        return max(ends, default=0)

    def add(self, ids: Sequence[int], *, texts: Sequence[str]) -> None:
        """Add texts, in the order of their ids."""
        self._texts += [folded(text) for text in texts]
        waiting = [*self._waiting.ids, *ids]
        open_ = self.parts.pop() if self.parts and len(self.parts[-1].ids) < PART else None
        known = len(open_.ids) if open_ else 0
        if open_ and len(waiting) <= max(FEW, GROWTH * known):
            self.parts.append(open_)
            self._waiting = _Part(Grams(self._texts[known:], rare=True), waiting)
            return
        # What is indexed for good keeps no texts; the last part does, until it is full.
        rows = [*(open_.ids if open_ else ()), *waiting]
        for start in range(0, len(rows), PART):
            some = slice(start, start + PART)
            self.parts.append(_Part(Grams(self._texts[some], rare=True), rows[some]))
        kept = len(rows) % PART
        self._texts = self._texts[len(rows) - kept :] if kept else []
        self._waiting = _Part(Grams(()), [])

    def add_senses(self, ids: Sequence[int], *, senses: Floats) -> None:
        """Add embeddings of length one, N x d, of some of the texts; what is known stays."""
        known = set(self._sensed)
        new = [at for at, one in enumerate(ids) if one not in known and senses[at].any()]
        if new:
            rows = np.asarray(senses, np.float32)[new]
            self._senses = np.concatenate([self._senses, rows]) if self._sensed else rows
            self._signs = np.concatenate([self._signs, signs(rows)])
            self._sensed += [ids[at] for at in new]

    def nearest(
        self, text: str, *, sense: Floats | None = None, most: int = 5, by_letters: int = 3
    ) -> list[Near]:
        """Return the likest texts: the first by letters, then by embeddings, then by letters again."""
        asked = folded(text)
        letters: dict[int, float] = {}
        for part in (*self.parts, self._waiting):
            letters |= {part.ids[at]: one for at, one in part.grams.nearest(asked, most=most + 1)}
        first = sorted(
            (one for one in letters if letters[one] >= LEAST_LETTERS),
            key=lambda o: (-letters[o], o),
        )
        senses = self._nearest_senses(sense, most=most + 1)
        then = [one for one in senses if one not in first[:by_letters]]
        order = [*first[:by_letters], *then, *first[by_letters:]]
        return [
            Near(one, letters.get(one, 0.0), senses.get(one))
            for one in list(dict.fromkeys(order))[:most]
        ]

    def _nearest_senses(self, sense: Floats | None, *, most: int) -> dict[int, float]:
        if sense is None or not self._sensed or self._senses.shape[1] != len(sense):
            return {}
        asked = np.asarray(sense, np.float32)
        rows: npt.NDArray[np.int64] = np.arange(len(self._sensed))
        if len(rows) > MANY:
            apart = np.bitwise_count(self._signs ^ signs(asked[None])).sum(axis=1, dtype=np.uint16)
            rows = np.sort(np.argpartition(apart, SIFTED)[:SIFTED])
        cosines = (self._senses if len(rows) == len(self._sensed) else self._senses[rows]) @ asked
        best = np.lexsort((rows, -cosines))[:most]
        return {
            self._sensed[rows[at]]: float(cosines[at]) for at in best if cosines[at] >= LEAST_SENSE
        }


@cache
def _planes(size: int) -> Floats:
    return np.random.default_rng(size).standard_normal((size, BITS)).astype(np.float32)


def signs(senses: Floats) -> npt.NDArray[np.uint64]:
    """Return on which side of 512 random planes each embedding lies, N x d to N x 8 words of 64 bits.

    Two at an angle a differ in a / pi of them on average (Charikar 2002).

    >>> here = signs(np.array([[1.0, 0.0], [1.0, 0.01], [-1.0, 0.0]], np.float32))
    >>> apart = np.bitwise_count(here[0] ^ here).sum(axis=1)
    >>> bool(apart[1] < 20), int(apart[2])
    (True, 512)
    """
    sides = np.asarray(senses, np.float32) @ _planes(senses.shape[1]) > 0
    return np.packbits(sides, axis=1).view(np.uint64)
