"""Tagging: from what a network says of every unit of a text to spans, and how sure it is of them.

Shapes: N texts, U units of all of them, C classes, K = 2 C + 1 tags.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when first asked for: the web process stays light

from annotation.methods.span_chain import Chain, Lattice, best_path, lattice, span_probability
from annotation.methods.spans import Span, encode, stretches
from learning.methods.sequences import mnlp_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A whole text is never quite certain, or its logit would have no end.
MOST = 1.0 - 1e-9


@dataclass(frozen=True)
class Read:
    """What a network says of one text: its best spans, how sure of each and of the text.

    ``units`` u x 2 code points; ``probabilities`` u x K, in which no I follows nothing; ``said``
    (u) is the log-probability of each unit's tag on the best path, for
    :func:`learning.methods.sequences.mnlp_of`.
    """

    spans: tuple[Span, ...]
    confidence: tuple[float, ...]
    whole: float
    units: Ints
    probabilities: Floats
    said: Floats


def decoded(logs: Floats, *, units: Sequence[Ints], labels: Sequence[str]) -> list[Read]:
    """Turn log-probabilities of tags (U x K) into the best spans that IOB2 allows (Viterbi).

    >>> logs = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    >>> decoded(logs, units=[np.array([[0, 3], [4, 9]])], labels=["PER"])[0].spans
    (Span(start=0, end=9, label='PER'),)
    """
    lengths = np.array([len(one) for one in units], np.int64)
    chain = Chain.free(len(labels))
    path, weight = best_path(logs, lengths=lengths, chain=chain)
    seen = lattice(logs, lengths=lengths, chain=chain)
    whole = np.exp(np.minimum(weight - seen.evidence, 0.0))
    said = np.log(np.maximum(seen.posterior[np.arange(len(path)), path], 1e-300))
    ends = np.cumsum(lengths)
    texts = []
    for one, end, sure in zip(units, ends.tolist(), whole.tolist(), strict=True):
        start = end - len(one)
        marks = stretches(path[start:end])
        spans = tuple(Span(int(one[a, 0]), int(one[b, 1]), labels[c]) for a, b, c in marks)
        sureness = tuple(
            min(1.0, span_probability(seen, first=start + a, last=start + b, label=c))
            for a, b, c in marks
        )
        texts.append(Read(spans, sureness, sure, one, seen.posterior[start:end], said[start:end]))
    return texts


def log_probabilities(logits: Sequence[npt.NDArray[Any]], *, temperature: float = 1.0) -> Floats:
    """Return the log-probabilities of tags (U x K) of N texts' logits, each u x K.

    >>> log_probabilities([np.zeros((1, 2)), np.zeros((2, 2))]).round(2).tolist()
    [[-0.69, -0.69], [-0.69, -0.69], [-0.69, -0.69]]
    """
    rows = np.concatenate([np.asarray(one, np.float64) for one in logits]) / temperature
    top = rows.max(axis=1, keepdims=True)
    return np.asarray(rows - top - np.log(np.exp(rows - top).sum(axis=1, keepdims=True)))


def certainty(read: Read) -> float:
    """Return how sure a network is of a text, whatever its length: exp(-MNLP) of its best path.

    Length-normalised as in Shen et al. 2018 (*Deep Active Learning for Named Entity Recognition*).

    >>> certainty(Read((), (), 1.0, np.zeros((2, 2), int), np.zeros((2, 3)), np.log([0.5, 0.5])))
    0.5
    """
    return float(np.exp(-mnlp_of(read.said, lengths=[len(read.said)])[0]))


def two_classes(certainties: npt.ArrayLike) -> Floats:
    """Return N x 2 logits, of two classes whose probabilities lie as far apart as one is certain.

    Whatever ranks texts by margin, or by any other doubt between two classes, then ranks them by
    MNLP. The certainty itself as a probability would not do: a text at 0.2, of many tags, is in
    more doubt than one at 0.5.

    >>> p = 1 / (1 + np.exp(-two_classes([0.2, 0.5, 1.0])[:, 0]))
    >>> (2 * p - 1).round(6).tolist()
    [0.2, 0.5, 1.0]
    """
    sure = np.clip(np.asarray(certainties, np.float64), 0.0, MOST)
    return np.stack([np.log1p(sure) - np.log1p(-sure), np.zeros_like(sure)], axis=1)


def suggestion(read: Read) -> Mapping[str, Any]:
    """Return what is kept of a reading: its spans, each with how sure it is, and the whole.

    >>> suggestion(Read((Span(0, 3, "PER"),), (0.75,), 0.5, np.zeros((1, 2), int),
    ...     np.zeros((1, 3)), np.zeros(1)))
    {'spans': [[0, 3, 'PER', 0.75]], 'whole': 0.5}
    """
    marks = zip(read.spans, read.confidence, strict=True)
    return {
        "spans": [[one.start, one.end, one.label, round(sure, 4)] for one, sure in marks],
        "whole": round(read.whole, 4),
    }


def truth_probability(
    logs: Floats, *, units: Sequence[Ints], spans: Sequence[Sequence[Span]], labels: Sequence[str]
) -> Floats:
    """Return how probable exactly these spans of N texts are, by log-probabilities U x K.

    >>> logs = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    >>> cut = [np.array([[0, 3], [4, 9]])]
    >>> truth_probability(logs, units=cut, spans=[[Span(0, 9, "PER")]], labels=["PER"]).round(2)
    array([0.6])
    """
    lengths = np.array([len(one) for one in units], np.int64)
    seen: Lattice = lattice(logs, lengths=lengths, chain=Chain.free(len(labels)))
    none: Ints = np.zeros(0, np.int64)
    tags = np.concatenate(
        [
            none,
            *(
                encode(found, units=one, labels=labels)
                for found, one in zip(spans, units, strict=True)
            ),
        ]
    )
    text = np.repeat(np.arange(len(units)), lengths)
    paths = np.bincount(text, logs[np.arange(len(tags)), tags], minlength=len(units))
    return np.asarray(np.exp(np.minimum(paths - seen.evidence, 0.0)))


def opinions(disagreement: npt.ArrayLike, *, passes: int) -> Floats:
    """Return N x T x 2: opinions on two classes that disagree as much as N texts' tokens do.

    So whatever ranks by BALD ranks by token-BALD (:func:`learning.methods.sequences.token_bald`):
    half of the passes lean one way, half the other, as far as it takes. More than two classes can
    disagree in, log 2, counts as that.

    >>> from learning.methods.disagreement import bald
    >>> bald(opinions([0.0, 0.1, 0.5], passes=5)).round(3).tolist()
    [0.0, 0.1, 0.5]
    """
    pairs = passes // 2
    wanted = np.clip(np.asarray(disagreement, np.float64) * passes / (2 * pairs), 0.0, np.log(2))
    low: Floats = np.zeros(len(wanted))
    high: Floats = np.ones(len(wanted))
    for _ in range(60):
        lean = (low + high) / 2
        told = np.log(2) + sum(scipy.special.xlogy(p, p) for p in ((1 + lean) / 2, (1 - lean) / 2))
        low, high = np.where(told < wanted, lean, low), np.where(told < wanted, high, lean)
    sides = np.array([*([1.0, -1.0] * pairs), *([0.0] * (passes % 2))])
    first = (1 + lean[:, None] * sides) / 2
    return np.stack([first, 1 - first], axis=2)
