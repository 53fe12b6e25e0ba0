"""The starter's small shared representation: one vector a subword, for every language at once.

A sentence is the sum of its subwords' vectors, scaled to length one. The vectors are learned by
telling sentences apart (InfoNCE; van den Oord et al., "Representation learning with contrastive
predictive coding", 2018), on two kinds of pairs: random halves of one sentence among other
sentences of the *same* language, which is the bag-of-words objective of Pagliardini et al.
("Unsupervised learning of sentence embeddings", NAACL 2018) with in-batch negatives; and
translations of one sentence, which is what makes languages share their dimensions. Negatives of
the same language matter: a language's name is then worth nothing, and no dimension is spent on it.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

NUMBER = re.compile(r"\d{1,18}")
PAIR, SKIP_LEFT, SKIP_RIGHT = 0, 1, 2
ASCII_WORD = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True)
class Corpus:
    """Lines of token numbers, end to end: line ``i`` is ``tokens[starts[i]:starts[i + 1]]``."""

    tokens: Ints
    starts: Ints

    @classmethod
    def of(cls, lines: Sequence[Sequence[int]]) -> "Corpus":
        """Lay lines end to end.

        >>> Corpus.of([[1, 2], [], [3]]).starts.tolist()
        [0, 2, 2, 3]
        """
        starts = np.zeros(len(lines) + 1, np.int64)
        np.cumsum([len(line) for line in lines], out=starts[1:])
        return cls(np.array([token for line in lines for token in line], np.int64), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, chosen: Ints, *, most: int) -> tuple[Ints, Ints]:
        """Return the first ``most`` tokens of the chosen lines, and which line each is of."""
        begins = self.starts[chosen]
        sizes = np.minimum(self.starts[chosen + 1] - begins, most)
        owners = np.repeat(np.arange(len(chosen)), sizes)
        before = np.repeat(np.cumsum(sizes) - sizes, sizes)
        place = np.arange(int(sizes.sum())) - before + np.repeat(begins, sizes)
        return self.tokens[place], owners


@dataclass(frozen=True)
class Recipe:
    """Everything, beside text and seed, that decides the vectors."""

    dimensions: int = 192
    steps: int = 1500
    blocks: int = 6
    block: int = 512
    tokens: int = 64
    start: float = 0.03
    rate: float = 5e-3
    temperature: float = 0.07
    parallel_share: float = 0.5


def marks(line: str) -> frozenset[str]:
    """Return what a sentence shares with its translation in most scripts: numbers and names.

    >>> sorted(marks("born in 1893, lillian gish")), sorted(marks("߁߈߉߃"))
    (['1893', 'born', 'gish', 'lillian'], ['1893'])
    """
    numbers = (str(int(found)) for found in NUMBER.findall(line))  # in any script's digits
    return frozenset(numbers) | frozenset(ASCII_WORD.findall(line))


def align(left: Sequence[str], right: Sequence[str], *, band: int = 14) -> list[tuple[int, int]]:
    """Pair the lines of two translations from which a few lines were dropped here and there.

    Dynamic programming along the diagonal, as Gale and Church ("A program for aligning
    sentences in bilingual corpora", 1993) do it, with shared numbers and names beside length.

    >>> align(["in 1893 x", "two", "in 1912 yy"], ["1893 x", "1912 yyy"], band=2)
    [(0, 0), (2, 1)]
    """
    band += abs(len(left) - len(right))
    likeness = _likenesses(left, right, band=band)
    best = np.zeros((len(left) + 1, 2 * band + 3), np.float32)
    move = np.full((len(left) + 1, 2 * band + 3), SKIP_LEFT, np.int8)
    move[0] = SKIP_RIGHT
    for i in range(1, len(left) + 1):
        paired = best[i - 1, :-1] + likeness[i - 1]
        skipped = best[i - 1, 1:]
        best[i, :-1] = np.maximum(paired, skipped)
        move[i, :-1] = np.where(paired >= skipped, PAIR, SKIP_LEFT)
        running = np.maximum.accumulate(best[i])  # leave lines on the right out
        move[i, running > best[i]] = SKIP_RIGHT
        best[i] = running
    return _walk_back(move, len(left), len(right), band)


def _likenesses(left: Sequence[str], right: Sequence[str], *, band: int) -> Floats:
    """Say how much lines near the diagonal look like translations of each other."""
    ratio = sum(map(len, right)) / max(1, sum(map(len, left)))
    ours, theirs = [marks(line) for line in left], [marks(line) for line in right]
    found = np.full((len(left), 2 * band + 2), -1e6, np.float32)
    for i, line in enumerate(left):
        wanted = ratio * (len(line) + 5)
        for j in range(max(0, i - band), min(len(right), i + band + 1)):
            shared = len(ours[i] & theirs[j]) / max(1, min(len(ours[i]), len(theirs[j])))
            stretch = abs(math.log((len(right[j]) + 5) / wanted))
            found[i, j - i + band] = 2.0 * shared + 0.6 - 2.0 * min(stretch, 1.5)
    return found


def _walk_back(move: npt.NDArray[np.int8], i: int, j: int, band: int) -> list[tuple[int, int]]:
    pairs = []
    while i and j:
        step = int(move[i, j - i + band])
        if step == PAIR:
            pairs.append((i - 1, j - 1))
        i, j = i - (step != SKIP_RIGHT), j - (step != SKIP_LEFT)
    return pairs[::-1]


@dataclass(frozen=True)
class Bag:
    """Two views of the same sentences, as flat tokens and offsets for ``embedding_bag``."""

    first: tuple[torch.Tensor, torch.Tensor]
    second: tuple[torch.Tensor, torch.Tensor]


def _flat(tokens: Ints, owners: Ints, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    offsets = np.searchsorted(owners, np.arange(count))
    return torch.from_numpy(tokens), torch.from_numpy(offsets)


def halves(corpus: Corpus, *, size: int, most: int, rng: np.random.Generator) -> Bag:
    """Draw sentences of one language and deal each one's tokens into two hands."""
    chosen = rng.integers(len(corpus), size=size)
    tokens, owners = corpus.take(chosen, most=most)
    left = rng.random(len(tokens)) < 0.5
    return Bag(_flat(tokens[left], owners[left], size), _flat(tokens[~left], owners[~left], size))


def translations(
    corpora: tuple[Corpus, Corpus], pairs: Ints, *, size: int, most: int, rng: np.random.Generator
) -> Bag:
    """Draw sentences of one language with their translations into another."""
    chosen = pairs[rng.integers(len(pairs), size=size)]
    first = corpora[0].take(chosen[:, 0], most=most)
    second = corpora[1].take(chosen[:, 1], most=most)
    return Bag(_flat(*first, size), _flat(*second, size))


def _views(table: torch.Tensor, bags: Sequence[Bag]) -> list[torch.Tensor]:
    """Add up the vectors of all views in one pass: the table's gradient is dense and dear."""
    parts = [part for bag in bags for part in (bag.first, bag.second)]
    begins = np.cumsum([0, *(len(tokens) for tokens, _ in parts)])
    offsets = torch.cat([at + int(begin) for (_, at), begin in zip(parts, begins, strict=False)])
    tokens = torch.cat([tokens for tokens, _ in parts])
    sums = functional.embedding_bag(tokens, table, offsets, mode="sum")
    return list(
        torch.split(functional.normalize(sums, dim=1, eps=1e-6), [len(at) for _, at in parts])
    )


def _contrast(ours: torch.Tensor, theirs: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return the loss of telling each sentence's other view from the other sentences' views."""
    likeness = ours @ theirs.T / temperature
    wanted = torch.arange(len(likeness))
    there = functional.cross_entropy(likeness, wanted)
    return (there + functional.cross_entropy(likeness.T, wanted)) / 2


@dataclass(frozen=True)
class Material:
    """What to learn from: one corpus a language, and pairs of translated lines.

    A pairing is named by its two languages and the source that holds both.
    """

    corpora: dict[str, Corpus]
    parallel: dict[tuple[str, str, str], Ints]


Key = TypeVar("Key")


def _weighted(sizes: dict[Key, int]) -> tuple[list[Key], npt.NDArray[np.float64]]:
    """Return the keys in the order they came, each with a share like the root of its size."""
    roots = np.sqrt(list(sizes.values()))
    return list(sizes), roots / max(1e-9, roots.sum())


def _bags(material: Material, *, recipe: Recipe, rng: np.random.Generator) -> Iterator[Bag]:
    """Draw one step's blocks: a language weighs as the square root of its text."""
    names, weights = _weighted({name: len(each) for name, each in material.corpora.items()})
    couples, odds = _weighted({name: len(each) for name, each in material.parallel.items()})
    for _ in range(recipe.blocks):
        if couples and rng.random() < recipe.parallel_share:
            one, other, source = couples[int(rng.choice(len(couples), p=odds))]
            yield translations(
                (material.corpora[one], material.corpora[other]),
                material.parallel[one, other, source],
                size=recipe.block,
                most=recipe.tokens,
                rng=rng,
            )
        else:
            name = names[int(rng.choice(len(names), p=weights))]
            yield halves(material.corpora[name], size=recipe.block, most=recipe.tokens, rng=rng)


def train_vectors(
    material: Material, *, vocabulary: int, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[int, float, Floats]]:
    """Learn the vectors; every 100 steps and at the end tell step, mean loss and vectors."""
    start = rng.normal(0, recipe.start, (vocabulary, recipe.dimensions)).astype(np.float32)
    table = torch.nn.Parameter(torch.from_numpy(start))
    optimizer = torch.optim.Adam([table], lr=recipe.rate, betas=(0.9, 0.99))
    losses = []
    for step in range(1, recipe.steps + 1):
        for group in optimizer.param_groups:
            warm, left = min(1.0, step / 50), 1.0 - (step - 1) / recipe.steps
            group["lr"] = recipe.rate * min(warm, max(left, 0.02))
        optimizer.zero_grad(set_to_none=True)
        views = _views(table, list(_bags(material, recipe=recipe, rng=rng)))
        parts = [
            _contrast(ours, theirs, temperature=recipe.temperature)
            for ours, theirs in zip(views[::2], views[1::2], strict=True)
        ]
        loss = torch.stack(parts).mean()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
        if step % 100 == 0 or step == recipe.steps:
            yield step, float(np.mean(losses[-100:])), table.detach().numpy()
