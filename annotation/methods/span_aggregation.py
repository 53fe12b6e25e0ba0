"""Consensus on spans: from what several people marked to spans with a probability each.

A person's answer is read from left to right, as in the Bayesian sequence combination of Simpson
and Gurevych (2019, *A Bayesian approach for sequence tagging with crowds*): behind it is a hidden
chain of IOB2 tags (:mod:`annotation.methods.span_chain`), and what somebody marks next depends on
what is open. Where nothing is open, or a true span begins, they choose a class or none by their
confusion matrix, which has the mixture prior of :mod:`annotation.methods.aggregation`. Inside,
they go on, stop or run over by six habits of edges. So a wrong class of a long span is one
mistake, and a missed span one miss, not one for each of its words.

Units are words, cut where somebody's span cuts one. Everything is a function of the answers that
stand: a withdrawn one leaves no trace. Known texts are believed. No model is asked.

Shapes: A answers, N texts, U units of all texts, M people, C classes, K = 2 C + 1 tags.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from annotation.methods.aggregation import (
    CLASS_STRENGTH,
    KINDS,
    SHARES,
    STRENGTH,
    KindsOfPeople,
)
from annotation.methods.span_chain import (
    Chain,
    Lattice,
    Ragged,
    best_path,
    lattice,
    span_probability,
)
from annotation.methods.spans import Span, encode, stretches, units

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

VERSION = "sequential-dawid-skene-1"
ROUNDS = 50
TOLERANCE = 1e-6
# Of a competent person: leaves unmarked what is no span; finds a span and its class; misses one.
QUIET, RIGHT, MISSED = 0.97, 0.8, 0.1
OUTSIDE_SHARE = 0.9
HABIT_STRENGTH = 20.0
SURE = 100.0
# Beta priors of the habits of edges, the first number for yes: goes past the end; takes the next
# span for more of the open one; goes on inside; begins late; begins anew after stopping too soon;
# begins a word before.
HABITS = {
    "over": (1, 4),
    "merge": (1, 1),
    "keep": (8, 1),
    "late": (1, 8),
    "again": (1, 3),
    "early": (1, 12),
}
LATE, EARLY = 3, 5


@dataclass(frozen=True)
class Answered:
    """A answers on N texts by M people: who marked what where; spans may not overlap.

    Somebody who marked nothing has answered, with no spans. ``known`` are texts whose spans are
    known, by their place.
    """

    texts: Sequence[str]
    text: Ints
    person: Ints
    spans: Sequence[Sequence[Span]]
    people: int
    labels: Sequence[str]
    known: Mapping[int, Sequence[Span]]


@dataclass(frozen=True)
class Agreed:
    """What the answers on one text amount to: spans, how sure each is, and the text as a whole.

    ``units`` (u x 2) are code points, ``posterior`` (u x K) each unit's tags, for training.
    """

    spans: tuple[Span, ...]
    confidence: tuple[float, ...]
    whole: float
    units: Ints
    posterior: Floats


@dataclass(frozen=True)
class Crowd:
    """All texts' consensus, and what is known of people.

    ``confusion`` M x (C+1) x (C+1), unmarked first; ``edges`` M x 6, how often each habit shows
    (``HABITS``); ``competent`` M; ``skill`` M x 3 as in aggregation.
    """

    texts: tuple[Agreed, ...]
    confusion: Floats
    edges: Floats
    competent: Floats
    skill: Floats


def agree(answered: Answered, *, rounds: int = ROUNDS, tolerance: float = TOLERANCE) -> Crowd:
    """Estimate spans and people of one language together by expectation and maximisation.

    >>> said = [[Span(7, 12, "LOC")], [Span(7, 12, "LOC")], []]
    >>> three = Answered(
    ...     texts=["Awa si Dakar"], text=np.zeros(3, int), person=np.arange(3), spans=said,
    ...     people=3, labels=["PER", "LOC"], known={},
    ... )
    >>> crowd = agree(three)
    >>> crowd.texts[0].spans, round(crowd.texts[0].confidence[0], 2)
    ((Span(start=7, end=12, label='LOC'),), 0.98)
    """
    cut = _cut(answered)
    lengths, classes = np.array([len(one) for one in cut], np.int64), len(answered.labels)
    said, known = _Said.of(answered, cut), _known(answered, cut)
    asked = np.isin(np.arange(len(cut)), [*answered.text.tolist(), *answered.known])
    heard = np.repeat(asked, lengths)  # what nobody was asked says nothing of what is common
    people, chain = _people(said, answered), _chain(np.zeros((0, 2 * classes + 1)), classes)
    found = _only_known(known, lengths=lengths, chain=chain)
    counts = said.choices(found)
    for _ in range(max(1, rounds)):
        before, used = found, chain
        confusion, kinds = people.update(counts)
        edges = said.habits(found)
        scores, eve = _believed(*said.scores(confusion, edges), known)
        found = lattice(scores, lengths=lengths, chain=chain, eve=eve)
        counts = said.choices(found)
        chain = _chain(found.posterior[heard], classes, lengths=lengths[asked])
        if np.abs(found.posterior - before.posterior).max(initial=0.0) < tolerance:
            break
    path, weight = best_path(scores, lengths=lengths, chain=used, eve=eve)
    whole = np.exp(np.minimum(weight - found.evidence, 0.0))
    return Crowd(
        texts=_agreed(answered, cut, path=path, whole=whole, found=found),
        confusion=confusion,
        edges=edges,
        competent=people.competent(kinds),
        skill=people.skill(counts, kinds),
    )


def _cut(answered: Answered) -> list[Ints]:
    """Return the units of every text, cut so that every span of every answer is some of them."""
    cuts: list[set[int]] = [set() for _ in answered.texts]
    given = [*zip(answered.text.tolist(), answered.spans, strict=True), *answered.known.items()]
    for text, spans in given:
        cuts[text].update(end for span in spans for end in (span.start, span.end))
    return [units(text, cuts=at) for text, at in zip(answered.texts, cuts, strict=True)]


def _known(answered: Answered, cut: Sequence[Ints]) -> Ints:
    """Return the known tag of each unit, or -1 (U)."""
    tags: list[Ints] = [np.full(len(one), -1, np.int64) for one in cut]
    for text, spans in answered.known.items():
        tags[text] = encode(spans, units=cut[text], labels=answered.labels)
    return np.concatenate([*tags, np.zeros(0, np.int64)])


def _believed(tags: Floats, eve: Floats, known: Ints) -> tuple[Floats, Floats]:
    """Return the scores (U x K and U x C) with all weight on what is known."""
    there = np.flatnonzero(known >= 0)
    tags[there] = -SURE
    tags[there, known[there]] = 0.0
    eve[there] = tags[there, :1]
    return tags, eve


def _only_known(known: Ints, *, lengths: Ints, chain: Chain) -> Lattice:
    """Return the lattice of what is known, in which all the rest is nothing."""
    there = np.flatnonzero(known >= 0)
    tags = np.zeros((len(known), 2 * len(chain.stay) + 1))
    tags[there, known[there]] = 1.0
    nothing = np.zeros((len(known), len(chain.stay)))
    eve = nothing.copy()
    before = np.flatnonzero((known[:-1] == 0) & (known[1:] % 2 == 1) & ~Ragged(lengths).ends[:-1])
    eve[before, known[before + 1] // 2] = 1.0
    return Lattice(tags, eve, nothing, nothing, nothing, np.zeros(len(lengths)))


def _fresh(posterior: Floats) -> Floats:
    """Return U x (C + 1): outside, or the first unit of a class."""
    return posterior[:, [0, *range(1, posterior.shape[1], 2)]]


@dataclass(frozen=True)
class _Said:
    """The answers unit by unit; where nothing is open and nothing marked, only who was quiet.

    ``quiet`` U x M. The X other cells: whose they are, which class was open (-1: none), whether
    a span begins or goes on there, and what was chosen (0: nothing, c + 1). ``at`` U x X puts
    cells to units, ``by`` M (C+1) x X to people and choices.
    """

    quiet: csr_array
    person: Ints
    opened: Ints
    begins: Bools
    goes_on: Bools
    chosen: Ints
    at: csr_array
    by: csr_array

    @classmethod
    def of(cls, answered: Answered, cut: Sequence[Ints]) -> "_Said":
        """Read all answers, in an order that does not hang on how they came."""
        rows = np.lexsort((answered.person, answered.text))
        text, person = answered.text[rows], answered.person[rows]
        if ((text[1:] == text[:-1]) & (person[1:] == person[:-1])).any():
            raise ValueError("a person answered a text twice: keep the newest answer")
        sizes = np.array([len(one) for one in cut], np.int64)
        starts = np.cumsum(sizes) - sizes
        none: Ints = np.zeros(0, np.int64)
        tags, unit, who, opened = [none], [none], [none], [none]
        for row, at, one in zip(rows.tolist(), text.tolist(), person.tolist(), strict=True):
            said = encode(answered.spans[row], units=cut[at], labels=answered.labels)
            tags.append(said)
            opened.append(np.concatenate(([0], (said[:-1] + 1) // 2))[: len(said)] - 1)
            unit.append(starts[at] + np.arange(len(said)))
            who.append(np.full(len(said), one))
        return cls._made(
            np.concatenate(tags),
            np.concatenate(opened),
            unit=np.concatenate(unit),
            person=np.concatenate(who),
            shape=(int(sizes.sum()), answered.people, len(answered.labels) + 1),
        )

    @classmethod
    def _made(
        cls, tags: Ints, opened: Ints, *, unit: Ints, person: Ints, shape: tuple[int, int, int]
    ) -> "_Said":
        size, people, choices = shape
        nothing = (opened < 0) & (tags == 0)
        quiet = csr_array(
            (np.ones(nothing.sum()), (unit[nothing], person[nothing])), shape=(size, people)
        )
        cells = ~nothing
        chosen, cell = (tags[cells] + 1) // 2, np.arange(cells.sum())
        ones, column = np.ones(len(cell)), person[cells] * choices + chosen
        begins = tags[cells] % 2 == 1
        goes_on = (tags[cells] > 0) & ~begins
        return cls(
            quiet=quiet,
            person=person[cells],
            opened=opened[cells],
            begins=begins,
            goes_on=goes_on,
            chosen=chosen,
            at=csr_array((ones, (unit[cells], cell)), shape=(size, len(cell))),
            by=csr_array((ones, (column, cell)), shape=(people * choices, len(cell))),
        )

    def scores(self, confusion: Floats, edges: Floats) -> tuple[Floats, Floats]:
        """Return the log-likelihood of all that was said of each unit: as a tag U x K, an eve U x C."""
        choices = confusion.shape[1]
        quiet = np.empty((len(confusion), 2 * choices - 1))
        quiet[:, 0] = confusion[:, 0, 0]
        quiet[:, 1::2] = confusion[:, 1:, 0]
        quiet[:, 2::2] = 1.0 - edges[:, LATE, None]
        cells, eves = self._cells(confusion, edges)
        waits = np.repeat(1.0 - edges[:, EARLY, None], choices - 1, axis=1)
        tags = self.quiet @ np.log(quiet) + self.at @ np.log(cells)
        return tags, self.quiet @ np.log(waits) + self.at @ np.log(eves)

    def _cells(self, confusion: Floats, edges: Floats) -> tuple[Floats, Floats]:
        """Return the likelihood of each cell under each tag (X x K) and eve (X x C) of its unit."""
        habit = {name: edges[self.person, place, None] for place, name in enumerate(HABITS)}
        fresh = confusion[self.person, :, self.chosen]
        of_class = fresh[:, 1:] / np.maximum(1.0 - confusion[self.person, 1:, 0], 1e-9)
        inside, begins = (self.opened >= 0)[:, None], self.begins[:, None]

        def read(on: Floats, anew: Floats) -> Floats:
            """Whoever has a span open goes on, or stops and chooses anew."""
            return np.where(self.goes_on[:, None], on, np.where(inside, 1 - on, 1.0) * anew)

        found = np.empty((len(fresh), 2 * fresh.shape[1] - 1))
        found[:, :1] = read(habit["over"], fresh[:, :1])
        found[:, 1::2] = read(habit["merge"], fresh[:, 1:])
        begun = np.where(inside, habit["again"], habit["late"])
        found[:, 2::2] = read(habit["keep"], np.where(begins, begun * of_class, 1 - begun))
        early = np.where(begins, habit["early"] * of_class, 1 - habit["early"])
        return np.maximum(found, 1e-12), np.maximum(read(habit["over"], early), 1e-12)

    def choices(self, found: Lattice) -> Floats:
        """Return M x (C+1) x (C+1): how often each person chose the last where the first is true."""
        fresh = _fresh(found.posterior)
        fresh[:, 0] -= found.eve.sum(axis=1)
        there = (self.at.T @ fresh) * ~self.goes_on[:, None]
        begun = self.at.T @ (found.posterior[:, 2::2] + found.eve)
        there[:, 1:] += begun * self.begins[:, None]
        people, choices = self.quiet.shape[1], fresh.shape[1]
        counts = np.asarray(self.by @ there).reshape(people, choices, choices).transpose(0, 2, 1)
        counts[:, :, 0] += self.quiet.T @ fresh
        return counts

    def habits(self, found: Lattice) -> Floats:
        """Return M x 6: how often each habit of edges shows, by counts and prior."""
        people, posterior = self.quiet.shape[1], found.posterior
        within, eve = posterior[:, 2::2].sum(axis=1), found.eve.sum(axis=1)
        outside, first = posterior[:, 0], posterior[:, 1::2].sum(axis=1)
        inside, begins = self.opened >= 0, self.begins
        goes_on, stops = self.goes_on, inside & ~self.goes_on
        both = {
            "over": (outside, goes_on, stops),
            "merge": (first, goes_on, stops),
            "keep": (within, goes_on, stops),
            "late": (within, ~inside & begins, ~inside & ~begins),
            "again": (within, stops & begins, stops & ~begins),
            "early": (eve, begins, ~begins & ~goes_on),
        }
        shares = np.empty((people, len(HABITS)))
        for place, (name, (truth, *shown)) in enumerate(both.items()):
            here = self.at.T @ truth
            yes, no = (np.bincount(self.person, here * one, minlength=people) for one in shown)
            if name in ("late", "early"):
                no = no + self.quiet.T @ truth
            prior = HABITS[name]
            shares[:, place] = (yes + prior[0]) / (yes + no + sum(prior))
        return shares


def _people(said: _Said, answered: Answered) -> KindsOfPeople:
    """Return the three kinds of people: the competent, who mostly see what is there, and the rest."""
    choices = len(answered.labels) + 1
    competent = np.full((choices, choices), (1 - QUIET) / (choices - 1))
    competent[1:] = (1 - RIGHT - MISSED) / max(choices - 2, 1)
    competent[1:, 0] = MISSED if choices > 2 else 1 - RIGHT
    np.fill_diagonal(competent, RIGHT)
    competent[0, 0] = QUIET
    made = np.asarray(said.by @ ~said.goes_on, np.float64).reshape(-1, choices)
    made[:, 0] += np.asarray(said.quiet.sum(axis=0)).ravel()
    made += HABIT_STRENGTH * competent[0]  # or a handful of spans would look like a habit
    habit = made / made.sum(axis=1, keepdims=True)
    alpha = np.empty((answered.people, len(KINDS), choices, choices))
    alpha[:, 0] = STRENGTH * competent
    alpha[:, 1] = 2 * STRENGTH * habit[:, None, :]
    alpha[:, 2] = 1.5 / choices
    return KindsOfPeople(alpha, np.tile(SHARES, (answered.people, 1)), None)


def _chain(posterior: Floats, classes: int, *, lengths: Ints | None = None) -> Chain:
    """Return how often spans begin and go on, drawn towards few spans of any length."""
    towards = np.full(classes + 1, (1 - OUTSIDE_SHARE) / classes)
    towards[0] = OUTSIDE_SHARE
    begin = CLASS_STRENGTH * towards
    stayed, could = np.full(classes, 2.0), np.full(classes, 4.0)
    if lengths is not None:
        begin = begin + _fresh(posterior).sum(axis=0)
        last = np.cumsum(lengths[lengths > 0]) - 1
        more = np.ones(len(posterior), bool)
        more[last] = False
        inside = posterior[:, 1::2] + posterior[:, 2::2]
        stayed, could = stayed + posterior[:, 2::2].sum(axis=0), could + inside[more].sum(axis=0)
    return Chain.of(begin / begin.sum(), stay=stayed / could)


def _agreed(
    answered: Answered, cut: Sequence[Ints], *, path: Ints, whole: Floats, found: Lattice
) -> tuple[Agreed, ...]:
    """Return each text's best spans, with what makes them probable."""
    texts, start = [], 0
    for one, sure in zip(cut, whole.tolist(), strict=True):
        marks = stretches(path[start : start + len(one)])
        texts.append(
            Agreed(
                spans=tuple(
                    Span(int(one[a, 0]), int(one[b, 1]), answered.labels[c]) for a, b, c in marks
                ),
                confidence=tuple(
                    min(1.0, span_probability(found, first=start + a, last=start + b, label=c))
                    for a, b, c in marks
                ),
                whole=sure,
                units=one,
                posterior=found.posterior[start : start + len(one)],
            )
        )
        start += len(one)
    return tuple(texts)
