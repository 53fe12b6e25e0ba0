"""Drift: the known lengths of the gold chart, what surprises, and how the past fades."""

import itertools
import math

import numpy as np
import pytest

from annotation.methods.drift import (
    GOLD_LIMIT,
    LARGEST,
    SURPRISE_LIMIT,
    Chart,
    Floats,
    counted,
    faded,
    gold_step,
    habit,
    memory,
    run_length,
    surprise,
    surprise_step,
    without,
)

K = 3
# Limit, gold items to a false alarm and to detection: measured.
KNOWN = ((2, 73, 12), (3, 271, 20), (4, 783, 28))


def confusion(right: float) -> Floats:
    matrix = np.full((K, K), (1 - right) / (K - 1))
    np.fill_diagonal(matrix, right)
    return matrix


def overlapped(answers: int, *, right: float, seed: int) -> Floats:
    """Surprises of a person known to be 85 % right, beside one equally good other."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, K, answers)
    other, own = (
        np.where(rng.random(answers) < p, truth, (truth + rng.integers(1, K, answers)) % K)
        for p in (0.85, right)
    )
    known = np.broadcast_to(confusion(0.85), (answers, K, K))
    both = confusion(0.85)[:, other].T * confusion(0.85)[:, own].T
    others = without(both / both.sum(axis=1, keepdims=True), confusion=known, label=own)
    return surprise(others, confusion=known, label=own)


def alarm_after(surprises: Floats) -> int:
    chart = Chart()
    for one in surprises:
        chart = chart.after(surprise_step(float(one)), limit=SURPRISE_LIMIT)
        if chart.alarmed:
            break
    return chart.seen


@pytest.mark.parametrize(("limit", "false_alarm", "detection"), KNOWN)
def test_the_gold_chart_has_its_known_lengths(
    limit: float, false_alarm: float, detection: float
) -> None:
    assert run_length(0.85, limit=limit) == pytest.approx(false_alarm, rel=0.03)
    assert run_length(0.65, limit=limit) == pytest.approx(detection, rel=0.04)


def test_charts_kept_answer_by_answer_have_the_length_that_was_worked_out() -> None:
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(300):
        chart = Chart()
        while not chart.alarmed:
            chart = chart.after(gold_step(bool(rng.random() < 0.65)), limit=2)
        lengths.append(chart.seen)
    assert np.mean(lengths) == pytest.approx(run_length(0.65, limit=2), abs=2.2)


def test_three_wrong_answers_in_a_row_are_within_the_limit_and_four_are_not() -> None:
    charts = itertools.accumulate(
        [False] * 4, lambda chart, right: chart.after(gold_step(right), limit=3), initial=Chart()
    )
    assert [chart.alarmed for chart in charts] == [False, False, False, False, True]
    assert 3 * math.log(0.35 / 0.15) < GOLD_LIMIT


def test_good_answers_are_no_credit_to_be_spent() -> None:
    chart = Chart()
    for _ in range(1000):
        chart = chart.after(gold_step(True), limit=3)
    assert chart == Chart(0.0, 1000)


def test_an_alarm_stays_until_somebody_begins_anew() -> None:
    chart = Chart(2.9, 10).after(gold_step(False), limit=3)
    for _ in range(50):
        chart = chart.after(gold_step(True), limit=3)
    assert chart.alarmed
    assert chart.level == 0.0


def test_what_others_say_is_the_same_as_if_the_person_had_never_answered() -> None:
    prior = np.array([0.5, 0.3, 0.2])
    own, other = confusion(0.7), confusion(0.9)
    both = prior * own[:, 1] * other[:, 2]
    found = without((both / both.sum())[None], confusion=own[None], label=np.array([1]))
    alone = prior * other[:, 2]
    assert found[0] == pytest.approx(alone / alone.sum())


def test_a_steady_person_surprises_by_nothing_on_average() -> None:
    steady = overlapped(40_000, right=0.85, seed=0)
    # One in a few thousand is cut, which moves both a little.
    assert steady.mean() == pytest.approx(0.0, abs=0.03)
    assert steady.std() == pytest.approx(1.0, abs=0.06)
    assert overlapped(40_000, right=0.65, seed=0).mean() > 0.3


def test_drift_is_seen_long_before_a_steady_person_is_suspected() -> None:
    steady = [alarm_after(overlapped(600, right=0.85, seed=seed)) for seed in range(20)]
    drifting = [alarm_after(overlapped(600, right=0.65, seed=seed)) for seed in range(20)]
    assert np.mean(drifting) < 100
    assert sum(seen < 600 for seen in steady) < 9
    assert sum(seen < 600 for seen in drifting) == 20


def test_one_slip_of_the_finger_raises_no_alarm() -> None:
    sure = np.array([[1.0, 0.0, 0.0]])
    slip = surprise(sure, confusion=confusion(0.9999)[None], label=np.array([2]))
    assert slip.tolist() == [LARGEST]
    assert not Chart().after(surprise_step(float(slip[0])), limit=SURPRISE_LIMIT).alarmed


def test_where_nothing_is_known_nothing_surprises() -> None:
    guess = np.full((3, K, K), 1 / K)
    found = surprise(np.full((3, K), 1 / K), confusion=guess, label=np.arange(3))
    assert found.tolist() == [0.0, 0.0, 0.0]


def test_the_past_fades_by_the_week() -> None:
    assert memory(np.array([-1.0, 0.0, 6.99, 7.0, 14.0])).round(4).tolist() == [
        1.0,
        1.0,
        1.0,
        0.98,
        0.9604,
    ]
    weekly = np.full((2000, 1, 1), 5.0)
    assert faded(weekly)[0, 0] == pytest.approx(5 / 0.02)


def test_folding_week_by_week_is_the_same_as_looking_back() -> None:
    weeks = np.random.default_rng(0).integers(0, 9, (6, K, K)).astype(float)
    folded = np.zeros((K, K))
    for week in weeks:
        folded = 0.98 * folded + week
    assert faded(weeks) == pytest.approx(folded)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="bad must be less"):
        gold_step(True, good=0.6, bad=0.6)
    with pytest.raises(ValueError, match="factor"):
        memory(np.array([1.0]), factor=0.0)


def test_others_doubt_is_not_counted_as_a_persons_mistakes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, K, 4000)
    other, own = (
        np.where(rng.random(4000) < 0.85, truth, (truth + rng.integers(1, K, 4000)) % K)
        for _ in range(2)
    )
    others = confusion(0.85)[:, other].T
    usual = habit(np.zeros((0, K, K)), days=np.array([]))
    for _ in range(8):
        seen = counted(others, confusion=usual, label=own)
        usual = habit(seen[None], days=np.array([0.0]))
    assert np.diag(usual).mean() == pytest.approx(0.85, abs=0.02)
    # Weighed by others alone the same person would look much worse.
    alone = np.einsum("at,ay->ty", others, np.eye(K)[own])
    assert np.diag(alone / alone.sum(axis=1, keepdims=True)).mean() < 0.78


def test_what_is_expected_of_somebody_is_known_from_earlier_days_and_fades() -> None:
    wrong = np.array([[[0.0, 50.0], [50.0, 0.0]]])
    fresh, old = (habit(wrong, days=np.array([days])) for days in (7.0, 3650.0))
    assert np.diag(fresh).max() < 0.15
    assert np.diag(old).min() > 0.75
    assert habit(wrong, days=np.array([7.0])).sum(axis=1) == pytest.approx([1.0, 1.0])
