"""Sieve: the few samples of a pool that may be asked, and what must be known of all the others.

A pool passes by once, in chunks. Its numbers go to files that have no name, shared out by text
so that all copies of one lie together; then the files are gone through one by one, copies are
collapsed, and of each language only what any strategy may need is kept: the most uncertain
texts, those that drew the lowest lots, counts. Memory depends on the batch and the number of
languages, never on the pool; the batch that is chosen is that of the pool in memory, exactly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.acquisition import STRATEGIES, Floats, gumbel, power
from learning.methods.batches import Rejected
from learning.methods.candidates import ASKED, BAD_COST, REASONS, ZERO, Sieved
from learning.methods.digests import RowsDigest
from learning.methods.lots import Lots, draw, hashes
from learning.methods.probabilities import fault_codes, softmax
from learning.methods.requests import SelectionRequest
from learning.methods.sequences import information_per_cost
from learning.methods.shortlist import LEAST
from learning.methods.spills import Files, Told
from learning.methods.strategies import WIDTH, needs_of

Rows = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

# Samples that are named when they are left out; of the rest the number is told.
NAMED = 10_000
# Texts, of all languages together, among which a strategy chooses that looks at embeddings of all.
WITHIN = 100_000


@dataclass(frozen=True, eq=False)
class Chunk:
    """N samples that were scored: ids, places of their languages, hashes of their texts, logits
    N x K, and where they are known dialects, embeddings N x d and costs of an answer."""

    ids: Ints
    languages: Ints
    groups: Lots
    logits: npt.NDArray[np.float64]
    dialects: Sequence[str] = ()
    embeddings: npt.NDArray[Any] | None = None
    cost_seconds: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class _Kept:
    """What is kept of each language: the first so many by a score, or by lot alone."""

    score: str
    purpose: str
    count: int


class Sieve:
    """Takes a pool chunk by chunk; then tells the request that stands for all of it.

    ``question`` is the request without samples. ``expected`` is about how many will come;
    ``folder`` is where the files lie that have no name.

    >>> from learning.methods.requests import LanguageState
    >>> from learning.methods.selection import select
    >>> question = SelectionRequest((), [], (LanguageState("wo"),), ("x", "y"), 2, 1, logits=[])
    >>> sieve = Sieve(question)
    >>> for ids in (np.arange(500), np.arange(500, 1000)):
    ...     logits = np.stack([ids / 10, 0.0 * ids], axis=1)
    ...     sieve.take(Chunk(ids, 0 * ids, hashes(list(map(str, ids))), logits))
    >>> request = sieve.request()
    >>> len(request.item_ids) < 10, [pick.item_id for pick in select(request).items]
    (True, ['0', '851'])
    """

    def __init__(
        self,
        question: SelectionRequest,
        *,
        expected: int = 0,
        folder: Path | None = None,
        within: int = WITHIN,
    ) -> None:
        self.question, self.folder = question, folder
        self._kept = _what_to_keep(question, within=within)
        self._scores = sorted({kept.score for kept in self._kept if kept.score})
        self._files = Files(expected, folder)
        self._digest = RowsDigest()
        self._dialects: dict[str, int] = {"": 0}
        self._tags = hashes([state.tag for state in question.languages])
        self._asked = [np.sort(hashes(sorted(s.asked))) for s in question.languages]
        self._temperatures = np.array([state.temperature for state in question.languages])
        self._rejected = _LeftOut(question.seed)
        self._row: np.dtype[Any] | None = None

    def take(self, chunk: Chunk) -> None:
        """Take in some samples; one id must not come twice."""
        if not len(chunk.ids):
            return
        keys = hashes(list(map(str, chunk.ids.tolist())))
        dialects = self._dialect_codes(chunk)
        self._take_digest(chunk, keys=keys, dialects=dialects)
        codes = self._codes(chunk)
        self._rejected.take(chunk.ids, keys=keys, codes=codes)
        fit = codes == 0
        rows = np.zeros(int(fit.sum()), dtype=self._type(chunk))
        rows["id"], rows["key"], rows["group"] = chunk.ids[fit], keys[fit], chunk.groups[fit]
        rows["language"], rows["dialect"] = chunk.languages[fit], dialects[fit]
        rows["logits"] = chunk.logits[fit]
        rows["equal"] = 1
        if chunk.cost_seconds is not None:
            rows["cost"] = chunk.cost_seconds[fit]
        self._score(rows)
        self._files.add(rows)

    def request(self) -> SelectionRequest:
        """Return the request that stands for the pool; embeddings of what it kept are to be added."""
        count = len(self.question.languages)
        keepers = [[_Keeper(kept, self.question.seed) for kept in self._kept] for _ in range(count)]
        samples, texts = np.zeros(count, np.int64), np.zeros(count, np.int64)
        measure = measure_of(self.question)
        told = Told(self.folder)
        for table in self._files.tables(partial(_collapsed, seed=self.question.seed)):
            samples += np.bincount(table["language"], table["equal"], count).astype(np.int64)
            texts += np.bincount(table["language"], minlength=count)
            told.add(table["language"], table[measure])
            bounds = np.searchsorted(table["language"], np.arange(count + 1))
            for place in np.flatnonzero(np.diff(bounds)).tolist():
                part = table[bounds[place] : bounds[place + 1]]
                for keeper in keepers[place]:
                    keeper.offer(part)
        rows = self._together([keeper for of_one in keepers for keeper in of_one])
        above, equal = told.counts(rows["language"], rows[measure])
        sieved = Sieved(
            digest=self._digest.hexdigest(),
            samples=tuple(samples.tolist()),
            texts=tuple(texts.tolist()),
            rejected=self._rejected.named(),
            unnamed=self._rejected.unnamed,
            measure=measure,
            above=above,
            equal=equal,
            drawn=self._drawn(rows, keepers),
            members=partial(self._members, rows),
        )
        names = list(self._dialects)
        return replace(
            self.question,
            item_ids=tuple(map(str, rows["id"].tolist())),
            language=rows["language"].astype(np.int64),
            logits=np.ascontiguousarray(rows["logits"]),
            dialect=tuple(names[at] for at in rows["dialect"]) if len(names) > 1 else (),
            cost_seconds=None if "cost" not in (rows.dtype.names or ()) else rows["cost"].copy(),
            sieved=sieved,
        )

    def _codes(self, chunk: Chunk) -> npt.NDArray[np.int8]:
        """Return, for every sample, 0 or the first reason for leaving it out, as in memory."""
        found = fault_codes(chunk.logits)
        more: list[npt.NDArray[np.int8]] = []
        if chunk.embeddings is not None:
            more.append(fault_codes(chunk.embeddings))
        if chunk.cost_seconds is not None:
            more.append(fault_codes(chunk.cost_seconds))
        if chunk.embeddings is not None:
            more.append(np.where(chunk.embeddings.any(axis=1), 0, ZERO).astype(np.int8))
        if chunk.cost_seconds is not None:
            more.append(np.where(chunk.cost_seconds <= 0, BAD_COST, 0).astype(np.int8))
        for place, asked in enumerate(self._asked):
            if len(asked):
                spent = (chunk.languages == place) & np.isin(chunk.groups, asked)
                more.append(np.where(spent, ASKED, 0).astype(np.int8))
        for codes in more:
            np.copyto(found, codes, where=found == 0)
        return found

    def _take_digest(self, chunk: Chunk, *, keys: Lots, dialects: Ints) -> None:
        columns: list[tuple[str, npt.NDArray[Any] | None]] = [
            ("language", self._tags[chunk.languages]),
            ("group", chunk.groups),
            ("dialect", hashes(list(self._dialects))[dialects]),
            ("logits", chunk.logits),
            ("embeddings", chunk.embeddings),
            ("cost_seconds", chunk.cost_seconds),
        ]
        self._digest.take(keys, columns)

    def _dialect_codes(self, chunk: Chunk) -> Ints:
        if not any(chunk.dialects):
            return np.zeros(len(chunk.ids), dtype=np.int64)
        codes = [self._dialects.setdefault(one, len(self._dialects)) for one in chunk.dialects]
        return np.array(codes, dtype=np.int64)

    def _type(self, chunk: Chunk) -> np.dtype[Any]:
        if self._row is None:
            numbers = [("id", "<i8"), ("key", "<u8"), ("group", "<u8"), ("equal", "<i8")]
            places = [("language", "<i4"), ("dialect", "<i4")]
            cost = [] if chunk.cost_seconds is None else [("cost", "<f8")]
            scores = [(name, "<f8") for name in self._scores]
            logits = [("logits", "<f8", (chunk.logits.shape[1],))]
            self._row = np.dtype([*numbers, *places, *cost, *scores, *logits])
        return self._row

    def _score(self, rows: Rows) -> None:
        probabilities = softmax(rows["logits"], temperature=self._temperatures[rows["language"]])
        noise = draw(rows["key"], seed=self.question.seed, purpose="noise")
        costs = rows["cost"] if "cost" in (rows.dtype.names or ()) else None
        for name in self._scores:
            rows[name] = score(name, probabilities, noise=noise, costs=costs)

    def _together(self, keepers: Iterable["_Keeper"]) -> Rows:
        """Return every row that somebody keeps, once, in order of language and key."""
        parts = [keeper.rows for keeper in keepers if keeper.rows is not None]
        if not parts:
            return np.zeros(0, dtype=self._row or _nothing(self._scores, self.question))
        rows = np.concatenate(parts)
        order = np.lexsort((rows["key"], rows["language"]))
        rows = np.asarray(rows[order])
        again = (np.diff(rows["key"]) == 0) & (np.diff(rows["language"]) == 0)
        return np.asarray(rows[np.r_[True, ~again]])

    def _drawn(self, rows: Rows, keepers: Sequence[Sequence["_Keeper"]]) -> npt.NDArray[np.bool_]:
        """Tell which rows a strategy may choose from that looks at embeddings of all."""
        mine = [
            keeper.rows["id"]
            for of_one in keepers
            for keeper in of_one
            if keeper.kept.purpose == "within" and keeper.rows is not None
        ]
        return np.isin(rows["id"], np.concatenate(mine)) if mine else np.ones(len(rows), np.bool_)

    def _members(self, rows: Rows, at: int) -> tuple[str, ...]:
        """Return the ids of the samples that one row stands for beside itself."""
        one = rows[at]
        if one["equal"] == 1:
            return ()
        found = [
            block["id"][
                (block["group"] == one["group"])
                & (block["language"] == one["language"])
                & (block["id"] != one["id"])
            ]
            for block in self._files.blocks_with(one)
        ]
        return tuple(sorted(map(str, np.concatenate(found).tolist())))


def measure_of(question: SelectionRequest) -> str:
    """Return by which score the texts of the request are compared with one another.

    >>> from learning.methods.requests import LanguageState
    >>> one = SelectionRequest((), [], (LanguageState("wo"),), ("x",), 1, 0, logits=[])
    >>> measure_of(replace(one, strategy="power:entropy")), measure_of(replace(one, strategy="badge"))
    ('power:entropy', 'margin')
    """
    name = question.strategy
    return name if not question.mix and is_score(name) else "margin"


def is_score(name: str) -> bool:
    """Tell whether a strategy can rank a sample by its own probabilities, and costs, alone."""
    *prefixes, last = name.split(":")
    return last in STRATEGIES and set(prefixes) <= {"power", "gumbel", "per_second"}


def score(
    name: str, probabilities: Floats, *, noise: Lots, costs: npt.NDArray[Any] | None
) -> npt.NDArray[np.float64]:
    """Return N scores from N x K probabilities, by the name of a strategy.

    >>> rows, noise = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([1, 2], np.uint64)
    >>> score("per_second:margin", rows, noise=noise, costs=np.array([2.0, 1.0])).tolist()
    [0.5, 0.0]
    """
    first, _, rest = name.partition(":")
    if not rest:
        return np.asarray(STRATEGIES[first](probabilities), dtype=np.float64)
    inner = score(rest, probabilities, noise=noise, costs=costs)
    if first == "per_second":
        if costs is None:
            raise ValueError(f"the strategy {name!r} needs cost_seconds: give the costs of answers")
        return information_per_cost(inner, costs=costs)
    return np.asarray((power if first == "power" else gumbel)(inner, lots=noise))


def _what_to_keep(question: SelectionRequest, *, within: int) -> list[_Kept]:
    """Return what any of the request's strategies may look at in one language.

    A language gets the whole batch at most, and whatever a strategy leaves free margin fills.
    """
    names, batch = sorted(question.mix) or [question.strategy], question.batch
    needs = {need for name in names for need in needs_of(name)}
    closer = "mc" in needs or any(name.startswith("two_stage") for name in names)
    wide = max(WIDTH * batch, LEAST)
    found = [_Kept("margin", "ties", wide if closer else batch), _Kept("", "audit", batch)]
    found += [_Kept(name, "ties", batch) for name in names if is_score(name) and name != "margin"]
    if "surprise" in needs:
        found.append(_Kept("", "look", wide))
    whole = [name for name in names if "embeddings" in needs_of(name)]
    if [name for name in whole if not name.startswith("two_stage")]:
        share = max(within // max(1, len(question.languages)), wide)
        found.append(_Kept("", "within", share))
    return found


def _nothing(scores: Sequence[str], question: SelectionRequest) -> np.dtype[Any]:
    numbers = [("id", "<i8"), ("key", "<u8"), ("group", "<u8"), ("equal", "<i8")]
    places = [("language", "<i4"), ("dialect", "<i4")]
    logits = [("logits", "<f8", (len(question.labels),))]
    return np.dtype([*numbers, *places, *[(name, "<f8") for name in scores], *logits])


def _collapsed(rows: Rows, *, seed: int) -> Rows:
    """Return one row a text, drawn by lot among its copies, in order of language."""
    drawn = draw(rows["key"], seed=seed, purpose="copies")
    order = np.lexsort((drawn, rows["group"], rows["language"]))
    rows = rows[order]
    fresh = (np.diff(rows["group"]) != 0) | (np.diff(rows["language"]) != 0)
    first = np.flatnonzero(np.r_[True, fresh]) if len(rows) else np.zeros(0, np.intp)
    found = rows[first]
    if len(first):
        found["equal"] = np.add.reduceat(rows["equal"], first)
    return found


class _Keeper:
    """The rows of one language that come first, so far."""

    def __init__(self, kept: _Kept, seed: int) -> None:
        self.kept, self.seed = kept, seed
        self.rows: Rows | None = None
        self._worst = -np.inf

    def offer(self, rows: Rows) -> None:
        """Take in what may belong to the first."""
        if self.kept.score:
            rows = rows[rows[self.kept.score] >= self._worst]
        if not len(rows) or not self.kept.count:
            return
        both = rows if self.rows is None else np.concatenate([self.rows, rows])
        lots = draw(both["key"], seed=self.seed, purpose=self.kept.purpose)
        ranks = [lots, -both[self.kept.score]] if self.kept.score else [lots]
        self.rows = both[np.lexsort(ranks)[: self.kept.count]]
        if self.kept.score and len(self.rows) == self.kept.count:
            self._worst = float(self.rows[self.kept.score][-1])


class _LeftOut:
    """What cannot be asked: some by name, the same ones in whatever order they came."""

    def __init__(self, seed: int) -> None:
        self.seed, self.unnamed = seed, 0
        self._ids: Ints = np.zeros(0, np.int64)
        self._keys: Lots = np.zeros(0, np.uint64)
        self._codes: npt.NDArray[np.int8] = np.zeros(0, np.int8)

    def take(self, ids: Ints, *, keys: Lots, codes: npt.NDArray[np.int8]) -> None:
        bad = codes != 0
        if not bad.any():
            return
        ids, keys = np.r_[self._ids, ids[bad]], np.r_[self._keys, keys[bad]]
        codes = np.r_[self._codes, codes[bad]]
        few = np.argsort(draw(keys, seed=self.seed, purpose="named"), kind="stable")[:NAMED]
        self.unnamed += len(ids) - len(few)
        self._ids, self._keys, self._codes = ids[few], keys[few], codes[few]

    def named(self) -> tuple[Rejected, ...]:
        pairs = zip(map(str, self._ids.tolist()), self._codes.tolist(), strict=True)
        return tuple(Rejected(name, REASONS[code]) for name, code in sorted(pairs))
