"""Telling languages apart by their letters, learned from texts whose language is known.

Naive Bayes over hashed runs of one to four letters (Cavnar & Trenkle 1994, *N-gram-based text
categorization*; Lui & Baldwin 2012, *langid.py*). A language's runs are counted over N texts into
B buckets, smoothed with what all languages share; a text's mean log probability under each of L
languages is sharpened by two numbers that texts kept apart are fitted to, so that the share it gives
can be believed (Guo et al. 2017 for the idea). Runs of one text lean on each other: their number
counts by a power below one. It names nothing where it is not sure, nor where the text is less
likely than nearly all texts kept apart of that language: what it never learned, it does not name.
"""

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.methods.texts import normalise

LONGEST = 4
BUCKETS = 2**15
# Of a long text so much tells the language as well as all of it.
MOST_LETTERS = 1_000
NOBODY = "und"
SURE = 0.9
# Among texts of a language that were kept apart, so few are as unlikely as what is not named.
STRANGE = 0.02
# A language of which so few texts are known is not told apart from others at all.
FEWEST = 30
SHARED = 20.0
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Identifier:
    """L languages: log probabilities of their runs (L, B), how to read them, and what is strange."""

    tags: tuple[str, ...]
    logs: npt.NDArray[np.float32]
    power: float
    sharpness: float
    floors: Floats

    def shares(self, text: str) -> Floats:
        """Return for each language how likely it is that the text is in it, from 0 to 1; (L,).

        >>> two = learn({"a": ["ba ba ba"] * 40, "b": ["ku ki ku"] * 40}, seed=1)
        >>> two.tags[int(two.shares("ba ba").argmax())]
        'a'
        """
        means, runs = self._means(text)
        logits = self.sharpness * runs**self.power * means
        logits -= logits.max()
        weights = np.exp(logits)
        shares: Floats = weights / weights.sum()
        return shares

    def named(self, text: str) -> tuple[str, float]:
        """Return the language of a text and how sure that is; ``und`` where nothing can be said.

        >>> two = learn({"a": ["ba ba ba"] * 40, "b": ["ku ki ku"] * 40}, seed=1)
        >>> two.named("ba ba ba")[0], two.named("123")[0], two.named("zzz ttt zzz")[0]
        ('a', 'und', 'und')
        """
        if not any(letter.isalpha() for letter in text):
            return NOBODY, 0.0
        means, _runs = self._means(text)
        shares = self.shares(text)
        best = int(shares.argmax())
        known = means[best] >= self.floors[best]
        sure = len(self.tags) > 1 and shares[best] >= SURE
        return (self.tags[best] if known and sure else NOBODY), float(shares[best])

    def _means(self, text: str) -> tuple[Floats, float]:
        places = runs_of(text)
        means: Floats = self.logs[:, places].astype(np.float64).mean(axis=1)
        return means, float(len(places))

    def packed(self) -> bytes:
        """Return it as bytes that ``unpacked`` reads again; half as precise, which changes nothing.

        >>> two = learn({"a": ["ba ba ba"] * 40, "b": ["ku ki ku"] * 40}, seed=1)
        >>> unpacked(two.packed()).named("ku ku ki") == two.named("ku ku ki")
        True
        """
        held = io.BytesIO()
        np.savez_compressed(
            held,
            tags=np.array(self.tags),
            logs=self.logs.astype(np.float16),
            read=np.array([self.power, self.sharpness]),
            floors=self.floors,
        )
        return held.getvalue()


def unpacked(told: bytes) -> Identifier:
    """Return what ``packed`` gave; no code can hide in it."""
    with np.load(io.BytesIO(told), allow_pickle=False) as held:
        power, sharpness = held["read"]
        return Identifier(
            tuple(str(tag) for tag in held["tags"]),
            held["logs"].astype(np.float32),
            float(power),
            float(sharpness),
            held["floors"],
        )


def runs_of(text: str) -> npt.NDArray[np.int64]:
    """Return the buckets of all runs of a text, each as often as it stands there.

    >>> len(runs_of("ab"))  # " ab ": four of one letter, three of two, two of three, one of four
    10
    """
    padded = f" {normalise(text)[:MOST_LETTERS].casefold()} "
    found = [
        zlib.crc32(padded[at : at + size].encode("utf-8", "surrogatepass")) % BUCKETS
        for size in range(1, LONGEST + 1)
        for at in range(max(1, len(padded) - size + 1))
    ]
    return np.array(found, np.int64)


def learn(texts: Mapping[str, Sequence[str]], *, seed: int) -> Identifier:
    """Learn from the texts of each language; every fifth is kept apart to learn what is sure.

    Languages with fewer than ``FEWEST`` texts are left out.
    """
    there = {tag: list(some) for tag, some in texts.items() if len(some) >= FEWEST}
    tags = tuple(sorted(there))
    if not tags:
        raise ValueError(f"no language has {FEWEST} texts")
    rng = np.random.default_rng(seed)
    known, apart = _split({tag: there[tag] for tag in tags}, rng=rng)
    first = Identifier(tags, _logs(known), 0.5, 1.0, np.full(len(tags), -np.inf))
    means, runs, truth = _told(first, apart)
    power, sharpness = _fitted(means, runs, truth)
    floors = np.array(
        [np.quantile(means[truth == at, at], STRANGE) for at in range(len(tags))], np.float64
    )
    return Identifier(tags, first.logs, power, sharpness, floors)


def _split(
    texts: Mapping[str, list[str]], *, rng: np.random.Generator
) -> tuple[list[list[str]], list[list[str]]]:
    known, apart = [], []
    for some in texts.values():
        order = rng.permutation(len(some))
        cut = len(some) // 5
        apart.append([some[at] for at in order[:cut]])
        known.append([some[at] for at in order[cut:]])
    return known, apart


def _logs(texts: Sequence[Sequence[str]]) -> npt.NDArray[np.float32]:
    """Return log probabilities of runs by language, each drawn a little to what all share."""
    counted = np.zeros((len(texts), BUCKETS))
    for at, some in enumerate(texts):
        for text in some:
            counted[at] += np.bincount(runs_of(text), minlength=BUCKETS)
    rates = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    shared = (rates.mean(axis=0) * BUCKETS + 1) / (2 * BUCKETS)
    drawn = counted + SHARED * len(texts) * shared
    logs: npt.NDArray[np.float32] = np.log(drawn / drawn.sum(axis=1, keepdims=True)).astype(
        np.float32
    )
    return logs


def _told(
    found: Identifier, apart: Sequence[Sequence[str]]
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    told = [(found._means(text), at) for at, some in enumerate(apart) for text in some]
    means = np.array([one for (one, _), _ in told])
    runs = np.array([number for (_, number), _ in told])
    return means, runs, np.array([at for _, at in told])


def _fitted(means: Floats, runs: Floats, truth: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the power and sharpness under which the texts kept apart are least surprising."""
    best, least = (0.5, 1.0), np.inf
    rows = np.arange(len(truth))
    for power in (0.25, 0.5, 0.75, 1.0):
        scaled = means * (runs**power)[:, None]
        for sharpness in 2.0 ** np.arange(-4, 7, 0.5):
            logits = sharpness * scaled
            logits = logits - logits.max(axis=1, keepdims=True)
            surprise = np.log(np.exp(logits).sum(axis=1)) - logits[rows, truth]
            if (loss := float(surprise.mean())) < least:
                best, least = (power, float(sharpness)), loss
    return best
