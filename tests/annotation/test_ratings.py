"""Ratings: what must hold of quality and severity whoever rates, and what intervals hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.stats import spearmanr

from annotation.methods.grading import Likelihood
from annotation.methods.judgements import JudgementError
from annotation.methods.ratings import Ratings, _grades, _Places, fit, ordinal_agreement
from benchmarks.judges_made import raters_rate

SOME = settings(max_examples=10, deadline=None)


@st.composite
def ratings(draw: st.DrawFn) -> Ratings:
    items, raters = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, items - 1), st.integers(0, raters - 1)),
            min_size=1,
            max_size=15,
            unique=True,
        )
    )
    item, rater = np.array(pairs).T
    column = st.integers(1, 5)
    rating = draw(st.lists(column, min_size=len(pairs), max_size=len(pairs)))
    period = draw(st.lists(st.integers(0, 1), min_size=len(pairs), max_size=len(pairs)))
    period = np.minimum(period, len(pairs))
    return Ratings.of(item, rater, rating, items=items, raters=raters, period=period)


def rows(told: Ratings, order: list[int], **over: object) -> Ratings:
    given = {
        "items": told.items,
        "raters": told.raters,
        "period": told.period[order],
        "weight": told.weight[order],
        "known": told.known,
    }
    columns = (told.item[order], told.rater[order], told.rating[order])
    return Ratings.of(*columns, **(given | over))


@SOME
@given(ratings(), st.randoms())
def test_the_order_of_ratings_does_not_matter(told: Ratings, lot: object) -> None:
    order = list(range(len(told.item)))
    lot.shuffle(order)
    found, again = fit(told), fit(rows(told, order))
    assert again.quality == pytest.approx(found.quality, abs=1e-5)
    assert again.severity == pytest.approx(found.severity, abs=1e-5, nan_ok=True)


@SOME
@given(ratings())
def test_all_stays_on_the_scale_and_chances_sum_to_one(told: Ratings) -> None:
    found = fit(told)
    mean, low, high = found.quality.T
    assert (low >= 1).all()
    assert (high <= 5).all()
    assert ((low < mean) & (mean < high)).all()
    assert found.chances.sum(axis=1) == pytest.approx(1)
    assert found.chances @ np.arange(1, 6) == pytest.approx(mean)
    assert (np.diff(found.thresholds) > 0).all()


@SOME
@given(ratings())
def test_the_scale_turned_round_turns_everything_round(told: Ratings) -> None:
    found, turned = fit(told), fit(replace(told, rating=6 - told.rating))
    assert turned.quality[:, 0] == pytest.approx(6 - found.quality[:, 0], abs=1e-4)
    assert turned.severity[:, 0] == pytest.approx(-found.severity[:, 0], abs=1e-4, nan_ok=True)


def test_slope_and_curvature_are_those_of_the_value() -> None:
    _, _, told = raters_rate(1, items=12, periods=2)
    place = _Places.of(told)
    look = Likelihood(_grades(told, place))
    beta = np.random.default_rng(0).normal(0, 0.2, place.size)
    beta[:4] += np.array([-1.2, -0.4, 0.3, 1.1])
    beta[:4].sort()
    _, slope, curve = look(beta)
    assert approx_fprime(beta, lambda at: look(at)[0], 1e-7) == pytest.approx(slope, abs=1e-4)
    bent = approx_fprime(beta, lambda at: look(at)[1], 1e-7)
    assert bent == pytest.approx(-curve, abs=1e-4)


def test_a_rater_who_withdraws_was_never_there_and_one_without_ratings_adds_nothing() -> None:
    _, _, told = raters_rate(2, raters=6)
    kept = np.flatnonzero(told.rater != 3)
    gone, never = fit(told.without(3)), fit(rows(told, kept, raters=50))
    assert never.quality == pytest.approx(gone.quality, abs=1e-9)
    assert never.severity[:6] == pytest.approx(gone.severity, abs=1e-9, nan_ok=True)
    assert np.isnan(gone.severity[3]).all()
    assert np.isnan(never.course[6:]).all()
    weightless = fit(replace(told, weight=(told.rater != 3).astype(float)))
    assert weightless.quality == pytest.approx(gone.quality, abs=1e-9)


def test_a_strict_rater_is_recognised_and_made_up_for() -> None:
    # Texts 0-19 are the strict rater's and one more's, 20-39 the others': all equally good.
    rng = np.random.default_rng(3)
    item, rater, rating = [], [], []
    for text in range(40):
        people = [0, 1 + text % 3] if text < 20 else [1 + text % 3, 1 + (text + 1) % 3]
        for person in people:
            item.append(text)
            rater.append(person)
            rating.append(int(np.clip(rng.integers(3, 6) - 2 * (person == 0), 1, 5)))
    found = fit(Ratings.of(item, rater, rating, items=40, raters=4))
    plain = np.bincount(item, rating) / np.bincount(item)
    assert found.severity[0, 1] > 0.5
    assert found.severity[1:, 0].max() < found.severity[0, 1]
    apart = found.quality[20:, 0].mean() - found.quality[:20, 0].mean()
    assert apart < 0.5 * (plain[20:].mean() - plain[:20].mean())


def test_drift_of_one_rater_is_seen_as_such() -> None:
    rng = np.random.default_rng(4)
    told = raters_rate(4, items=120, each=4, drift=0.0, periods=2, raters=6)[2]
    harder = (told.rater == 2) & (told.period == 1) & (rng.random(len(told.item)) < 0.9)
    drifted = fit(replace(told, rating=np.maximum(told.rating - harder, 1)))
    assert drifted.change[2, 1] > 0.05
    assert drifted.change[2, 0] == drifted.change[:, 0].max()
    assert drifted.course.shape == (6, 2, 3)
    others = np.delete(drifted.change, 2, axis=0)
    assert (others[:, 1] < 0).sum() >= 4


def test_a_text_that_nobody_rated_is_like_any_other() -> None:
    found = fit(Ratings.of([0], [0], [5], items=2, raters=1))
    assert found.quality[0, 0] > found.quality[1, 0] == pytest.approx(3.0, abs=0.4)
    assert found.quality[1, 2] - found.quality[1, 1] > 2.5
    assert not found.comparable(0, 1)


def test_the_same_grade_throughout_is_no_certainty() -> None:
    item = np.repeat(np.arange(10), 2)
    found = fit(Ratings.of(item, np.tile([0, 1], 10), [3] * 20, items=10, raters=2))
    assert found.quality[:, 0] == pytest.approx(3.0, abs=0.2)
    assert (found.quality[:, 2] - found.quality[:, 1] > 0.3).all()


def test_islands_are_told_and_gold_joins_them() -> None:
    columns = ([0, 0, 1, 2, 3], [0, 1, 0, 2, 2], [4, 3, 2, 5, 4])
    apart = fit(Ratings.of(*columns, items=4, raters=4))
    assert apart.islands == 2
    assert apart.comparable(0, 1)
    assert not apart.comparable(1, 2)
    joined = fit(Ratings.of(*columns, items=4, raters=4, known=[3, 0, 0, 5]))
    assert joined.islands == 1
    assert joined.comparable(1, 2)


def test_gold_tells_strict_raters_from_bad_texts() -> None:
    """Two raters of different texts: without known grades the lower grades are put on the rater."""
    item = np.arange(40)
    rating = np.where(item < 20, 2, 4) + item % 2
    columns = (item, item // 20, rating)
    unknown = fit(Ratings.of(*columns, items=40, raters=2))
    seen = np.isin(item % 20, range(8))
    confirmed = fit(Ratings.of(*columns, items=40, raters=2, known=np.where(seen, rating, 0)))
    denied = fit(Ratings.of(*columns, items=40, raters=2, known=np.where(seen, 3 + item % 2, 0)))
    apart = [found.severity[0, 0] - found.severity[1, 0] for found in (unknown, confirmed, denied)]
    assert apart[1] < 0.75 * apart[0]
    assert apart[1] < 0.75 * apart[2]
    gaps = [
        found.quality[item >= 20, 0].mean() - found.quality[item < 20, 0].mean()
        for found in (confirmed, denied)
    ]
    assert gaps[0] > gaps[1] + 0.8


def test_a_heavier_rating_pulls_more() -> None:
    columns = ([0, 0, 1], [0, 1, 0], [5, 1, 3])
    light = fit(Ratings.of(*columns, items=2, raters=2, weight=[1, 0.2, 1]))
    heavy = fit(Ratings.of(*columns, items=2, raters=2, weight=[0.2, 1, 1]))
    assert light.quality[0, 0] > heavy.quality[0, 0] + 0.3


def test_planted_quality_comes_back_and_intervals_hold_it() -> None:
    inside, strict, alike = [], [], []
    for seed in range(8):
        mean, severity, told = raters_rate(seed)
        found = fit(told)
        low, high = found.quality[:, 1], found.quality[:, 2]
        inside.append(((low <= mean) & (mean <= high)).mean())
        own = found.course
        strict.append(((own[..., 1] <= severity) & (severity <= own[..., 2])).mean())
        alike.append(spearmanr(mean, found.quality[:, 0]).statistic)
    assert 0.92 <= np.mean(inside) <= 0.98
    assert 0.88 <= np.mean(strict) <= 0.99
    assert np.mean(alike) >= 0.88


def test_agreement_counts_near_misses_for_less() -> None:
    item, rater = np.repeat(np.arange(40), 2), np.tile([0, 1], 40)
    grade = 1 + item % 5
    near = np.where(rater == 1, np.clip(grade + 1, 1, 5), grade)
    far = np.where(rater == 1, 6 - grade, grade)
    rng = np.random.default_rng(0)
    found = [
        ordinal_agreement(Ratings.of(item, rater, one, items=40, raters=2), rng=rng)
        for one in (grade, near, far)
    ]
    assert found[0].alpha.value == pytest.approx(1)
    assert found[0].alpha.value > found[1].alpha.value > 0.5 > 0 > found[2].alpha.value
    assert found[1].alpha.low < found[1].alpha.value < found[1].alpha.high


@pytest.mark.parametrize(
    ("over", "row", "field"),
    [
        ({"rating": [0, 3]}, 0, "rating"),
        ({"rating": [3, 6]}, 1, "rating"),
        ({"rating": [3, np.nan]}, 1, "rating"),
        ({"rating": [3, 2.5]}, 1, "rating"),
        ({"rating": [3, None]}, 1, "rating"),
        ({"item": [0, 2]}, 1, "item"),
        ({"rater": [-1, 0]}, 0, "rater"),
        ({"rater": [0, 0], "item": [1, 1]}, 1, "rater"),
        ({"period": [0, -1]}, 1, "period"),
        ({"weight": [np.nan, 1]}, 0, "weight"),
        ({"known": [0, 7]}, 1, "known"),
        ({"known": [0]}, 1, "known"),
        ({"rating": [3]}, 1, "item"),
    ],
)
def test_a_bad_row_is_named_with_field_and_remedy(over: dict, row: int, field: str) -> None:
    given = {"item": [0, 1], "rater": [0, 1], "rating": [1, 5]} | over
    columns = [given.pop(name) for name in ("item", "rater", "rating")]
    with pytest.raises(JudgementError) as refused:
        Ratings.of(*columns, **given, items=2, raters=2)
    assert (refused.value.row, refused.value.field) == (row, field)
    assert refused.value.remedy
    assert refused.value.remedy in str(refused.value)
