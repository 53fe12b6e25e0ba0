"""A chain over the units of a text: which tags may follow each other, and what follows from that.

Every text is a hidden Markov chain over K = 2 C + 1 tags in which an I only ever continues a span
of its own class. Where it helps, a unit outside on whose heels a span begins is told from others:
it is the *eve* of that class. Forward and backward passes give each unit's tag, a span as a whole,
and the text as a whole their probability; Viterbi (1967) gives the best path (Rabiner 1989, *A
tutorial on hidden Markov models*). Texts of all lengths go through at once, a unit of each at a
time.

Shapes: N texts, U units of all texts one after the other, C classes, K tags, S = K + C states: the
tags and, behind them, the eves.
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
    """What may follow what, as weights, which need not be probabilities.

    ``begin`` (C + 1) weighs nothing and each class where no span is open; ``stay`` (C) goes on
    inside a span, ``leave`` (C) is done with it. With ``eves`` what begins is drawn a unit before.
    """

    begin: Floats
    stay: Floats
    leave: Floats
    eves: bool = False

    @classmethod
    def free(cls, classes: int) -> "Chain":
        """Return the chain that forbids what is no IOB2 and prefers nothing.

        >>> Chain.free(1).begin.tolist()
        [1.0, 1.0]
        """
        return cls(np.ones(classes + 1), np.ones(classes), np.ones(classes))

    @classmethod
    def of(cls, begin: Floats, *, stay: Floats) -> "Chain":
        """Return the chain of probabilities in which a span that does not go on is done."""
        return cls(begin, stay, 1.0 - stay, eves=True)

    def moves(self, ends: bool) -> Floats:
        """Return where being outside, and being done with a span or at the beginning, lead.

        2 x (1 + 2 C): outside, each class's first unit, each class's eve; ``ends`` is for a
        text's last unit. An eve leads to its class and nowhere else.
        """
        none, some = self.begin[0], self.begin[1:]
        nought = np.zeros(len(some))
        if not self.eves:
            return np.array([[none, *some, *nought]] * 2)
        if ends:
            return np.array([[1.0, *nought, *nought], [none, *some, *nought]])
        return np.array([[none, *nought, *some], [none * none, *some, *(none * some)]])


@dataclass(frozen=True)
class Lattice:
    """All tags of all units after both passes.

    ``posterior`` U x K, eves among what is outside; ``eve`` U x C. The rest is for
    :func:`span_probability`: ``begun`` U x C is the probability that a span begins here and all
    before, ``on`` U x C the factor for going on to here, ``over`` U x C the factor for ending
    here; ``evidence`` N is the log of all paths' sum.
    """

    posterior: Floats
    eve: Floats
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
    def ends(self) -> npt.NDArray[np.bool_]:
        """Whether each unit is its text's last."""
        last = np.zeros(int(self.lengths.sum()), bool)
        last[(self.starts + self.lengths - 1)[self.lengths > 0]] = True
        return last

    @cached_property
    def text_of(self) -> Ints:
        """The text of each unit."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def lattice(scores: Floats, *, lengths: Ints, chain: Chain, eve: Floats | None = None) -> Lattice:
    """Run both passes; ``scores`` (U x K) are log-likelihoods or log-probabilities of tags.

    ``eve`` (U x C) are those of being outside with a span of that class to begin next.

    >>> torn = np.log([[0.5, 0.3, 0.2], [0.4, 0.1, 0.5]])
    >>> lattice(torn, lengths=np.array([2]), chain=Chain.free(1)).posterior.round(2).tolist()
    [[0.45, 0.55, 0.0], [0.58, 0.15, 0.27]]
    """
    states, tags = _with_eves(scores, eve), scores.shape[1]
    top = states.max(axis=1, initial=LEAST)
    likely = np.exp(np.maximum(states - top[:, None], LEAST))
    ragged = Ragged(lengths)
    forward, scale = _forward(likely, ragged=ragged, chain=chain)
    backward, over = _backward(likely, scale=scale, ragged=ragged, chain=chain)
    logs = np.bincount(ragged.text_of, np.log(scale) + top, minlength=len(lengths))
    posterior = forward * backward
    posterior[:, 0] += posterior[:, tags:].sum(axis=1)
    return Lattice(
        posterior=posterior[:, :tags],
        eve=posterior[:, tags:],
        begun=forward[:, 1:tags:2],
        on=chain.stay * likely[:, 2:tags:2] / scale[:, None],
        over=over,
        evidence=np.asarray(logs, dtype=np.float64),
    )


def _with_eves(scores: Floats, eve: Floats | None) -> Floats:
    """Return U x S: what an eve of each class is worth stands behind the tags."""
    if eve is None:
        eve = np.repeat(scores[:, :1], scores.shape[1] // 2, axis=1)
    return np.concatenate([scores, eve], axis=1)


def _parts(states: int) -> tuple[slice, slice, slice, Ints]:
    """Return where first units, further units and eves stand among S states; and O, first, eves."""
    tags = 2 * ((states - 1) // 3) + 1
    first, on, eve = slice(1, tags, 2), slice(2, tags, 2), slice(tags, states)
    return first, on, eve, np.r_[0, np.arange(states)[first], np.arange(states)[eve]]


def _forward(likely: Floats, *, ragged: Ragged, chain: Chain) -> tuple[Floats, Floats]:
    """Return the probabilities of each state (U x S) given what came before, and U scales."""
    forward, scale = np.zeros_like(likely), np.ones(len(likely))
    first, on, eve, fresh = _parts(likely.shape[1])
    for step, rows in enumerate(ragged.steps()):
        here = np.zeros((len(rows), likely.shape[1]))
        source = np.tile([0.0, 1.0], (len(rows), 1))
        if step:
            before = forward[rows - 1]
            inside = before[:, first] + before[:, on]
            source = np.column_stack([before[:, 0], inside @ chain.leave])
            here[:, first], here[:, on] = before[:, eve], inside * chain.stay
        ends = ragged.ends[rows, None]
        here[:, fresh] += np.where(ends, source @ chain.moves(True), source @ chain.moves(False))
        here *= likely[rows]
        scale[rows] = here.sum(axis=1)
        forward[rows] = here / scale[rows][:, None]
    return forward, scale


def _backward(
    likely: Floats, *, scale: Floats, ragged: Ragged, chain: Chain
) -> tuple[Floats, Floats]:
    """Return what each state (U x S) makes of all that follows, and U x C if a span ends here."""
    backward, over = np.ones_like(likely), np.ones((len(likely), len(chain.stay)))
    first, on, eve, fresh = _parts(likely.shape[1])
    for rows in reversed(list(ragged.steps())[1:]):
        after = likely[rows] * backward[rows] / scale[rows][:, None]
        ends, new = ragged.ends[rows, None], after[:, fresh]
        source = np.where(ends, new @ chain.moves(True).T, new @ chain.moves(False).T)
        over[rows - 1] = source[:, 1:] * chain.leave
        inside = over[rows - 1] + chain.stay * after[:, on]
        here = np.empty_like(after)
        here[:, 0], here[:, first], here[:, on] = source[:, 0], inside, inside
        here[:, eve] = after[:, first]
        backward[rows - 1] = here
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


def best_path(
    scores: Floats, *, lengths: Ints, chain: Chain, eve: Floats | None = None
) -> tuple[Ints, Floats]:
    """Return the best allowed tags (U) and the log-weight of each text's whole path (N).

    Subtracting :attr:`Lattice.evidence` turns the weight into a log-probability.

    >>> torn = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    >>> best_path(torn, lengths=np.array([2]), chain=Chain.free(1))[0].tolist()
    [1, 2]
    """
    ragged, states = Ragged(lengths), _with_eves(scores, eve)
    came: Ints = np.zeros(states.shape, np.int64)
    weight = np.zeros(states.shape)
    before: Floats = np.zeros((0, states.shape[1]))
    for step, rows in enumerate(ragged.steps()):
        before = weight[rows - 1] if step else np.full((len(rows), states.shape[1]), -np.inf)
        reached, came[rows] = _step(before, ends=ragged.ends[rows], chain=chain, opening=not step)
        weight[rows] = reached + states[rows]
    path, whole = _walked_back(weight, came=came, ragged=ragged)
    return np.where(path >= scores.shape[1], 0, path), whole


def _step(
    before: Floats, *, ends: npt.NDArray[np.bool_], chain: Chain, opening: bool
) -> tuple[Floats, Ints]:
    """Return the best weight of getting to each state of the next units, and from which (n x S)."""
    first, on, eve, fresh = _parts(before.shape[1])
    with np.errstate(divide="ignore"):
        moves = np.log(np.stack([chain.moves(False), chain.moves(True)]))
        stay, leave = np.log(chain.stay), np.repeat(np.log(chain.leave), 2)
    done = before[:, 1 : eve.start] + leave
    origin = np.stack([np.zeros(len(before), np.int64), 1 + done.argmax(axis=1)], axis=1)
    source = np.stack([before[:, 0], done.max(axis=1)], axis=1)
    if opening:
        source[:, 1] = 0.0
    ways = source[:, :, None] + moves[ends.astype(np.int64)]
    reached: Floats = np.full(before.shape, -np.inf)
    came: Ints = np.zeros(before.shape, np.int64)
    reached[:, fresh] = ways.max(axis=1)
    came[:, fresh] = np.take_along_axis(origin, ways.argmax(axis=1), axis=1)
    states = np.arange(before.shape[1])
    came[:, first] = np.where(before[:, eve] > reached[:, first], states[eve], came[:, first])
    reached[:, first] = np.maximum(before[:, eve], reached[:, first])
    came[:, on] = states[first] + (before[:, on] > before[:, first])
    reached[:, on] = np.maximum(before[:, on], before[:, first]) + stay
    return reached, came


def _walked_back(weight: Floats, *, came: Ints, ragged: Ragged) -> tuple[Ints, Floats]:
    path: Ints = np.zeros(len(weight), np.int64)
    whole: Floats = np.zeros(len(ragged.lengths))
    last = np.flatnonzero(ragged.ends)
    path[last] = weight[last].argmax(axis=1)
    whole[ragged.lengths > 0] = weight[last].max(axis=1)
    for rows in reversed(list(ragged.steps())[1:]):
        path[rows - 1] = came[rows, path[rows]]
    return path, whole
