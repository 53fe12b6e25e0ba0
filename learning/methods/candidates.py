"""Candidates: what of a request could be asked, language by language, copies collapsed.

Whatever cannot be asked is named with its reason. Of equal texts one stands for all, drawn by
lot; a text of which a copy is at a desk or was asked is not asked again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from learning.methods.batches import Rejected
from learning.methods.lots import Lots, draw, hashes
from learning.methods.neighbours import near_duplicates
from learning.methods.probabilities import FAULTS, fault_codes, softmax
from learning.methods.quotas import Standing
from learning.methods.requests import LanguageState, SelectionRequest

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Codes = npt.NDArray[np.int8]

REASONS = (*FAULTS, "bad_cost", "zero_vector", "leased", "asked")
BAD_COST, ZERO, LEASED, ASKED = (
    REASONS.index(name) for name in ("bad_cost", "zero_vector", "leased", "asked")
)
ROWS = 16_384


@dataclass(frozen=True, eq=False)
class Sieved:
    """What is true of a pool of which the request holds N texts only; see :mod:`.sieve`.

    ``digest`` is that of all rows; ``samples`` and ``texts`` could be asked, a number a language;
    ``rejected`` could not, and ``unnamed`` more. Of each of the N, ``above`` is how many texts of
    its language are less certain by the score ``measure``, ``equal`` how many as certain, itself
    one of them; ``drawn`` tells those that were kept by lot alone. ``members`` names the copies that one stands for.
    """

    digest: str
    samples: tuple[int, ...]
    texts: tuple[int, ...]
    rejected: tuple[Rejected, ...]
    unnamed: int
    measure: str
    above: npt.NDArray[np.int64]
    equal: npt.NDArray[np.int64]
    drawn: npt.NDArray[np.bool_]
    members: Callable[[int], tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Pool:
    """One language's distinct texts: ``at`` holds the position of each text's representative.

    ``members`` are the positions of all samples, text by text, the representative first;
    ``starts`` says where each text begins (T + 1 numbers). Of a pool that was sieved these are
    the texts that were kept, of which ``lost`` turned out faulty; ``samples`` and ``texts`` are
    how many there are.
    """

    request: SelectionRequest
    state: LanguageState
    home: int
    at: Positions
    members: Positions
    starts: Positions
    lost: int = 0

    @cached_property
    def probabilities(self) -> Floats:
        """T x K, made honest by the language's temperature."""
        rows = self.request.rows[self.at].astype(np.float64)
        if self.request.logits is None:
            return np.asarray(rows / rows.sum(axis=1, keepdims=True))
        return softmax(rows, temperature=self.state.temperature)

    @cached_property
    def known(self) -> Positions:
        """The positions of what the language was asked before, in order of their ids' hashes."""
        if self.request.known_language is None:
            return np.zeros(0, dtype=np.intp)
        here = np.flatnonzero(self.request.known_language == self.home)
        keys = hashes([self.request.known_ids[at] for at in here])
        return np.asarray(here[np.argsort(keys, kind="stable")])

    @property
    def standing(self) -> Standing:
        """What the quota has to know of the language."""
        state = self.state
        return Standing(
            tag=state.tag,
            samples=self.samples,
            texts=self.texts,
            capacity=state.capacity,
            limit=state.limit,
            debt=state.debt,
            owed=state.owed,
            audit_carry=state.audit_carry,
            slope=state.slope,
            cost=state.cost,
        )

    @property
    def samples(self) -> int:
        """How many samples could be asked."""
        sieved = self.request.sieved
        return len(self.members) if sieved is None else sieved.samples[self.home] - self.lost

    @property
    def texts(self) -> int:
        """How many distinct texts could be asked, kept or not."""
        sieved = self.request.sieved
        return len(self.at) if sieved is None else sieved.texts[self.home] - self.lost

    @property
    def parted(self) -> bool:
        """Whether texts that could be asked were sieved out."""
        return len(self.at) < self.texts

    def standings(
        self, uncertainty: npt.NDArray[Any], *, texts: Positions
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return how many texts are less certain than each of some, and how many as certain.

        Where some were sieved out they were counted before that, by the same uncertainty.
        """
        sieved = self.request.sieved
        if sieved is not None and self.parted:
            at = self.at[texts]
            return sieved.above[at], sieved.equal[at]
        falling, own = np.sort(-uncertainty), -uncertainty[texts]
        above = np.searchsorted(falling, own, side="left")
        return above, np.searchsorted(falling, own, side="right") - above

    @property
    def drawn(self) -> Positions:
        """The texts among which a strategy may choose that looks at embeddings of all."""
        sieved = self.request.sieved
        if sieved is None or not self.parted:
            return np.arange(len(self.at))
        return np.flatnonzero(sieved.drawn[self.at])

    def lots(self, purpose: str) -> Lots:
        """Draw a lot for every text."""
        return draw(self.request.keys[self.at], seed=self.request.seed, purpose=purpose)

    def id_of(self, text: int) -> str:
        """Return the id of the sample that stands for a text."""
        return self.request.item_ids[int(self.at[text])]

    def copies(self, text: int) -> tuple[str, ...]:
        """Return the ids of the samples that a text's representative stands for beside itself."""
        if self.request.sieved is not None:
            return self.request.sieved.members(int(self.at[text]))
        rest = self.members[self.starts[text] + 1 : self.starts[text + 1]]
        return tuple(sorted(self.request.item_ids[at] for at in rest))


def candidates(request: SelectionRequest) -> tuple[list[Pool], tuple[Rejected, ...]]:
    """Return the pools in order of tag, and every sample that is in none of them."""
    codes = _codes(request)
    make = _pool if request.sieved is None else _sieved
    pools = [
        make(request, codes, state=state, home=home) for home, state in enumerate(request.languages)
    ]
    left_out = np.flatnonzero(codes)
    named = [(request.item_ids[at], REASONS[codes[at]]) for at in left_out.tolist()]
    if request.sieved is not None:
        named += [(one.item_id, one.reason) for one in request.sieved.rejected]
    rejected = tuple(Rejected(name, reason) for name, reason in sorted(named))
    return sorted(pools, key=lambda pool: pool.state.tag), rejected


def _sieved(request: SelectionRequest, codes: Codes, *, state: LanguageState, home: int) -> Pool:
    """Take what was kept of a language: copies are collapsed already, and most faults left out."""
    mine = request.order[request.language[request.order] == home]
    fit = mine[codes[mine] == 0]
    lost = len(mine) - len(fit)
    return Pool(
        request, state, home, at=fit, members=fit, starts=np.arange(len(fit) + 1), lost=lost
    )


def _codes(request: SelectionRequest) -> Codes:
    """Return, for every sample, 0 or the first reason that holds for leaving it out."""
    found = fault_codes(request.rows, probabilities=request.logits is None)
    for codes in _more_faults(request):
        np.copyto(found, codes, where=found == 0)
    if request.leased:
        away = [at for at, name in enumerate(request.item_ids) if name in request.leased]
        found[away] = np.where(found[away] == 0, LEASED, found[away])
    return found


def _more_faults(request: SelectionRequest) -> Iterator[Codes]:
    for numbers in (request.embeddings, request.given, request.cost_seconds):
        if numbers is not None:
            yield fault_codes(numbers)
    for name in ("mc", "surprise"):
        numbers = getattr(request, name)
        if numbers is not None:
            # Of samples that the array leaves out it says nothing wrong.
            told = np.r_[fault_codes(numbers), np.int8(0)]
            yield told[request.rows_told(name)]
    if request.embeddings is not None:
        yield np.where(_zero_rows(request.embeddings), ZERO, 0).astype(np.int8)
    if request.cost_seconds is not None:
        yield np.where(request.cost_seconds <= 0, BAD_COST, 0).astype(np.int8)


def _zero_rows(rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(rows), dtype=np.bool_)
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        found[part] = ~np.asarray(rows[part]).any(axis=1)
    return found


def _pool(request: SelectionRequest, codes: Codes, *, state: LanguageState, home: int) -> Pool:
    """Collapse the copies of one language; those of leased or asked texts get their reason."""
    mine = request.order[request.language[request.order] == home]
    text, asked = _texts(request, mine, codes=codes, home=home)
    asked |= np.isin(request.groups[mine], hashes(sorted(state.asked)))
    leased = np.zeros(len(mine), dtype=np.bool_)
    if request.leased:
        leased[:] = [request.item_ids[at] in request.leased for at in mine]
    for marked, code in ((asked, ASKED), (leased, LEASED)):
        if marked.any():
            spent = np.isin(text, text[marked]) & (codes[mine] == 0)
            codes[mine[spent]] = code
    left = codes[mine] == 0
    return _collapsed(request, mine[left], text=text[left], state=state, home=home)


def _texts(
    request: SelectionRequest, mine: Positions, *, codes: Codes, home: int
) -> tuple[Positions, npt.NDArray[np.bool_]]:
    """Return which text each sample is, by number, and whether it is near one that was asked."""
    text = np.unique(request.groups[mine], return_inverse=True)[1].astype(np.intp)
    asked = np.zeros(len(mine), dtype=np.bool_)
    threshold, embeddings = request.near_duplicates, request.embeddings
    if threshold is None or embeddings is None or not len(mine):
        return text, asked
    fit = np.flatnonzero((codes[mine] == 0) | (codes[mine] == LEASED))
    known = np.zeros((0, embeddings.shape[1]), dtype=embeddings.dtype)
    if request.known_embeddings is not None and request.known_language is not None:
        before = request.known_embeddings[request.known_language == home]
        known = before[np.isfinite(before).all(axis=1) & before.any(axis=1)]
    near = near_duplicates([known, embeddings[mine[fit]]], threshold=threshold)
    texts, groups = int(text.max()) + 1, int(near.max(initial=-1)) + 1
    # A text and a group of near texts are joined by every sample that is in both.
    ends = (text[fit], near[len(known) :] + texts)
    graph = coo_array((np.ones(len(fit)), ends), shape=(texts + groups,) * 2)
    joined = connected_components(graph, directed=False)[1].astype(np.intp)
    return joined[text], np.isin(joined[text], joined[near[: len(known)] + texts])


def _collapsed(
    request: SelectionRequest, mine: Positions, *, text: Positions, state: LanguageState, home: int
) -> Pool:
    """Draw who stands for each text; texts come in the order of their representatives' hashes."""
    drawn = draw(request.keys[mine], seed=request.seed, purpose="copies")
    by_text = np.lexsort((drawn, text))
    first = np.flatnonzero(np.diff(text[by_text], prepend=-1))
    sizes = np.diff(np.r_[first, len(mine)])
    turn = np.argsort(by_text[first], kind="stable")
    starts = np.r_[0, np.cumsum(sizes[turn])]
    # Where a text's members lie in by_text, text by text in the new order.
    into = np.repeat(first[turn] - starts[:-1], sizes[turn]) + np.arange(len(mine))
    members = mine[by_text[into]]
    at = members[starts[:-1]]
    return Pool(request, state, home, at=at, members=members, starts=starts)
