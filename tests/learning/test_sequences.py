"""Sentences with a label a token: no length bias, and no budget that is overspent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.methods.disagreement import bald
from learning.methods.sequences import mnlp, mnlp_of, token_bald, within_budget


def sentences(count: int = 30, *, classes: int = 5, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.dirichlet([0.4] * classes, size=rng.integers(1, 25)) for _ in range(count)]


def told(rows: list[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    return np.concatenate(rows), [len(row) for row in rows]


def test_mnlp_is_the_mean_log_probability_of_the_best_labels() -> None:
    rows = sentences()
    flat, lengths = told(rows)
    expected = [-np.mean(np.log(row.max(axis=1))) for row in rows]
    assert np.allclose(mnlp(flat, lengths=lengths), expected, atol=1e-12)
    best = np.log(flat.max(axis=1))
    assert np.allclose(mnlp_of(best, lengths=lengths), expected, atol=1e-12)


def test_twice_the_sentence_is_not_asked_sooner() -> None:
    rows = sentences()
    longer = [*rows, *(np.concatenate([row, row]) for row in rows)]
    flat, lengths = told(longer)
    mc = np.random.default_rng(1).dirichlet([1.0] * 3, size=(sum(len(r) for r in rows), 4))
    split = np.split(mc, np.cumsum([len(r) for r in rows])[:-1])
    twice = np.concatenate([*split, *(np.concatenate([part, part]) for part in split)])
    for found in (mnlp(flat, lengths=lengths), token_bald(twice, lengths=lengths)):
        assert np.allclose(found[:30], found[30:], atol=1e-12)
        assert (np.argsort(-found[:30]) == np.argsort(-found[30:])).all()


def test_token_bald_is_the_mean_over_the_sentence_and_empty_ones_are_last() -> None:
    mc = np.random.default_rng(2).dirichlet([1.0] * 3, size=(9, 4))
    found = token_bald(mc, lengths=[4, 0, 5, 0])
    each = bald(mc)
    assert np.allclose(found, [each[:4].mean(), 0, each[4:].mean(), 0])
    assert mnlp(np.zeros((0, 3)), lengths=[0, 0]).tolist() == [0, 0]


@given(data=st.data(), per_cost=st.booleans())
@settings(max_examples=150, deadline=None)
def test_budget_is_never_overspent_and_nothing_that_fits_is_left(
    data: st.DataObject, per_cost: bool
) -> None:
    count = data.draw(st.integers(0, 25))
    costs = np.array(data.draw(st.lists(st.integers(1, 40), min_size=count, max_size=count)), float)
    scores = np.array(data.draw(st.lists(st.floats(0, 5), min_size=count, max_size=count)))
    budget = data.draw(st.integers(0, 120))
    picks = within_budget(scores, costs=costs, budget=budget, per_cost=per_cost)
    spent = costs[picks].sum()
    rest = np.setdiff1d(np.arange(count), picks)
    assert spent <= budget
    assert len(set(picks.tolist())) == len(picks)
    assert not (costs[rest] <= budget - spent).any()


def test_information_per_second_beats_plain_bald_where_costs_differ_tenfold() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        scores = bald(rng.dirichlet([0.5] * 3, size=(200, 5)))
        costs = np.exp(rng.uniform(0, np.log(10), 200))
        plain = within_budget(scores, costs=costs, budget=60)
        aware = within_budget(scores, costs=costs, budget=60, per_cost=True)
        assert scores[aware].sum() > scores[plain].sum()


def test_one_sample_worth_more_than_all_cheap_ones_is_not_missed() -> None:
    picks = within_budget([1.0, 50.0], costs=[1.0, 100.0], budget=100, per_cost=True)
    assert picks.tolist() == [1]


def test_order_of_the_input_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    scores, costs = rng.integers(0, 4, 40) / 4, rng.integers(1, 4, 40)
    lots = rng.permutation(40).astype(np.uint64)
    for per_cost in (False, True):
        first = within_budget(scores, costs=costs, budget=20, lots=lots, per_cost=per_cost)
        turn = rng.permutation(40)
        other = within_budget(
            scores[turn], costs=costs[turn], budget=20, lots=lots[turn], per_cost=per_cost
        )
        assert turn[other].tolist() == first.tolist()


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="make 3 tokens, but there are 4"):
        mnlp(np.ones((4, 2)) / 2, lengths=[1, 2])
    with pytest.raises(ValueError, match="more than 0"):
        within_budget([1.0], costs=[0.0], budget=3)
    with pytest.raises(ValueError, match="needs a cost"):
        within_budget([1.0, 2.0], costs=[1.0], budget=3)
