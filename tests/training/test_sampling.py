"""The plan: a pure function of seed, data and step, and fair to small languages."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.methods.sampling import Described, balance, make_plan, unimax


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
