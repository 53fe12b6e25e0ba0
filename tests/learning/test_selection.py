"""Selection, tried on pools that are dirty, repetitive, over-confident or empty."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.methods.acquisition import STRATEGIES
from learning.methods.batches import SelectionBatch
from learning.methods.probabilities import softmax
from learning.methods.propensities import propensities
from learning.methods.quotas import QuotaPolicy
from learning.methods.requests import LanguageState, SelectionRequest
from learning.methods.selection import select
from tests.cases import cases
from tests.learning.pools_made import request, rich, shuffled


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_order_of_the_input_changes_nothing(strategy: str) -> None:
    groups = tuple(f"g{i % 70}" for i in range(100))
    logits = np.round(np.random.default_rng(0).standard_normal((100, 3)))
    one = request(strategy=strategy, dup_group=groups, logits=logits)
    first = select(one)
    for seed in range(5):
        other = shuffled(one, np.random.default_rng(seed).permutation(100))
        assert other.digest == one.digest
        assert select(other).as_text() == first.as_text()


def test_batch_and_request_survive_json_byte_for_byte() -> None:
    one = request(logits=np.r_[request().logits[:-1], [[np.inf, np.nan, 0]]])
    back = SelectionRequest.from_json(json.loads(json.dumps(one.as_json())))
    batch = select(back)
    assert back.digest == one.digest
    assert batch.as_text() == select(one).as_text()
    assert SelectionBatch.from_text(batch.as_text()) == batch


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"batch": 21},
        {"strategy": "entropy"},
        {"leased": frozenset({"s1"})},
        {"model_version": "other"},
        {"quota": QuotaPolicy(floor=1)},
        {"languages": (LanguageState("wo", debt=0.5), LanguageState("qu"))},
        {"dup_group": ("same",) * 100},
    ],
)
def test_digest_moves_with_all_that_matters(change: dict[str, Any]) -> None:
    assert replace(request(), **change).digest != request().digest


def test_margin_asks_the_least_certain_first() -> None:
    one = request({"wo": 200}, batch=40)
    margins = np.sort(np.sort(softmax(one.logits), axis=1) @ np.array([0, -1, 1]))
    asked = [pick.margin for pick in select(one).items if pick.slot != "audit"]
    assert asked == sorted(asked)
    assert len(asked) == 36
    assert max(asked) <= margins[39] + 1e-12


def test_strategies_agree_with_their_formulas() -> None:
    p = softmax(np.random.default_rng(1).standard_normal((50, 4)))
    ordered = np.sort(p, axis=1)
    assert np.allclose(STRATEGIES["margin"](p), 1 - (ordered[:, -1] - ordered[:, -2]))
    assert np.allclose(STRATEGIES["least_confidence"](p), 1 - ordered[:, -1])
    assert np.allclose(STRATEGIES["entropy"](p), -(p * np.log(p)).sum(1))


def test_template_pool_is_asked_once_a_text_and_never_padded() -> None:
    texts = tuple(f"text{i % 40}" for i in range(200))
    one = request(
        {"wo": 200},
        batch=60,
        dup_group=texts,
        languages=(LanguageState("wo", asked=frozenset({"text0", "text1"})),),
    )
    batch = select(one)
    by_id = dict(zip(one.item_ids, texts, strict=True))
    assert len({by_id[pick.item_id] for pick in batch.items}) == len(batch.items) == 38
    assert (batch.shortfall, batch.shortfall_reasons) == (22, ("duplicates",))
    assert all(len(pick.duplicates) == 4 for pick in batch.items)
    named = {name for pick in batch.items for name in (pick.item_id, *pick.duplicates)}
    assert len(named) == 190
    assert [r.reason for r in batch.rejected] == ["asked"] * 10


def test_copies_in_two_languages_are_two_questions() -> None:
    one = request({"wo": 1, "qu": 1}, batch=2, dup_group=("ok", "ok"))
    assert len(select(one).items) == 2


def test_over_confident_language_neither_gains_nor_loses_a_place() -> None:
    one = request({"wo": 300, "qu": 200, "ace": 100}, batch=60)
    loud = one.logits.copy()
    loud[300:500] *= 3
    calm = replace(
        one,
        logits=loud,
        languages=(one.languages[0], LanguageState("qu", temperature=3.0), one.languages[2]),
    )
    before, after, honest = select(one), select(replace(one, logits=loud)), select(calm)
    assert [x.got for x in before.languages] == [x.got for x in after.languages]
    assert [x.item_id for x in honest.items] == [x.item_id for x in before.items]


def test_dirty_rows_are_named_and_the_good_ones_served() -> None:
    p = softmax(request().logits)
    p[3], p[4], p[5] = [np.nan, 0.5, 0.5], [np.inf, 0, 0], [0.5, 0.5, 0.5]
    p[6] = [-0.5, 1.0, 0.5]
    embeddings = np.ones((100, 4))
    embeddings[7], embeddings[8, 0] = 0, np.nan
    one = request(
        logits=None,
        probabilities=p,
        embeddings=embeddings,
        leased=frozenset({"s9"}),
        batch=500,
    )
    batch = select(one)
    assert {r.item_id: r.reason for r in batch.rejected} == {
        "s3": "nan",
        "s4": "inf",
        "s5": "bad_sum",
        "s6": "bad_sum",
        "s7": "zero_vector",
        "s8": "nan",
        "s9": "leased",
    }
    assert len(batch.items) == 93
    assert (batch.shortfall, batch.shortfall_reasons) == (407, ("pool",))


def test_dirty_opinions_costs_and_numbers_of_ones_own_are_named_too() -> None:
    one = rich()
    mc, cost, given = one.mc.copy(), one.cost_seconds.copy(), one.given.copy()
    mc[3, 2, 1], cost[4], cost[5], given[6], cost[7] = np.nan, np.inf, 0, np.nan, -3
    batch = select(replace(one, mc=mc, cost_seconds=cost, given=given, batch=200))
    assert {r.item_id: r.reason for r in batch.rejected} == {
        "s3": "nan",
        "s4": "inf",
        "s5": "bad_cost",
        "s6": "nan",
        "s7": "bad_cost",
    }
    assert len(batch.items) == 95


def test_copy_of_a_leased_text_is_not_asked_either() -> None:
    one = request({"wo": 4}, batch=4, dup_group=("a", "a", "b", "c"), leased=frozenset({"s0"}))
    batch = select(one)
    assert {pick.item_id for pick in batch.items} == {"s2", "s3"}
    assert {r.item_id for r in batch.rejected} == {"s0", "s1"}


def test_empty_language_one_label_and_empty_pool_are_served() -> None:
    one = request({"wo": 0, "qu": 5}, batch=4, labels=("only",), logits=np.zeros((5, 1)))
    batch = select(one)
    assert len(batch.items) == 4
    assert {pick.margin for pick in batch.items} == {1.0}
    assert {x.language: x.capped_by for x in batch.languages} == {"qu": "", "wo": "pool"}
    nothing = select(request({"wo": 0}, batch=4, logits=np.zeros((0, 3))))
    assert (nothing.items, nothing.shortfall, nothing.shortfall_reasons) == ((), 4, ("pool",))
    assert select(request({}, batch=3, logits=[])).shortfall_reasons == ("no language",)


def test_nearest_known_sample_is_of_the_same_language() -> None:
    rng = np.random.default_rng(5)
    one = request(
        embeddings=rng.standard_normal((100, 6)),
        known_ids=("k0", "k1", "k2"),
        known_language=[0, 0, 1],
        known_embeddings=rng.standard_normal((3, 6)),
    )
    for pick in select(one).items:
        assert (pick.nearest_id == "k2") == (pick.language == "qu")
        assert pick.nearest_distance is not None
        assert 0 <= pick.nearest_distance <= 2


def test_every_language_gets_its_audit_arm_and_every_pick_its_reason() -> None:
    batch = select(request(batch=40, quota=QuotaPolicy(floor=4)))
    for tag in ("wo", "qu"):
        mine = [pick for pick in batch.items if pick.language == tag]
        assert sum(pick.slot == "audit" for pick in mine) == 2
        assert sum(pick.slot == "floor" for pick in mine) == 4
        assert [pick.rank for pick in mine] == list(range(1, 21))
    for pick in batch.items:
        assert 0 < len(pick.rationale) <= 300
        assert pick.best_label != pick.second_label
        assert 0 <= pick.percentile < 1


@pytest.mark.parametrize("strategy", ["margin", "random"])
def test_propensities_are_the_frequencies_over_seeds(strategy: str) -> None:
    logits = np.random.default_rng(2).standard_normal((30, 3))
    logits[5:12] = logits[5]
    draws = 1500
    seen, told = np.zeros(30), np.full(30, np.nan)
    for seed in range(draws):
        one = request(
            {"wo": 30},
            batch=12,
            seed=seed,
            logits=logits,
            strategy=strategy,
            quota=QuotaPolicy(audit_share=0.25),
        )
        for pick in select(one).items:
            seen[int(pick.item_id[1:])] += 1
            told[int(pick.item_id[1:])] = pick.propensity
    rate = seen / draws
    error = np.sqrt(told * (1 - told) / draws)
    assert not np.isnan(told).any()
    assert (np.abs(rate - told) <= 4.5 * error + 1e-9).all()


def test_weighting_by_propensity_undoes_the_bias_of_the_queue() -> None:
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((120, 3)) * 2
    value = softmax(logits).max(axis=1)
    weighted, plain = [], []
    for seed in range(500):
        picks = select(request({"wo": 120}, batch=30, seed=seed, logits=logits)).items
        mine = np.array([value[int(p.item_id[1:])] for p in picks])
        chance = np.array([p.propensity for p in picks])
        weighted.append((mine / chance).sum() / 120)
        plain.append(mine.mean())
    error = np.std(weighted) / np.sqrt(len(weighted))
    assert abs(np.mean(weighted) - value.mean()) < 4 * error
    assert np.mean(plain) < value.mean() - 0.1


@given(
    count=st.integers(1, 60), audit=st.integers(0, 20), top=st.integers(0, 50), ties=st.booleans()
)
@settings(max_examples=cases(150), deadline=None)
def test_propensities_sum_to_the_size_of_the_batch(
    count: int, audit: int, top: int, ties: bool
) -> None:
    values = np.sort(np.random.default_rng(count).random(count).round(1 if ties else 9))[::-1]
    chance = propensities(values, audit=audit, top=top)
    audit = min(audit, count)
    assert chance.sum() == pytest.approx(min(count, audit + top))
    assert (np.diff(chance) <= 1e-9).all()
    assert (chance > 0).all() or not audit


@given(data=st.data())
@settings(max_examples=cases(150), deadline=None)
def test_whatever_the_pool_no_text_is_asked_twice(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 40))
    tags = data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True))
    numbers = st.sampled_from([0.0, 0.5, 1.0, np.nan, np.inf, 3.0])
    one = SelectionRequest(
        item_ids=tuple(f"i{n}" for n in range(count)),
        language=np.array(
            data.draw(st.lists(st.integers(0, len(tags) - 1), min_size=count, max_size=count)),
            dtype=int,
        ),
        languages=tuple(
            LanguageState(tag, capacity=data.draw(st.none() | st.integers(0, 5))) for tag in tags
        ),
        labels=("x", "y"),
        logits=np.array(
            data.draw(st.lists(numbers, min_size=2 * count, max_size=2 * count))
        ).reshape(-1, 2),
        dup_group=tuple(
            data.draw(st.lists(st.sampled_from("pqrstuv"), min_size=count, max_size=count))
        ),
        leased=frozenset(data.draw(st.sets(st.integers(0, 40).map(lambda n: f"i{n}"), max_size=5))),
        batch=data.draw(st.integers(0, 50)),
        seed=data.draw(st.integers(0, 9)),
        strategy=data.draw(st.sampled_from(sorted(STRATEGIES))),
        quota=QuotaPolicy(floor=data.draw(st.integers(0, 3))),
    )
    batch = select(one)
    home = {
        n: (int(h), g) for n, h, g in zip(one.item_ids, one.language, one.dup_group, strict=True)
    }
    asked = [home[pick.item_id] for pick in batch.items]
    named = [n for pick in batch.items for n in (pick.item_id, *pick.duplicates)]
    lost = {r.item_id for r in batch.rejected}
    assert len(set(asked)) == len(asked)
    assert not lost & set(named)
    assert not one.leased & set(named)
    assert len(batch.items) + batch.shortfall == one.batch
    assert sum(outcome.got for outcome in batch.languages) == len(batch.items)
    assert len(lost) + sum(outcome.samples for outcome in batch.languages) == count
    assert SelectionBatch.from_text(batch.as_text()) == batch


@pytest.mark.parametrize(
    "change",
    [
        {"item_ids": ("a",) * 100},
        {"labels": ("x", "y")},
        {"language": np.full(100, 2)},
        {"probabilities": np.ones((100, 3))},
        {"dup_group": ("a",)},
        {"batch": -1},
        {"labels": ()},
    ],
)
def test_request_that_does_not_fit_together_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"give either|does not fit"):
        replace(request(), **change)


def test_unknown_strategy_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no strategy 'vibes'"):
        select(request(strategy="vibes"))
