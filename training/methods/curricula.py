"""Curricula: in which order languages are met, from what is known to what is far from it.

Languages are compared by the runs of characters that their texts are made of, as language
identification does (Cavnar and Trenkle 1994). The order grows like a tree: next comes whoever
is nearest to anything that was met before, so that a language is prepared by its closest relative
and not by the first of all.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from learning.networks.ngrams import hash_texts

FloatArray = npt.NDArray[np.float64]

BITS = 16
SIZES = (1, 2, 3)
# A language's habits show in so many of its texts.
TEXTS = 200


def profiles(texts: Sequence[str], languages: Sequence[str]) -> tuple[tuple[str, ...], FloatArray]:
    """Return the L tags, sorted, and how often each run of characters occurs in each language.

    Rows (L x 2^16) hold square roots of shares and have length one, so that the product of two
    is the Bhattacharyya coefficient of their n-grams: 1 for the same habits, 0 for none shared.
    """
    tags = tuple(sorted(set(languages)))
    counts = np.zeros((len(tags), 1 << BITS))
    for row, tag in enumerate(tags):
        own = [text for text, whose in zip(texts, languages, strict=True) if whose == tag]
        found = hash_texts(own[:TEXTS], bits=BITS, sizes=SIZES, words=False)
        np.add.at(counts[row], found.buckets, found.counts)
    return tags, np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def nearest_first(rows: FloatArray, *, start: int) -> list[int]:
    """Order L rows of length one (L x d): each next is the one nearest to any before it.

    >>> nearest_first(np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]), start=0)
    [0, 2, 1]
    """
    likeness = rows @ rows.T
    order, reached = [start], likeness[start].copy()
    while len(order) < len(rows):
        reached[order] = -np.inf
        order.append(int(np.argmax(reached)))
        reached = np.maximum(reached, likeness[order[-1]])
    return order


def by_likeness(
    texts: Sequence[str],
    languages: Sequence[str],
    *,
    known: Sequence[bool] | None = None,
) -> list[str]:
    """Return the tags of N texts from nearest to farthest, by n-grams.

    The first is the language with the most texts among those that are ``known`` (N, the store);
    the first tag of the alphabet where several have as many.

    >>> by_likeness(["aba abab", "abab", "cdc", "abac"], ["wo", "wo", "qu", "ff"])
    ['wo', 'ff', 'qu']
    """
    tags, rows = profiles(texts, languages)
    marks = known if known is not None and any(known) else [True] * len(texts)
    counts = [sum(m for m, t in zip(marks, languages, strict=True) if t == tag) for tag in tags]
    return [tags[place] for place in nearest_first(rows, start=int(np.argmax(counts)))]
