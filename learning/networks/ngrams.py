"""Hashed character and word n-grams of many texts at once, in any script and any language.

Nothing is fitted and nothing is looked up: a text becomes numbers by arithmetic on its code
points, so a language nobody has told us about is treated like every other one. Hashing follows
Weinberger et al., "Feature hashing for large scale multitask learning" (ICML 2009), and the
second copy under the language's tag follows Daumé III, "Frustratingly easy domain adaptation"
(ACL 2007).
"""

import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

SPACE, MARKING, WORD, UNKNOWN = 0, 1, 2, 255
APOSTROPHES = (0x27, 0x2019)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
STEP = np.uint64(0xD6E8FEB86659FD93)


def normalise(text: str) -> str:
    """Return the text as features see it: composed (NFC), case-folded, one space between words.

    >>> normalise("  Ẹ\\u0301  JỌ̀WỌ́ ")
    'ẹ́ jọ̀wọ́'
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate is no character
    folded = unicodedata.normalize("NFC", whole).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


@dataclass(frozen=True)
class NgramCounts:
    """How often each bucket occurs in each text, ordered by text and bucket."""

    buckets: Ints
    rows: Ints
    counts: Ints


@cache
def _kind_table() -> npt.NDArray[np.uint8]:
    """Hold the kind of every code point, found the first time it is met."""
    return np.full(sys.maxunicode + 1, UNKNOWN, np.uint8)


def _kind(code: int) -> int:
    category = unicodedata.category(chr(code))
    if category.startswith("Z") or code in (9, 10, 13):
        return SPACE
    return WORD if category[0] in "LMN" or category == "Cf" or code in APOSTROPHES else MARKING


def _kinds(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Say of each code point whether it is space, part of a word, or punctuation and the like."""
    table = _kind_table()
    kinds = table[codes]
    if (kinds == UNKNOWN).any():
        for code in np.unique(codes[kinds == UNKNOWN]).tolist():
            table[code] = _kind(code)
        kinds = table[codes]
    return kinds


def _mix(values: Codes) -> Codes:
    """Spread the bits of each value (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def salt(tag: str) -> np.uint64:
    """Return the number that sets one language's own features apart.

    >>> bool(salt("wo") == salt("WO")), bool(salt("wo") == salt("qu"))
    (True, False)
    """
    digest = blake2b(tag.strip().casefold().encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def in_pairs(first: NgramCounts, second: NgramCounts, *, bits: int) -> NgramCounts:
    """Count the n-grams of pairs of texts by where they occur: in both, or in the one alone.

    What two texts share, and what only one of them has, are features of their own, so that a
    linear head can tell whether a pair belongs together.

    >>> first, second = (hash_texts([text], bits=8, sizes=(1,), words=False) for text in ("ab", "b"))
    >>> both = in_pairs(first, second, bits=8)
    >>> len(both.buckets), both.counts.tolist()
    (2, [1, 1])
    """
    keys = [(one.rows << bits) | one.buckets for one in (first, second)]
    every = np.union1d(*keys)
    counts = np.zeros(len(every), np.int64)
    places = np.zeros(len(every), np.int64)
    for place, (own, one) in enumerate(zip(keys, (first, second), strict=True), start=1):
        at = np.searchsorted(every, own)
        counts[at] = np.maximum(counts[at], one.counts)
        places[at] += place
    rows, buckets = every >> bits, every & ((1 << bits) - 1)
    roles = np.array([salt(f"{place} of a pair") for place in range(4)], np.uint64)[places]
    mixed = _mix(buckets.astype(np.uint64) * MULTIPLIER ^ roles)
    moved = (rows << bits) | (mixed >> np.uint64(64 - bits)).astype(np.int64)
    # Two that fell into one bucket count together, and all stand in order again.
    kept, back = np.unique(moved, return_inverse=True)
    summed = np.bincount(back, counts, minlength=len(kept)).astype(np.int64)
    return NgramCounts(buckets=kept & ((1 << bits) - 1), rows=kept >> bits, counts=summed)


def salted(counts: NgramCounts, tags: Sequence[str], *, bits: int) -> Ints:
    """Return a second bucket of every feature, peculiar to its text's language."""
    salts = {tag: salt(tag) for tag in set(tags)}
    own = np.array([salts[tag] for tag in tags], np.uint64)[counts.rows]
    mixed = _mix(counts.buckets.astype(np.uint64) * MULTIPLIER ^ own)
    return (mixed >> np.uint64(64 - bits)).astype(np.int64)


def _character_ngrams(
    codes: Codes, *, kinds: npt.NDArray[np.uint8], owners: Ints, sizes: Sequence[int]
) -> tuple[Codes, Ints]:
    """Hash every run of 1 to n code points that does not reach beyond its word."""
    rolling: Codes = np.zeros(len(codes), np.uint64)
    spaces = np.cumsum(kinds == SPACE)
    hashes: list[Codes] = [np.zeros(0, np.uint64)]
    rows: list[Ints] = [np.zeros(0, np.int64)]
    for size in range(1, max(sizes, default=0) + 1):
        if size > len(codes):
            break
        count = len(codes) - size + 1
        rolling = rolling[:count] * MULTIPLIER + codes[size - 1 :] + STEP
        if size not in sizes:
            continue
        # a space may stand at the edge of a run, never inside it, and not alone
        inside = spaces[size - 2 : size - 2 + count] - spaces[:count] if size > 2 else 0
        keep = np.asarray(inside == 0) & (owners[:count] == owners[size - 1 :])
        if size <= 2:
            both = (kinds[:count] == SPACE) & (kinds[size - 1 :] == SPACE)
            keep = keep & ~both
        hashes.append(_mix(rolling[keep] + np.uint64(size)))
        rows.append(owners[:count][keep])
    return np.concatenate(hashes), np.concatenate(rows)


def _words(codes: Codes, *, kinds: npt.NDArray[np.uint8], owners: Ints) -> tuple[Codes, Ints]:
    """Hash every word and every pair of neighbouring words."""
    inside = kinds == WORD
    starts = np.flatnonzero(inside & ~np.concatenate(([False], inside[:-1])))
    if len(starts) == 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    ends = np.flatnonzero(inside & ~np.concatenate((inside[1:], [False]))) + 1
    place = np.arange(len(codes)) - np.repeat(
        np.concatenate(([0], starts)),
        np.diff(np.concatenate(([0], starts, [len(codes)]))),
    )
    spread = _mix(codes * MULTIPLIER + place.astype(np.uint64) * STEP)
    total = np.concatenate((np.zeros(1, np.uint64), np.cumsum(spread, dtype=np.uint64)))
    words = _mix(total[ends] - total[starts] + STEP)
    rows = owners[starts]
    near = rows[1:] == rows[:-1]
    pairs = _mix(words[:-1][near] * MULTIPLIER + words[1:][near])
    return np.concatenate((words, pairs)), np.concatenate((rows, rows[:-1][near]))


def hash_texts(
    texts: Sequence[str],
    *,
    bits: int,
    sizes: Sequence[int] = (1, 2, 3, 4, 5),
    words: bool = True,
) -> NgramCounts:
    """Count the n-grams of each text, in buckets numbered from 0 to ``2 ** bits - 1``.

    >>> counts = hash_texts(["aa a", "", "b"], bits=10, sizes=(1,), words=False)
    >>> counts.rows.tolist(), counts.counts.tolist()
    ([0, 2], [3, 1])
    """
    if not texts:
        nothing = np.zeros(0, np.int64)
        return NgramCounts(nothing, nothing, nothing)
    clean = [f" {normalise(text)} " for text in texts]
    codes = np.frombuffer("".join(clean).encode("utf-32-le"), np.uint32)
    owners = np.repeat(np.arange(len(clean)), [len(text) for text in clean])
    kinds = _kinds(codes)
    wide = codes.astype(np.uint64)
    hashes, rows = _character_ngrams(wide, kinds=kinds, owners=owners, sizes=sizes)
    if words:
        more, whose = _words(wide, kinds=kinds, owners=owners)
        hashes, rows = np.concatenate((hashes, more)), np.concatenate((rows, whose))
    # one sort of whole numbers: the text in the high bits, the bucket in the low ones
    keys = np.sort((rows << bits) | (hashes >> np.uint64(64 - bits)).astype(np.int64))
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    kept = keys[starts]
    return NgramCounts(
        buckets=kept & ((1 << bits) - 1),
        rows=kept >> bits,
        counts=np.diff(starts, append=len(keys)),
    )
