"""A pool that streams gives the batch of the pool in memory, byte for byte, and stays small."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from learning.methods import sieve as sieving
from learning.methods import spills
from learning.methods.lots import hashes
from learning.methods.requests import LanguageState, SelectionRequest
from learning.methods.selection import select
from learning.methods.sieve import Chunk, Sieve

LABELS = tuple(f"label{k}" for k in range(9))
STRATEGIES = (
    "margin",
    "random",
    "entropy",
    "power:least_confidence",
    "gumbel:margin",
    "per_second:entropy",
    "two_stage",
    "two_stage:k_center",
    "badge",
    "typiclust",
    "prob_cover",
    "contrastive",
    "anchors:badge",
)


def whole(sizes: tuple[int, ...] = (700, 90, 0), **over: Any) -> SelectionRequest:
    """A pool with copies, ties, dialects, asked texts and faulty rows, all of it in memory."""
    rng = np.random.default_rng(11)
    language = np.repeat(np.arange(len(sizes)), sizes)
    count = len(language)
    groups = [f"t{g}" for g in rng.integers(0, max(1, int(count * 0.8)), count)]
    logits = (rng.standard_normal((count, 9)) * 2).round(1)
    logits[3], logits[4], logits[700] = np.nan, np.inf, np.nan
    embeddings = rng.standard_normal((count, 6)).astype(np.float16)
    embeddings[7] = 0
    states = [
        LanguageState(f"x-{at}", temperature=1 + at / 3, name=f"Tongue {at}", asked=frozenset())
        for at in range(len(sizes))
    ]
    states[0] = replace(states[0], asked=frozenset(groups[:5]), debt=0.4)
    known = rng.integers(0, 2, 20)
    fields = {
        "item_ids": tuple(map(str, rng.permutation(10_000)[:count].tolist())),
        "language": language,
        "languages": tuple(states),
        "labels": LABELS,
        "batch": 30,
        "seed": 5,
        "logits": logits,
        "dup_group": tuple(groups),
        "dialect": tuple(rng.choice(["", "north", "south"], count).tolist()),
        "embeddings": embeddings,
        "cost_seconds": rng.integers(1, 9, count) * 1.5,
        "known_ids": tuple(f"k{at}" for at in range(20)),
        "known_language": known,
        "known_embeddings": rng.standard_normal((20, 6)).astype(np.float16),
        "known_labels": rng.integers(-1, 9, 20),
        "known_probabilities": rng.dirichlet([0.5] * 9, 20),
    } | over
    return SelectionRequest(**fields)


def plain(**over: Any) -> SelectionRequest:
    """The same pool with nothing dear."""
    known = ("embeddings", "language", "labels", "probabilities")
    none = dict.fromkeys(("embeddings", "cost_seconds", *(f"known_{name}" for name in known)))
    return whole(**(none | {"known_ids": ()} | over))


def sieved(
    one: SelectionRequest, *, size: int, order: np.ndarray | None = None, **over: Any
) -> SelectionRequest:
    """The same pool in chunks of some size, in some order; only what was kept has embeddings."""
    rest = ("item_ids", "dup_group", "dialect")
    question = replace(
        one,
        **dict.fromkeys(rest, ()),
        language=one.language[:0],
        logits=one.logits[:0],
        embeddings=None,
        known_embeddings=None,
        cost_seconds=None,
        known_ids=(),
        known_language=None,
        known_labels=None,
        known_probabilities=None,
    )
    ids = np.array(one.item_ids, dtype=np.int64)
    order = np.arange(len(ids)) if order is None else order
    sieve = Sieve(question, **{"expected": len(ids)} | over)
    for start in range(0, len(ids), size):
        at = order[start : start + size]
        sieve.take(
            Chunk(
                ids[at],
                one.language[at],
                hashes([one.dup_group[i] for i in at]),
                one.logits[at],
                dialects=[one.dialect[i] for i in at] if one.dialect else (),
                embeddings=None if one.embeddings is None else one.embeddings[at],
                cost_seconds=None if one.cost_seconds is None else one.cost_seconds[at],
            )
        )
    found = sieve.request()
    place = {name: at for at, name in enumerate(one.item_ids)}
    kept = [place[name] for name in found.item_ids]
    known = {
        name: getattr(one, name) for name in one.__dataclass_fields__ if name.startswith("known")
    }
    points = None if one.embeddings is None else one.embeddings[kept]
    return replace(found, embeddings=points, **known)


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spills, "FILE", 60)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_streamed_pool_gives_the_batch_of_the_pool_in_memory(strategy: str) -> None:
    one = whole(strategy=strategy)
    batch = select(one)
    assert len(batch.items) == 30
    order = np.random.default_rng(1).permutation(len(one.item_ids))
    for size, turned in ((1 if strategy == "entropy" else 97, order), (10_000, None)):
        found = sieved(one, size=size, order=turned)
        assert found.digest == one.digest
        assert select(found).as_text() == batch.as_text()


def test_a_mixture_and_a_pool_without_anything_dear_stream_as_well() -> None:
    shares = {"margin": 0.4, "power:entropy": 0.3, "two_stage": 0.2, "random": 0.1}
    for one in (whole(mix=shares), plain(dialect=())):
        assert select(sieved(one, size=50)).as_text() == select(one).as_text()


def test_most_of_a_large_pool_is_not_kept_and_copies_are_found_again() -> None:
    rng = np.random.default_rng(2)
    one = plain(
        sizes=(9_000, 900),
        batch=8,
        dup_group=tuple(f"t{g}" for g in rng.integers(0, 400, 9_900)),
    )
    found = sieved(one, size=1_000)
    assert len(found.item_ids) <= 2 * (8 + 8)
    batch = select(found)
    assert batch.as_text() == select(one).as_text()
    assert all(len(pick.duplicates) > 5 for pick in batch.items if pick.language == "x-0")


def test_a_shortlist_of_a_streamed_pool_is_that_of_the_pool_in_memory() -> None:
    from learning.methods.shortlist import shortlist

    for strategy, by in (("bald", "margin"), ("alps", "lot")):
        one = plain(sizes=(9_000, 900), strategy=strategy, batch=12)
        found = sieved(one, size=2_000)
        assert len(found.item_ids) < 900
        assert shortlist(found, by=by) == shortlist(one, by=by)


def test_a_strategy_on_all_embeddings_looks_at_a_uniform_part_of_a_pool_that_is_too_large() -> None:
    one = whole(sizes=(4_000, 100), strategy="contrastive", batch=10)
    found = sieved(one, size=500, within=800)
    drawn = int(found.sieved.drawn.sum())
    assert 400 <= drawn <= 500
    batch = select(found)
    assert len(batch.items) == 10
    texts = {row.language: row.texts for row in batch.languages}
    assert texts == {row.language: row.texts for row in select(one).languages}
    audit = {pick.item_id: pick for pick in batch.items if pick.slot == "audit"}
    assert set(audit) == {p.item_id for p in select(one).items if p.slot == "audit"}
    assert all(0 < pick.propensity <= 1 for pick in batch.items)


def test_what_is_left_out_is_named_and_beyond_a_bound_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = plain()
    named = select(one).rejected
    assert {row.reason for row in named} == {"nan", "inf", "asked"}
    assert select(sieved(one, size=50)).rejected == named
    monkeypatch.setattr(sieving, "NAMED", 3)
    order = np.random.default_rng(3).permutation(len(one.item_ids))
    few, turned = sieved(one, size=50).sieved, sieved(one, size=70, order=order).sieved
    assert len(few.rejected) == 3
    assert few.unnamed == len(named) - 3
    assert (few.rejected, few.unnamed) == (turned.rejected, turned.unnamed)


def test_faulty_opinions_of_a_kept_text_are_named_and_its_text_no_longer_counts() -> None:
    one = plain(strategy="bald")
    found = sieved(one, size=100)
    opinions = np.random.default_rng(0).dirichlet([0.5] * 9, (40, 4))
    opinions[2] = np.nan
    ids = found.item_ids[:40]
    batch = select(replace(found, mc=opinions, mc_ids=ids))
    assert (ids[2], "nan") in {(row.item_id, row.reason) for row in batch.rejected}
    before = {
        row.language: row.texts for row in select(replace(found, strategy="margin")).languages
    }
    assert sum(row.texts for row in batch.languages) == sum(before.values()) - 1


@pytest.mark.parametrize("sizes", [(0, 0), (3, 0), (1, 1)])
def test_a_pool_of_next_to_nothing_streams(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    count = sum(sizes)
    one = SelectionRequest(
        item_ids=tuple(map(str, range(count))),
        language=np.repeat(np.arange(2), sizes),
        languages=(LanguageState("wo"), LanguageState("qu")),
        labels=("only",),
        batch=5,
        seed=1,
        logits=rng.standard_normal((count, 1)),
        dup_group=tuple(map(str, range(count))),
    )
    batch = select(sieved(one, size=2))
    same = replace(batch, request_digest=select(one).request_digest) if not count else batch
    assert same.as_text() == select(one).as_text()
    assert batch.shortfall == 5 - count


def test_a_sieved_request_is_not_taken_for_the_whole_pool() -> None:
    with pytest.raises(ValueError, match="not all of its pool"):
        sieved(whole(), size=100).as_json()
