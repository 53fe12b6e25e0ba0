"""Every strategy by name: what it needs, that order cannot matter, and what its numbers mean."""

import json
from dataclasses import replace

import numpy as np
import pytest

from learning.methods.propensities import propensities
from learning.methods.requests import Doubtful, LanguageState, SelectionRequest
from learning.methods.selection import select
from learning.methods.strategies import (
    BATCHES,
    UNCERTAINTIES,
    by_largest_remainder,
    needs_of,
)
from tests.learning.pools_made import request, rich, shuffled

PREFIXED = (
    "power:margin",
    "gumbel:bald",
    "per_second:entropy",
    "power:per_second:margin",
    "anchors:margin",
    "anchors:badge",
)
EVERY = (*sorted(UNCERTAINTIES), *sorted(BATCHES), *PREFIXED)


@pytest.mark.parametrize("strategy", EVERY)
def test_whatever_the_strategy_order_changes_nothing_and_the_batch_is_full(strategy: str) -> None:
    one = rich(strategy=strategy, dup_group=tuple(f"g{i % 90}" for i in range(100)))
    first = select(one)
    assert len(first.items) == one.batch
    assert len({pick.item_id for pick in first.items}) == one.batch
    assert {pick.strategy for pick in first.items} <= {strategy, "random", "margin"}
    assert sum(pick.strategy == strategy for pick in first.items) >= 1
    for seed in range(2):
        other = shuffled(one, np.random.default_rng(seed).permutation(100))
        assert other.digest == one.digest
        assert select(other).as_text() == first.as_text()


def test_propensities_given_an_order_are_the_frequencies_of_the_audit() -> None:
    rng = np.random.default_rng(0)
    order, draws, audit, top = rng.permutation(40), 4_000, 4, 8
    seen = np.zeros(40)
    for _ in range(draws):
        audited = set(rng.choice(40, audit, replace=False).tolist())
        rest = [i for i in order[: audit + top].tolist() if i not in audited][:top]
        seen[list(audited) + rest] += 1
    told = np.empty(40)
    told[order] = propensities(np.arange(40.0)[::-1], audit=audit, top=top)
    error = np.sqrt(told * (1 - told) / draws)
    assert (np.abs(seen / draws - told) <= 4.5 * error + 1e-9).all()
    assert told.sum() == pytest.approx(audit + top)


@pytest.mark.parametrize("strategy", ["badge", "k_center", "random"])
def test_weighting_undoes_what_a_batch_strategy_prefers(strategy: str) -> None:
    one = rich({"wo": 120}, batch=40, strategy=strategy)
    value = np.linalg.norm(one.embeddings, axis=1).astype(float)
    weighted, plain = [], []
    for seed in range(150):
        picks = select(replace(one, seed=seed)).items
        mine = np.array([value[int(p.item_id[1:])] for p in picks])
        weighted.append((mine / [p.propensity for p in picks]).sum() / 120)
        plain.append(mine.mean())
    error = np.std(weighted) / np.sqrt(len(weighted))
    assert abs(np.mean(weighted) - value.mean()) < 4 * error
    if strategy == "k_center":
        assert np.mean(plain) > value.mean() + 0.1


def test_mixture_shares_the_places_and_names_who_chose() -> None:
    shares = {"margin": 0.5, "k_center": 0.3, "random": 0.2}
    batch = select(rich({"wo": 3_000}, batch=50, mix=shares))
    chosen = [pick.strategy for pick in batch.items if pick.slot != "audit"]
    counts = {name: chosen.count(name) for name in shares}
    assert len(chosen) == 45
    assert all(abs(counts[name] - share * 45) <= 2 for name, share in shares.items())
    assert batch.strategy == "mix"
    front = chosen[:10]
    assert {name: abs(front.count(name) - share * 10) <= 1 for name, share in shares.items()} == (
        dict.fromkeys(shares, True)
    )


def test_largest_remainder_gives_whole_places_that_add_up() -> None:
    for count in range(30):
        shares = {"a": 0.42, "b": 0.33, "c": 0.25}
        found = by_largest_remainder(shares, count=count)
        assert sum(found.values()) == count
        assert all(abs(found[name] - share * count) < 1 for name, share in shares.items())


@pytest.mark.parametrize("strategy", EVERY)
def test_strategy_that_lacks_something_says_what_to_give(strategy: str) -> None:
    needs = needs_of(strategy)
    plain = request(strategy=strategy)
    if not needs:
        assert len(select(plain).items) == 20
        return
    with pytest.raises(ValueError, match=f"needs {needs[0]}: give {needs[0]}"):
        select(plain)


@pytest.mark.parametrize("strategy", ["vibes", "power:", "power:badge", "margin:badge", "anchors"])
def test_strategy_that_does_not_exist_is_refused_by_name(strategy: str) -> None:
    with pytest.raises(ValueError, match=f"no strategy '{strategy}'; there are margin, "):
        select(rich(strategy=strategy))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mix": {"margin": 0.5, "random": 0.4}}, "sum to 1, not 0.9"),
        ({"mix": {"margin": 1.5, "random": -0.5}}, "above 0"),
        ({"mix": {"margin": 0.5, "vibes": 0.5}}, "no strategy 'vibes'"),
        ({"relabel_share": 0.6}, "relabel_share"),
        ({"near_duplicates": 1.5}, "near_duplicates is a cosine"),
        ({"near_duplicates": 0.9, "embeddings": None, "known_embeddings": None}, "fit|needs emb"),
        ({"relabel": (Doubtful("x", "zz", 1.0),)}, "names 'zz'"),
        ({"mc": np.ones((100, 5, 2))}, "mc"),
        ({"cost_seconds": np.ones(3)}, "cost_seconds"),
        ({"label_names": ("one",)}, "label names"),
    ],
)
def test_knob_that_cannot_be_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        select(rich(**change))


def test_two_stages_choose_among_the_least_certain_and_spread() -> None:
    one = rich({"wo": 2_000}, batch=20, strategy="two_stage")
    picks = [pick for pick in select(one).items if pick.slot != "audit"]
    margins = np.sort([pick.margin for pick in select(replace(one, batch=2_000)).items])
    assert max(pick.margin for pick in picks) <= margins[200]
    top = [pick for pick in select(replace(one, strategy="margin")).items if pick.slot != "audit"]
    assert np.mean([p.margin for p in picks]) > np.mean([p.margin for p in top])


def template_pool(**over: object) -> SelectionRequest:
    """200 texts, 40 of them distinct and the rest a hair's breadth beside; two were asked."""
    rng = np.random.default_rng(1)
    distinct = rng.standard_normal((40, 16))
    rows = distinct[np.arange(200) % 40]
    near = rows + 0.02 * rng.standard_normal((200, 16))
    return request(
        {"wo": 200},
        batch=60,
        embeddings=near.astype(np.float32),
        known_ids=("k0", "k1"),
        known_language=[0, 0],
        known_embeddings=distinct[:2].astype(np.float32),
        near_duplicates=0.995,
        **over,
    )


@pytest.mark.parametrize("strategy", ["margin", "two_stage", "k_center", "typiclust"])
def test_near_duplicates_are_asked_once_and_never_padded(strategy: str) -> None:
    one = template_pool(strategy=strategy)
    batch = select(one)
    texts = [int(pick.item_id[1:]) % 40 for pick in batch.items]
    assert len(texts) == len(set(texts)) == 38
    assert not {0, 1} & set(texts)
    assert (batch.shortfall, batch.shortfall_reasons) == (22, ("duplicates",))
    assert {rejected.reason for rejected in batch.rejected} == {"asked"}
    assert len(batch.rejected) == 10
    stands_for = [{int(n[1:]) % 40 for n in pick.duplicates} for pick in batch.items]
    assert stands_for == [{text} for text in texts]
    turn = np.random.default_rng(0).permutation(200)
    assert select(shuffled(one, turn)).as_text() == batch.as_text()


def test_near_and_equal_texts_are_joined_and_a_leased_one_spends_them_all() -> None:
    groups = tuple(f"g{min(i, 41)}" for i in range(200))
    one = template_pool(dup_group=groups, leased=frozenset({"s45"}))
    batch = select(one)
    reasons = {rejected.item_id: rejected.reason for rejected in batch.rejected}
    assert {reasons[f"s{i}"] for i in (5, 45, 85, 125, 165)} <= {"leased", "asked"}
    # All from 41 on are one text by group, and that text is every template by nearness.
    assert not batch.items
    assert len(batch.rejected) == 200


def test_embeddings_stay_what_they_are_and_survive_json(tmp_path) -> None:
    rows = np.random.default_rng(0).standard_normal((100, 8)).astype(np.float16)
    np.save(tmp_path / "e.npy", rows)
    mapped = np.load(tmp_path / "e.npy", mmap_mode="r")
    one = rich(embeddings=mapped, strategy="badge", dialect=("Saint-Louis",) * 100)
    assert one.embeddings.dtype == np.float16
    assert np.shares_memory(one.embeddings, mapped)
    assert (
        one.digest == rich(embeddings=rows, strategy="badge", dialect=("Saint-Louis",) * 100).digest
    )
    back = SelectionRequest.from_json(json.loads(json.dumps(one.as_json())))
    assert back.digest == one.digest
    assert select(back).as_text() == select(one).as_text()
    assert "wo (Saint-Louis) quota" in select(one).as_text()


@pytest.mark.parametrize(
    "change",
    [
        {"mc": np.full((100, 5, 3), 1 / 3)},
        {"cost_seconds": np.ones(100)},
        {"given": np.ones(100)},
        {"mix": {"margin": 0.5, "badge": 0.5}},
        {"dialect": ("x",) * 100},
        {"embeddings": np.ones((100, 8), np.float32)},
        {"embeddings": np.ones((100, 8), np.float16)},
        {"known_labels": np.zeros(12, int)},
        {"known_probabilities": np.full((12, 3), 1 / 3)},
        {"near_duplicates": 0.99},
        {"relabel": (Doubtful("x", "wo", 1.0),)},
        {"relabel_share": 0.1},
        {"label_names": ("A", "B", "C")},
        {"languages": (LanguageState("wo", limit=3), LanguageState("qu"))},
        {"languages": (LanguageState("wo", name="Wolof"), LanguageState("qu"))},
    ],
)
def test_digest_moves_with_all_that_was_added(change: dict[str, object]) -> None:
    assert rich(**change).digest != rich().digest


def test_what_is_asked_again_has_its_own_share_and_the_most_doubtful_go_first() -> None:
    doubts = tuple(Doubtful(f"old{i}", "wo", i / 50, "admin", "dates") for i in range(50))
    batch = select(
        request(
            {"wo": 300, "qu": 300},
            batch=80,
            relabel=doubts,
            relabel_share=0.2,
            label_names=("Admission", "Accounts", "Dates"),
        )
    )
    again = [pick for pick in batch.items if pick.slot == "relabel"]
    assert {pick.item_id for pick in again} == {f"old{i}" for i in range(42, 50)}
    assert {outcome.language: outcome.relabel for outcome in batch.languages} == {"wo": 8, "qu": 0}
    assert {outcome.language: outcome.got for outcome in batch.languages} == {"wo": 40, "qu": 40}
    assert "doubt between Admission and Dates" in again[0].rationale
    assert sum(pick.slot == "audit" for pick in batch.items if pick.language == "wo") == 4
    wolof = [pick.rank for pick in batch.items if pick.language == "wo"]
    assert wolof == list(range(1, 41))


def test_rationale_names_language_labels_and_distance() -> None:
    rows = np.random.default_rng(0).standard_normal((60, 8))
    known = rows[:20] + 0.01
    one = request(
        {"bug": 60},
        embeddings=rows,
        known_ids=tuple(f"k{i}" for i in range(20)),
        known_language=[0] * 20,
        known_embeddings=known,
        languages=(LanguageState("bug", name="Buginese"),),
        label_names=("Admission", "Accounts", "Dates"),
        batch=40,
    )
    picks = [pick for pick in select(one).items if pick.slot != "audit"]
    near = [pick for pick in picks if int(pick.item_id[1:]) < 20]
    assert near
    for pick in near:
        assert pick.nearest_id == f"k{pick.item_id[1:]}"
        assert pick.rationale.endswith("close to what was asked so far.")
    assert picks[0].rationale.startswith(f"Buginese quota {picks[0].rank} of 40; torn between A")


def test_cost_is_weighed_where_it_is_asked_for() -> None:
    one = rich({"wo": 400}, batch=40)
    cost = {name: one.cost_seconds[i] for i, name in enumerate(one.item_ids)}

    def mean(strategy: str) -> float:
        picks = select(replace(one, strategy=strategy)).items
        return float(np.mean([cost[p.item_id] for p in picks if p.slot != "audit"]))

    assert mean("per_second:margin") < 0.7 * mean("margin")
