"""A chain over the units of a text: which tags may follow each other, and what follows from that.

Every text is a hidden Markov chain over K = 2 C + 1 tags in which an I only ever continues a span
of its own class. Forward and backward passes give each unit's tag, a span as a whole, and the
text as a whole their probability; Viterbi (1967) gives the best path (Rabiner 1989, *A tutorial on
hidden Markov models*). Texts of all lengths go through at once, one unit of each at a time.

Shapes: N texts, U units of all texts one after the other, C classes, K tags.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Nothing is impossible but what the chain forbids: a text in which every path is would have none.
LEAST = -300.0


@dataclass(frozen=True)
class Chain:
    """What may follow: ``begin`` (C + 1) an O or a B, ``stay`` (C) an I after its class.

    ``leave`` (C) weighs everything that ends a span. They need not be probabilities.
    """

    begin: Floats
    stay: Floats
    leave: Floats

    @classmethod
    def free(cls, classes: int) -> "Chain":
        """Return the chain that forbids what is no IOB2 and prefers nothing.

        >>> Chain.free(1).begin.tolist()
        [1.0, 1.0]
        """
        return cls(np.ones(classes + 1), np.ones(classes), np.ones(classes))

    @classmethod
    def of(cls, begin: Floats, *, stay: Floats) -> "Chain":
        """Return the chain of probabilities in which a span that does not go on is left."""
        return cls(begin, stay, 1.0 - stay)


@dataclass(frozen=True)
class Lattice:
    """All tags of all units after both passes.

    ``posterior`` U x K. The rest is for :func:`span_probability`: ``begun`` U x C is the
    probability that a span begins here and all before, ``on`` U x C the factor for going on to
    here, ``over`` U x C the factor for ending here; ``evidence`` N is the log of all paths' sum.
    """

    posterior: Floats
    begun: Floats
    on: Floats
    over: Floats
    evidence: Floats


@dataclass(frozen=True)
class Ragged:
    """N texts of unequal lengths, and how to walk them a unit of each at a time."""

    lengths: Ints

    @cached_property
    def starts(self) -> Ints:
        """Where each text's units begin."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths)

    @cached_property
    def _longest_first(self) -> Ints:
        return np.argsort(-self.lengths, kind="stable")

    def steps(self) -> Iterator[Ints]:
        """Yield the rows of all first units, then of all second ones, always in the same order."""
        order = self._longest_first
        sizes, starts = self.lengths[order], self.starts[order]
        for step in range(int(sizes[0]) if len(sizes) else 0):
            yield starts[: int(np.searchsorted(-sizes, -step, "left"))] + step

    @cached_property
    def text_of(self) -> Ints:
        """The text of each unit."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def lattice(scores: Floats, *, lengths: Ints, chain: Chain) -> Lattice:
    """Run both passes; ``scores`` (U x K) are log-likelihoods or log-probabilities of tags.

    >>> torn = np.log([[0.5, 0.3, 0.2], [0.4, 0.1, 0.5]])
    >>> lattice(torn, lengths=np.array([2]), chain=Chain.free(1)).posterior.round(2).tolist()
    [[0.45, 0.55, 0.0], [0.58, 0.15, 0.27]]
    """
    top = scores.max(axis=1, initial=LEAST)
    likely = np.exp(np.maximum(scores - top[:, None], LEAST))
    ragged = Ragged(lengths)
    forward, scale = _forward(likely, ragged=ragged, chain=chain)
    backward, over = _backward(likely, scale=scale, ragged=ragged, chain=chain)
    logs = np.bincount(ragged.text_of, np.log(scale) + top, minlength=len(lengths))
    return Lattice(
        posterior=forward * backward,
        begun=forward[:, 1::2],
        on=chain.stay * likely[:, 2::2] / scale[:, None],
        over=over,
        evidence=np.asarray(logs, dtype=np.float64),
    )


def _forward(likely: Floats, *, ragged: Ragged, chain: Chain) -> tuple[Floats, Floats]:
    """Return U x K probabilities of each tag given what came before, and U scales."""
    forward, scale = np.zeros_like(likely), np.ones(len(likely))
    before: Floats = np.zeros((0, likely.shape[1]))
    for step, rows in enumerate(ragged.steps()):
        here = np.zeros((len(rows), likely.shape[1]))
        if step:
            inside = before[: len(rows), 1::2] + before[: len(rows), 2::2]
            left = before[: len(rows), 0] + inside @ chain.leave
            here[:, 2::2] = inside * chain.stay
            here[:, 0], here[:, 1::2] = left * chain.begin[0], left[:, None] * chain.begin[1:]
        else:
            here[:, 0], here[:, 1::2] = chain.begin[0], chain.begin[1:]
        here *= likely[rows]
        scale[rows] = here.sum(axis=1)
        before = here / scale[rows][:, None]
        forward[rows] = before
    return forward, scale


def _backward(
    likely: Floats, *, scale: Floats, ragged: Ragged, chain: Chain
) -> tuple[Floats, Floats]:
    """Return U x K what each tag makes of all that follows, and U x C the same if a span ends."""
    backward, over = np.ones_like(likely), np.ones((len(likely), len(chain.stay)))
    for rows in reversed(list(ragged.steps())[1:]):
        after = likely[rows] * backward[rows] / scale[rows][:, None]
        left = after[:, 0] * chain.begin[0] + after[:, 1::2] @ chain.begin[1:]
        over[rows - 1] = left[:, None] * chain.leave
        inside = over[rows - 1] + chain.stay * after[:, 2::2]
        backward[rows - 1, 0] = left
        backward[rows - 1, 1::2] = inside
        backward[rows - 1, 2::2] = inside
    return backward, over


def span_probability(found: Lattice, *, first: int, last: int, label: int) -> float:
    """Return how probable it is that exactly units ``first`` to ``last`` are a span of that class.

    >>> torn = np.log([[0.5, 0.3, 0.2], [0.4, 0.1, 0.5]])
    >>> seen = lattice(torn, lengths=np.array([2]), chain=Chain.free(1))
    >>> round(span_probability(seen, first=0, last=1, label=0), 2)
    0.27
    """
    goes_on = found.on[first + 1 : last + 1, label].prod()
    return float(found.begun[first, label] * goes_on * found.over[last, label])


def best_path(scores: Floats, *, lengths: Ints, chain: Chain) -> tuple[Ints, Floats]:
    """Return the best allowed tags (U) and the log-weight of each text's whole path (N).

    Subtracting :attr:`Lattice.evidence` turns the weight into a log-probability.

    >>> torn = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    >>> best_path(torn, lengths=np.array([2]), chain=Chain.free(1))[0].tolist()
    [1, 2]
    """
    with np.errstate(divide="ignore"):
        begin, stay, leave = np.log(chain.begin), np.log(chain.stay), np.log(chain.leave)
    ragged, (units, tags) = Ragged(lengths), scores.shape
    came = np.zeros((units, tags), np.int64)
    weight = np.zeros((units, tags))
    odd = np.arange(1, tags, 2)
    for step, rows in enumerate(ragged.steps()):
        here = np.full((len(rows), tags), -np.inf)
        here[:, 0], here[:, 1::2] = begin[0], begin[1:]
        if step:
            before = weight[rows - 1]
            ended = before + np.concatenate(([0.0], np.repeat(leave, 2)))
            came[rows] = ended.argmax(axis=1)[:, None]
            here += ended.max(axis=1)[:, None]
            later = before[:, 2::2] > before[:, 1::2]
            came[rows, 2::2] = odd + later
            here[:, 2::2] = np.maximum(before[:, 1::2], before[:, 2::2]) + stay
        weight[rows] = here + scores[rows]
    return _walked_back(weight, came=came, ragged=ragged)


def _walked_back(weight: Floats, *, came: Ints, ragged: Ragged) -> tuple[Ints, Floats]:
    path: Ints = np.zeros(len(weight), np.int64)
    whole: Floats = np.zeros(len(ragged.lengths))
    full = np.flatnonzero(ragged.lengths)
    last = ragged.starts[full] + ragged.lengths[full] - 1
    path[last] = weight[last].argmax(axis=1)
    whole[full] = weight[last].max(axis=1)
    for rows in reversed(list(ragged.steps())[1:]):
        path[rows - 1] = came[rows, path[rows]]
    return path, whole
