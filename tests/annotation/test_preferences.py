"""Preferences: what must hold of strengths whatever people choose, and whom intervals speak of."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import spearmanr

from annotation.methods.judgements import JudgementError
from annotation.methods.preferences import Choices, fit
from benchmarks.judges_made import raters_choose

SOME = settings(max_examples=15, deadline=None)


@st.composite
def choices(draw: st.DrawFn) -> Choices:
    writers, raters = draw(st.integers(2, 5)), draw(st.integers(1, 4))
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, writers - 1),
                st.integers(1, writers - 1),
                st.integers(-1, 1),
                st.integers(0, raters - 1),
            ),
            min_size=1,
            max_size=25,
        )
    )
    first, apart, outcome, rater = np.array(rows).T
    second = (first + apart) % writers
    return Choices.of(first, second, outcome, rater=rater, writers=writers, raters=raters)


@SOME
@given(choices(), st.randoms())
def test_the_order_of_choices_does_not_matter(told: Choices, lot: object) -> None:
    order = list(range(len(told.first)))
    lot.shuffle(order)
    columns = (told.first, told.second, told.outcome)
    again = Choices.of(
        *(column[order] for column in columns),
        rater=told.rater[order],
        writers=told.writers,
        raters=told.raters,
    )
    assert fit(again).strength == pytest.approx(fit(told).strength, abs=1e-6)


@SOME
@given(choices())
def test_numbers_stay_finite_and_interval_and_value_agree(told: Choices) -> None:
    found = fit(told)
    value, low, high = found.strength.T
    assert np.isfinite(found.strength).all()
    assert (low <= value + 1e-12).all()
    assert (value <= high + 1e-12).all()
    for island in range(found.islands):
        assert value[found.island == island].sum() == pytest.approx(0, abs=1e-9)


@SOME
@given(choices())
def test_preferring_the_other_each_time_turns_strengths_round(told: Choices) -> None:
    mirrored = replace(told, outcome=-told.outcome)
    found, there = fit(told), fit(mirrored)
    assert there.strength[:, 0] == pytest.approx(-found.strength[:, 0], abs=1e-7)
    assert there.side.value == pytest.approx(-found.side.value, abs=1e-7)
    assert there.tie.value == pytest.approx(found.tie.value, abs=1e-7)


def test_swapping_two_names_swaps_two_strengths() -> None:
    _, told = raters_choose(1, raters=6)
    names = np.arange(8)
    names[[2, 5]] = [5, 2]
    swapped = fit(replace(told, first=names[told.first], second=names[told.second]))
    found = fit(told)
    assert swapped.strength[names] == pytest.approx(found.strength, abs=1e-8)
    one, other = found.difference(2, 5), found.difference(5, 2)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    shares = found.share(2, 5), found.share(5, 2)
    assert shares[0].value + shares[1].value == pytest.approx(1)


def test_a_rater_who_withdraws_was_never_there_and_one_without_choices_adds_nothing() -> None:
    _, told = raters_choose(2, raters=6)
    kept = told.rater != 3
    never = Choices.of(
        told.first[kept],
        told.second[kept],
        told.outcome[kept],
        rater=told.rater[kept],
        writers=8,
        raters=60,
    )
    gone, alone = fit(told.without(3)), fit(never)
    assert alone.strength == pytest.approx(gone.strength, abs=1e-12)
    assert gone.raters == alone.raters == 5
    assert np.isnan(gone.heed[3]).all()
    weightless = replace(told, weight=kept.astype(float))
    assert fit(weightless).strength == pytest.approx(gone.strength, abs=1e-12)


def test_what_counts_twice_is_as_good_as_said_twice() -> None:
    _, told = raters_choose(3, raters=6, choices=60)
    double = [np.tile(c, 2) for c in (told.first, told.second, told.outcome)]
    again = Choices.of(*double, rater=np.tile(told.rater, 2), writers=8, raters=6)
    heavy = replace(told, weight=np.full(60, 2.0))
    assert fit(heavy).strength == pytest.approx(fit(again).strength, abs=1e-9)


def test_the_peak_is_the_one_that_a_general_optimiser_finds() -> None:
    _, told = raters_choose(4, raters=6, choices=120)

    def loss(beta: np.ndarray) -> float:
        eta = beta[told.first] - beta[told.second] + beta[8]
        logits = np.stack([-eta / 2, np.full(len(eta), beta[9]), eta / 2], axis=1)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        held = (beta[:8] ** 2).sum() / 8 + beta[8] ** 2 / 2 + beta[9] ** 2 / 8
        return held - logits[np.arange(len(eta)), told.outcome + 1].sum()

    best = minimize(loss, np.zeros(10)).x
    found = fit(told)
    assert found.strength[:, 0] == pytest.approx(best[:8] - best[:8].mean(), abs=1e-4)
    assert (found.side.value, found.tie.value) == pytest.approx(tuple(best[8:]), abs=1e-4)


def test_ties_alone_make_all_equal() -> None:
    found = fit(Choices.of([0, 1], [1, 2], [0, 0], rater=[0, 1], writers=3, raters=2))
    assert found.strength[:, 0] == pytest.approx(0, abs=1e-9)
    assert found.tie.value > 0
    assert found.share(0, 2).value == pytest.approx(0.5)


def test_one_choice_says_little_and_says_so() -> None:
    found = fit(Choices.of([0], [1], [1], rater=[0], writers=2, raters=1))
    apart = found.difference(0, 1)
    assert 0 < apart.value < 2
    assert apart.low < -1
    assert found.raters == 1


def test_who_always_wins_stays_finite_and_unsure() -> None:
    rater = np.arange(40) % 4
    found = fit(Choices.of([0] * 40, [1] * 40, [1] * 40, rater=rater, writers=2, raters=4))
    apart = found.difference(0, 1)
    assert 1 < apart.value < 8
    assert 0 < apart.low < apart.high - 4  # raters who all agree know no more than 40 choices


def test_writers_whom_nothing_joins_are_not_compared() -> None:
    found = fit(Choices.of([0, 2], [1, 3], [1, -1], rater=[0, 0], writers=5, raters=1))
    assert found.island.tolist() == [0, 0, 1, 1, 2]
    assert found.difference(0, 2).value is None
    assert found.share(0, 3).value is None
    assert found.difference(0, 1).value > 0 > found.difference(2, 3).value


def test_an_unbalanced_side_is_not_taken_for_strength() -> None:
    rng = np.random.default_rng(5)
    outcome = np.where(rng.random(400) < 0.7, 1, -1)
    # Equal writers; the first wins by its side alone, and one stands there nine times in ten.
    first = (rng.random(400) < 0.1).astype(int)
    told = Choices.of(first, 1 - first, outcome, rater=np.arange(400) % 5, writers=2, raters=5)
    found = fit(told)
    assert found.side.low > 0.4
    assert found.difference(0, 1).low < 0 < found.difference(0, 1).high


def test_planted_strengths_come_back_and_intervals_hold_them() -> None:
    inside, alike = [], []
    for seed in range(12):
        planted, told = raters_choose(seed)
        found = fit(told).strength
        inside.append(((found[:, 1] <= planted) & (planted <= found[:, 2])).mean())
        alike.append(spearmanr(planted, found[:, 0]).statistic)
    assert 0.9 <= np.mean(inside) <= 0.99
    assert np.mean(alike) >= 0.85


def test_who_chooses_at_random_has_no_heed() -> None:
    _, told = raters_choose(6, raters=6, choices=600, random=1)
    heed = fit(told).heed
    assert heed[0, 2] < 0.6
    assert heed[1:, 0].min() > heed[0, 0]


@pytest.mark.parametrize(
    ("over", "row", "field"),
    [
        ({"outcome": [1, 2]}, 1, "outcome"),
        ({"outcome": [np.nan, 0]}, 0, "outcome"),
        ({"outcome": ["won", 0]}, 0, "outcome"),
        ({"first": [0, 9]}, 1, "first"),
        ({"second": [1, -1]}, 1, "second"),
        ({"first": [0, 0], "second": [1, 0]}, 1, "second"),
        ({"rater": [0, 4]}, 1, "rater"),
        ({"rater": [0]}, 1, "rater"),
        ({"weight": [1, -1]}, 1, "weight"),
        ({"weight": [np.inf, 1]}, 0, "weight"),
    ],
)
def test_a_bad_row_is_named_with_field_and_remedy(over: dict, row: int, field: str) -> None:
    given = {"first": [0, 1], "second": [1, 2], "outcome": [1, 0], "rater": [0, 1]} | over
    columns = [given.pop(name) for name in ("first", "second", "outcome")]
    with pytest.raises(JudgementError) as refused:
        Choices.of(*columns, **given, writers=3, raters=2)
    assert (refused.value.row, refused.value.field) == (row, field)
    assert refused.value.remedy in str(refused.value)
    assert refused.value.remedy
