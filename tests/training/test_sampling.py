"""The plan: a pure function of seed, data and step, and fair to small languages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.methods.sampling import Described, balance, loss_weights, make_plan, unimax


def described(*, sizes, fresh=(), labels=3):
    """Rows of languages 0, 1, … with those sizes; ``fresh`` rows of language 0 come first."""
    languages = np.concatenate([np.full(size, k) for k, size in enumerate(sizes)])
    marks = np.zeros(len(languages), bool)
    marks[: sum(fresh)] = True
    return Described(languages, np.arange(len(languages)) % labels, marks)


def plan(rows, **over):
    return make_plan(rows, **({"seed": 1, "batch": 32, "epochs": 4, "repeats": 4} | over))


def test_small_language_gets_its_share_and_is_not_worn_out():
    rows = described(sizes=(10_000 + 800, 50), fresh=(800,))
    made = plan(rows)
    drawn = made.rows[~rows.fresh[made.rows]]
    of_small = drawn[rows.languages[drawn] == 1]
    assert len(of_small) == 4 * 50
    assert np.bincount(of_small).max() == 4
    assert len(drawn) == len(made.rows) - len(drawn) == 4 * 800


def test_each_step_holds_its_share_of_fresh_rows_and_of_every_language():
    rows = described(sizes=(1500, 500, 500), fresh=(500,))
    made = plan(rows)
    for step in range(made.steps - 1):
        batch = made.step(step)
        assert abs(rows.fresh[batch].sum() - 16) <= 3
        store = batch[~rows.fresh[batch]]
        assert all(abs((rows.languages[store] == k).sum() - 16 / 3) <= 4 for k in range(3))


def test_labels_are_balanced_inside_a_language():
    labels = np.array([0] * 900 + [1] * 100)
    fresh = np.zeros(1000, bool)
    fresh[::5] = True
    rows = Described(np.zeros(1000, np.int64), labels, fresh)
    made = plan(rows, epochs=1)
    store = made.rows[~rows.fresh[made.rows]]
    assert np.bincount(labels[store]).tolist() == [100, 100]


def test_every_fresh_row_is_seen_as_often_as_asked():
    rows = described(sizes=(100, 30), fresh=(37,))
    made = plan(rows, epochs=3)
    assert np.bincount(made.rows, minlength=130)[:37].tolist() == [3] * 37


def test_without_fresh_rows_the_store_is_learned():
    made = plan(described(sizes=(40, 20)), epochs=1)
    assert len(made.rows) == 60


def test_plan_is_a_function_of_its_seed():
    rows = described(sizes=(200, 30), fresh=(50,))
    assert plan(rows).digest == plan(rows).digest != plan(rows, seed=2).digest


@given(st.integers(0, 500), st.dictionaries(st.integers(0, 5), st.integers(1, 60)))
def test_unimax_spends_what_it_can_and_repeats_nobody_too_often(budget, sizes):
    shares = unimax(budget, sizes=sizes, repeats=4)
    assert sum(shares.values()) == min(budget, 4 * sum(sizes.values()))
    assert all(0 <= share <= 4 * sizes[key] for key, share in shares.items())
    free = [share for key, share in shares.items() if share < 4 * sizes[key]]
    assert not free or max(free) - min(free) <= 1


@given(st.integers(1, 40), st.integers(0, 60), st.integers(1, 50), st.integers(0, 9))
def test_steps_cover_the_plan_exactly(fresh, store, batch, seed):
    rows = described(sizes=(fresh, store), fresh=(fresh,))
    made = make_plan(rows, seed=seed, batch=batch, epochs=2, repeats=3)
    together = [row for step in range(made.steps) for row in made.step(step)]
    assert together == made.rows.tolist()
    assert len(made.step(made.steps)) == 0


def test_balanced_labels_weigh_alike_by_what_was_said_and_how_surely():
    rng = np.random.default_rng(2)
    targets = rng.dirichlet((9.0, 3.0, 2.0), size=400)
    weights = rng.uniform(0.2, 1.0, size=400)
    raised = balance(np.eye(3)[targets.argmax(axis=1)], weights, most=100.0)
    mass = (weights * raised) @ np.eye(3)[targets.argmax(axis=1)]
    np.testing.assert_allclose(mass, mass.mean())


def test_label_that_nobody_gave_is_not_made_up_from_doubt():
    targets = np.tile([0.5, 0.499, 0.001], (100, 1))
    raised = balance(targets, np.ones(100), most=4.0)
    assert (raised < 1.0).all()


def test_balance_of_one_or_of_nothing_changes_nothing():
    targets = np.eye(3)[[0, 0, 1, 2]]
    assert balance(targets, np.ones(4), most=1.0).tolist() == [1.0] * 4
    assert np.isfinite(balance(targets, np.zeros(4), most=4.0)).all()


HALVES = st.dictionaries(st.integers(0, 6), st.integers(1, 60), min_size=1)


@given(HALVES, HALVES, st.integers(0, 9), st.integers(1, 40))
def test_every_stretch_holds_what_is_due_to_each_language(fresh, store, seed, stretch):
    made = make_plan(drawn_up(fresh, store), seed=seed, batch=8, epochs=2, repeats=3)
    told = made.usual.described
    for half in (told.fresh, ~told.fresh):
        drawn = told.languages[made.rows[half[made.rows]]]
        counts = np.bincount(drawn, minlength=7)
        for start in range(0, len(drawn) - stretch, stretch):
            window = np.bincount(drawn[start : start + stretch], minlength=7)
            share = counts / len(drawn)
            assert (abs(window - stretch * share) <= 1 + share * (counts > 0).sum()).all()
    fresh_in = np.convolve(told.fresh[made.rows], np.ones(stretch), "valid")
    assert np.ptp(fresh_in) <= 4


def drawn_up(fresh, store, *, labels=3):
    """Rows by language: so many fresh ones, so many in the store."""
    parts = [(k, n, True) for k, n in fresh.items()] + [(k, n, False) for k, n in store.items()]
    languages = np.concatenate([np.full(n, k) for k, n, _ in parts])
    marks = np.concatenate([np.full(n, mark) for _, n, mark in parts])
    return Described(languages, np.arange(len(languages)) % labels, marks)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("unimax", [160, 160, 80]),  # the smallest has twenty rows, four times each
        ("proportional", [336, 48, 16]),
        ("temperature", [223, 84, 49]),
    ],
)
def test_store_is_shared_out_as_asked(sampling, expected):
    rows = drawn_up({0: 100}, {0: 420, 1: 60, 2: 20})
    made = plan(rows, sampling=sampling, temperature=2.0)
    drawn = made.rows[~rows.fresh[made.rows]]
    wished = np.array(expected) * 400 / sum(expected)
    np.testing.assert_allclose(np.bincount(rows.languages[drawn]), wished, atol=1)


@given(HALVES, HALVES, st.integers(0, 9), st.data())
def test_lean_keeps_what_was_learned_and_how_much_is_fresh(fresh, store, seed, data):
    rows = drawn_up(fresh, store)
    made = make_plan(rows, seed=seed, batch=8, epochs=2, repeats=3)
    factors = {1: 2.0, 3: 3.0}
    first, second = sorted(data.draw(st.tuples(*[st.integers(0, made.steps)] * 2)))
    leaned = made.leaned(first, languages=factors)
    again = leaned.leaned(second, languages={})
    for now, at in ((leaned, first), (again, second)):
        assert now.steps == made.steps
        assert len(now.rows) == len(made.rows)
        assert rows.fresh[now.rows].sum() == rows.fresh[made.rows].sum()
        assert (now.rows[: at * 8] == (made if now is leaned else leaned).rows[: at * 8]).all()
        drawn = np.bincount(rows.languages[now.rows[~rows.fresh[now.rows]]], minlength=7)
        assert all(drawn[k] <= 3 * n * factors.get(k, 1.0) for k, n in store.items())
    assert leaned.digest == made.leaned(first, languages=dict(reversed(factors.items()))).digest


def test_losing_language_is_drawn_twice_as_often_from_then_on_and_then_as_before():
    rows = drawn_up({0: 200}, {0: 500, 1: 500, 2: 500, 3: 40})
    made = plan(rows)
    half = made.steps // 2

    def store_shares(which, start, end):
        drawn = which.rows[start * 32 : end * 32]
        counts = np.bincount(rows.languages[drawn[~rows.fresh[drawn]]])
        return counts / counts.sum()

    before, usual = store_shares(made, 0, half), store_shares(made, half, made.steps)
    leaned = made.leaned(half, languages={3: 2.0})
    after = store_shares(leaned, half, made.steps)
    np.testing.assert_allclose(after[3] / after[0], 2 * usual[3] / usual[0], rtol=0.05)
    assert abs(before[3] - usual[3]) < 0.02
    back = leaned.leaned(half + 10, languages={})
    assert store_shares(back, half + 10, made.steps)[3] < usual[3] + 0.02
    assert leaned.shares(half)[3] == pytest.approx(after[3] / 2, abs=0.01)


def test_language_without_a_store_takes_from_the_other_fresh_ones():
    rows = drawn_up({0: 100, 1: 100}, {0: 200})
    leaned = plan(rows).leaned(5, languages={1: 2.0})
    drawn = np.bincount(leaned.rows, minlength=400)
    assert drawn[100:200].sum() > 1.2 * drawn[:100].sum()
    assert drawn[200:].sum() == 800


@given(HALVES, HALVES, st.sampled_from(["uniform", "proportional"]), st.integers(0, 5))
def test_weighted_draws_have_the_wished_weighting(fresh, store, wished, seed):
    """In expectation over seeds, which is every row of a cell alike, and here computed exactly."""
    rows = drawn_up(fresh, store)
    made = make_plan(rows, seed=seed, batch=8, epochs=2, repeats=3)
    weights = loss_weights(made, wished=wished)
    assert weights[made.rows].mean() == pytest.approx(1.0)
    mass = np.bincount(rows.languages, np.bincount(made.rows, weights[made.rows], len(weights)))
    sizes = np.bincount(rows.languages)
    ideal = (sizes > 0) / (sizes > 0).sum() if wished == "uniform" else sizes / sizes.sum()
    met = np.bincount(rows.languages, weights > 0)
    if (met == sizes).all():
        np.testing.assert_allclose(mass / mass.sum(), ideal, atol=1e-9)


def test_sampled_loss_is_unbiased_over_seeds():
    rows = drawn_up({0: 10}, {0: 30, 1: 200, 2: 7})
    loss = np.random.default_rng(0).random(247) + rows.languages
    wished = {0: 0.2, 1: 0.3, 2: 0.5}
    found = []
    for seed in range(200):
        made = make_plan(rows, seed=seed, batch=8, epochs=2, repeats=4)
        found.append((loss_weights(made, wished=wished) * loss)[made.rows].mean())
    truth = sum(share * loss[rows.languages == k].mean() for k, share in wished.items())
    assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / np.sqrt(200) + 1e-9)


def test_with_an_order_each_language_begins_later_and_nothing_else_changes():
    rows = drawn_up({0: 80, 1: 80, 2: 80}, {0: 300, 1: 300, 2: 300})
    plain, ordered = plan(rows), plan(rows, order=[2, 0, 1])
    for key in range(3):
        counts = [np.sum(rows.languages[made.rows] == key) for made in (plain, ordered)]
        assert counts[0] == counts[1]
    first = [np.flatnonzero(rows.languages[ordered.rows] == key)[0] for key in (2, 0, 1)]
    assert first == sorted(first)
    assert first[2] > len(ordered.rows) * 0.2
    quarter = rows.languages[ordered.rows[: len(ordered.rows) // 8]]
    assert set(quarter.tolist()) <= {2, 0}
    leaned = ordered.leaned(2, languages={})
    assert 1 not in rows.languages[leaned.rows[: len(leaned.rows) // 8]]
