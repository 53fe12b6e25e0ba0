"""The starter for spans: a tag for every word from the word itself and from its neighbours.

What the starter does for texts is done here for every unit: hashed n-grams of characters, of the
unit and of those around it, and their subwords in the frozen representation that all languages
share, under one head. Case and digits, which n-grams do not see, are features of their own. It
reads any text on any machine and needs no checkpoint.

Shapes: N texts, U units of all of them, W different words, K tags.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from learning.networks import Batch
from learning.networks.ngrams import NgramCounts, hash_texts, normalise, salt, salted
from learning.networks.packing import BUDGET, batches
from learning.networks.starter import (
    PREPARED,
    RECIPE,
    Starter,
    StarterModule,
    _shipped_tokenizer,
    _shipped_vectors,
)
from learning.networks.tokens import Cuts, units_of

Ints = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]

# Chosen on the `valid` parts of NArabizi and KazNERD: how far off a word is, which n-grams of it
# count beside the word as a whole, and how much.
SEEN: tuple[tuple[int, tuple[int, ...], float], ...] = (
    (0, (1, 2, 3, 4, 5), 2.0),
    (-1, (3,), 1.0),
    (1, (3,), 1.0),
    (-2, (), 0.6),
    (2, (), 0.6),
)
SHAPES = 0.5
NO_WORD = "\x02"  # stands beyond the first and the last word of a text
LEFT_OUT = 0.3

FEATURES: dict[str, Any] = {"bits": 19, "own": 0.5, "dense": 0.5}

TOKEN_RECIPE: dict[str, Any] = RECIPE | {"lr": 0.05, "batch": 32, "epochs": 10, "balance": 1.0}


class TokenStarterModule(StarterModule):
    """The starter's weights; a unit is represented by itself and by those beside it."""

    def __init__(self, vectors: torch.Tensor, *, bits: int, labels: int) -> None:
        super().__init__(vectors, bits=bits, labels=labels)
        self.dense = torch.nn.Parameter(torch.zeros(3 * vectors.shape[1], labels))
        self.leave_out = torch.nn.Dropout(LEFT_OUT)

    def represent(self, batch: Batch) -> torch.Tensor:
        """Return what stands before, at and after each unit: U x 3 d."""
        own = super().represent(batch)
        beyond = torch.cat([own, own.new_zeros(1, own.shape[1])])
        return torch.cat([beyond[batch["before"]], own, beyond[batch["after"]]], dim=1)

    def forward(self, batch: Batch, *, dense_scale: float) -> torch.Tensor:
        """Return U x K logits; in learning some features are left out, so that none is relied on."""
        thinner = {**batch, "weights": self.leave_out(batch["weights"])}
        return super().forward(thinner, dense_scale=dense_scale)


@dataclass(frozen=True)
class _Words:
    """The U units of some texts as numbers of W different words, the first of which is no word."""

    known: list[str]
    number: Ints
    text: Ints

    @classmethod
    def of(cls, texts: Sequence[str], cut: Sequence[Ints]) -> "_Words":
        known = {NO_WORD: 0}
        found = [
            known.setdefault(text[start:end], len(known))
            for text, one in zip(texts, cut, strict=True)
            for start, end in one.tolist()
        ]
        owner = np.repeat(np.arange(len(cut)), [len(one) for one in cut])
        return cls(list(known), np.array(found, np.int64), owner)

    def beside(self, offset: int) -> Ints:
        """Return the unit so far off (U), -1 beyond the text."""
        other = np.arange(len(self.number)) + offset
        inside = (other >= 0) & (other < len(self.number))
        place = np.where(inside, other, 0)
        return np.where(inside & (self.text[place] == self.text), place, -1)

    def at(self, offset: int) -> Ints:
        """Return the word so far off (U), 0 beyond the text."""
        other = self.beside(offset)
        return np.where(other < 0, 0, self.number[other]) if len(other) else other


class TokenStarter(Starter):
    """Hashed n-grams of words and their neighbours under one linear head."""

    kind = "token-starter"

    def __init__(
        self,
        labels: Sequence[str],
        *,
        vectors: torch.Tensor,
        tokenizer: str,
        features: Mapping[str, Any] = FEATURES,
    ) -> None:
        super().__init__(labels, vectors=vectors[:, :0], tokenizer=tokenizer, features=features)
        self.module: TokenStarterModule = TokenStarterModule(
            vectors, bits=self.features["bits"], labels=len(self.labels)
        )
        self.module.eval()

    @classmethod
    def fresh(cls, labels: Sequence[str], *, seed: int = 0) -> "TokenStarter":
        """Return one that has learned nothing: its head is zero, whatever the seed."""
        return cls(labels, vectors=_shipped_vectors(), tokenizer=_shipped_tokenizer())

    def collate(self, texts: Sequence[str], languages: Sequence[str], *, cuts: Cuts = ()) -> Batch:
        """Turn texts into features of their units."""
        cut = units_of(texts, cuts=cuts)
        words = _Words.of(texts, cut)
        buckets, weights, starts = self._features(words, languages)
        tokens, token_starts = self._subwords([normalise(word) for word in words.known])
        tokens, token_starts = _picked(tokens, starts=token_starts, rows=words.number)
        ends = len(words.number)
        found = {
            "buckets": buckets,
            "weights": weights,
            "starts": starts,
            "tokens": tokens,
            "token_starts": token_starts,
            "before": np.where(words.beside(-1) < 0, ends, words.beside(-1)),
            "after": np.where(words.beside(1) < 0, ends, words.beside(1)),
            "units": np.array([len(one) for one in cut], np.int64),
        }
        return {name: torch.from_numpy(part) for name, part in found.items()}

    def _features(self, words: _Words, languages: Sequence[str]) -> tuple[Ints, Singles, Ints]:
        """Return the buckets of each unit, shared and its language's own, with their weights."""
        bits, parts = self.features["bits"], []
        all_sizes = {sizes for _, sizes, _ in SEEN}
        hashed = {sizes: _hashed(words.known, bits=bits, sizes=sizes) for sizes in all_sizes}
        for offset, sizes, weight in SEEN:
            counts, scale, starts = hashed[sizes]
            there = counts.buckets
            if offset:
                there = salted(counts, [f"at {offset}"] * len(words.known), bits=bits)
            rows, places = _places(starts, size=len(there), rows=words.at(offset))
            parts.append((rows, there[places], weight * scale[places]))
        parts += _shapes(words, bits=bits)
        rows = np.concatenate([part[0] for part in parts])
        order = np.argsort(rows, kind="stable")
        shared = np.concatenate([part[1] for part in parts])[order]
        weights = np.concatenate([part[2] for part in parts])[order]
        return self._both(
            rows[order], shared, weights, languages=[languages[i] for i in words.text]
        )

    def _both(
        self,
        rows: Ints,
        shared: Ints,
        weights: npt.NDArray[np.float64],
        *,
        languages: Sequence[str],
    ) -> tuple[Ints, Singles, Ints]:
        """Put a copy for the language alone beside every feature."""
        bits = self.features["bits"]
        own = salted(NgramCounts(shared, rows, rows), languages, bits=bits) + (1 << bits)
        scales = np.array([1.0, self.features["own"]])
        both = (weights[:, None] * scales).astype(np.float32).ravel()
        starts = 2 * np.searchsorted(rows, np.arange(len(languages)))
        return np.stack((shared, own), axis=1).ravel(), both, starts

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str, cuts: Cuts = ()
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield batches of about as many characters."""
        for rows in batches(self.lengths(texts), budget=BUDGET[device]):
            yield (
                rows,
                self.collate(
                    [texts[i] for i in rows],
                    [languages[i] for i in rows],
                    cuts=[cuts[i] for i in rows] if cuts else (),
                ),
            )

    def lengths(self, texts: Sequence[str]) -> Ints:
        """Return how many characters each text has: all of them count."""
        return np.array([len(text) for text in texts], np.int64)

    @torch.no_grad()
    def embed(self, batch: Batch) -> torch.Tensor:
        """Return the mean of what stands at each text's units: N x d, of length one."""
        own = StarterModule.represent(self.module, batch)
        text = torch.repeat_interleave(batch["units"])
        sums = own.new_zeros(len(batch["units"]), own.shape[1]).index_add_(0, text, own)
        return functional.normalize(sums, dim=1, eps=1e-6)

    def prepare(self, texts: Sequence[str], languages: Sequence[str], *, cuts: Cuts = ()) -> None:
        """Give every feature of these texts a weight to learn; no answer changes by that."""
        for start in range(0, len(texts), PREPARED):
            part = slice(start, start + PREPARED)
            batch = self.collate(texts[part], languages[part], cuts=cuts[part] if cuts else ())
            self.module.widen(torch.unique(batch["buckets"]))

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, makes this network."""
        return super().settings() | {"recipe": TOKEN_RECIPE}


def _hashed(
    words: Sequence[str], *, bits: int, sizes: Sequence[int]
) -> tuple[NgramCounts, npt.NDArray[np.float64], Ints]:
    """Return the n-grams of W words, their weights (of length one each word), and where each begins."""
    counts = hash_texts(words, bits=bits, sizes=sizes)
    scale = 1.0 + np.log(counts.counts)
    square = np.bincount(counts.rows, scale * scale, minlength=len(words))
    starts = np.searchsorted(counts.rows, np.arange(len(words)))
    return counts, scale / np.sqrt(square)[counts.rows], starts


def _places(starts: Ints, *, size: int, rows: Ints) -> tuple[Ints, Ints]:
    """Return, for U words by number, all places of their features, and to which unit each belongs."""
    counts = (np.append(starts[1:], size) - starts)[rows]
    units = np.repeat(np.arange(len(rows)), counts)
    inside = np.arange(len(units)) - np.repeat(np.cumsum(counts) - counts, counts)
    return units, starts[rows][units] + inside


def _picked(values: Ints, *, starts: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return the values of U words by number, and where each unit's begin."""
    units, places = _places(starts, size=len(values), rows=rows)
    return values[places], np.searchsorted(units, np.arange(len(rows)))


def _shapes(words: _Words, *, bits: int) -> list[tuple[Ints, Ints, npt.NDArray[np.float64]]]:
    """Return features of case and digits: of each word, of those beside it, and of all three."""
    drawn = [_shape(word) for word in words.known]
    near = [words.at(offset) for offset in (-1, 0, 1)]
    unit = np.arange(len(words.number))
    found = []
    for offset, at in zip((-1, 0, 1), near, strict=True):
        there = np.array([_bucket(f"shape {offset} {one}", bits) for one in drawn], np.int64)
        found.append(there[at])
    found.append(
        np.array(
            [
                _bucket(f"shapes {drawn[a]} {drawn[b]} {drawn[c]}", bits)
                for a, b, c in np.stack(near, axis=1).tolist()
            ],
            np.int64,
        )
    )
    return [(unit, one, np.full(len(unit), SHAPES)) for one in found]


@lru_cache(maxsize=65_536)
def _bucket(feature: str, bits: int) -> int:
    return int(salt(feature)) >> (64 - bits)


@lru_cache(maxsize=65_536)
def _shape(word: str) -> str:
    """Draw a word in capitals (u), small letters (l), other letters (a), digits (d) and marks.

    >>> _shape("Dakar"), _shape("3.500"), _shape("iOS")
    ('ul', 'd.d', 'lu')
    """
    drawn = "".join(key for key, _ in groupby(map(_kind, word)))
    return drawn[:12]


def _kind(letter: str) -> str:
    if letter.isupper():
        return "u"
    if letter.islower():
        return "l"
    if letter.isdigit():
        return "d"
    return "a" if letter.isalpha() else letter
