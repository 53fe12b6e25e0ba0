"""Agreement: against tables worked by hand and in print, and what must never be claimed."""

import time

import numpy as np
import pytest

from annotation.methods.agreement import (
    Agreement,
    Ints,
    ac1,
    agreement,
    alpha,
    coincidences,
    raw,
    tally,
)

# Four observers, twelve units, five classes, 0 for no answer: Krippendorff (2011), section C;
# the same table is Gwet's worked example of AC1 with missing answers.
PRINTED = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
)


def columns(rows: tuple[tuple[int, ...], ...]) -> tuple[Ints, Ints, Ints]:
    found = [
        (item, person, said - 1)
        for person, answers in enumerate(rows)
        for item, said in enumerate(answers)
        if said
    ]
    item, person, label = np.array(found).T
    return item, person, label


def measure(rows: tuple[tuple[int, ...], ...], *, labels: int, **over: object) -> Agreement:
    item, person, label = columns(rows)
    given = {"least": 2, "rng": np.random.default_rng(0), "draws": 300} | over
    return agreement(item, person=person, label=label, labels=labels, **given)


def pair(a: Ints, b: Ints) -> tuple[tuple[int, ...], ...]:
    return tuple(a + 1), tuple(b + 1)


def people(items: int, *, common: float, rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    truth = (rng.random(items) > common).astype(int)
    return tuple(tuple(np.where(rng.random(items) < 0.95, truth, 1 - truth) + 1) for _ in range(3))


def test_the_printed_table_with_missing_answers_comes_out() -> None:
    found = measure(PRINTED, labels=5)
    assert (found.items, found.double) == (12, 11)
    assert found.alpha.value == pytest.approx(0.743, abs=5e-4)
    assert measure(PRINTED, labels=5, ordinal=True).alpha.value == pytest.approx(0.815, abs=5e-4)
    assert found.ac1.value == pytest.approx(0.77544, abs=5e-6)
    assert found.raw.value == pytest.approx(9 / 11)


def test_a_table_worked_by_hand_comes_out() -> None:
    # Pairs: aa aa ab bb, so o = [[4, 1], [1, 2]], n = (5, 3), D_o = 2/8, D_e = 30/56.
    item, person, label = columns(((1, 1, 1, 2), (1, 1, 2, 2)))
    patterns, times = tally(item, person=person, label=label, labels=2)
    seen = times[None].astype(float)
    matrix = coincidences(patterns, weights=seen)
    assert matrix.tolist() == [[[4, 1], [1, 2]]]
    assert alpha(matrix)[0] == pytest.approx(1 - (2 / 8) / (30 / 56))
    assert raw(patterns, weights=seen)[0] == pytest.approx(3 / 4)
    # pi = (5/8, 3/8), p_e = 2 * 15/64.
    assert ac1(patterns, weights=seen)[0] == pytest.approx((3 / 4 - 15 / 32) / (1 - 15 / 32))


def test_a_near_miss_costs_less_than_a_far_one_where_classes_are_ordered() -> None:
    near = measure(((1, 2, 3, 4, 1, 4), (1, 2, 3, 4, 2, 4)), labels=4, ordinal=True)
    far = measure(((1, 2, 3, 4, 1, 4), (1, 2, 3, 4, 4, 4)), labels=4, ordinal=True)
    assert near.alpha.value > far.alpha.value + 0.2


def test_one_class_alone_is_no_agreement_beyond_chance() -> None:
    found = measure(((1,) * 40, (1,) * 40), labels=3)
    assert found.alpha.value is None
    assert found.alpha.low is None
    assert (found.raw.value, found.ac1.value) == (1.0, 1.0)


def test_full_agreement_on_forty_items_leaves_a_doubt() -> None:
    said = np.arange(40) % 2
    found = measure(pair(said, said), labels=2)
    assert (found.alpha.value, found.alpha.high) == (1.0, 1.0)
    assert found.alpha.low is not None
    assert 0.8 < found.alpha.low < 0.85  # 8.8 % of items may still be disputed
    assert found.raw.low == pytest.approx(0.025 ** (1 / 40))


def test_thirty_items_answered_twice_are_needed() -> None:
    said = np.arange(29) % 2
    alone = np.zeros(500, np.int64)
    rows = (tuple(np.r_[said, alone] + 1), tuple(np.r_[said + 1, alone]))
    few = measure(rows, labels=2, least=30)
    assert (few.items, few.double, few.enough) == (529, 29, False)
    assert few.raw.value is few.alpha.value is few.ac1.value is None
    thirty = np.arange(30) % 2
    assert measure(pair(thirty, thirty), labels=2, least=30).enough


def test_nobody_answered_is_not_enough() -> None:
    none = np.zeros(0, np.int64)
    rng = np.random.default_rng(0)
    assert not agreement(none, person=none, label=none, labels=2, rng=rng).enough


def test_answers_at_random_agree_no_more_than_chance() -> None:
    rng = np.random.default_rng(3)
    found = measure(pair(rng.integers(0, 3, 4000), rng.integers(0, 3, 4000)), labels=3)
    assert abs(found.alpha.value or 1) < 0.04
    assert found.alpha.low < 0 < found.alpha.high


def test_alpha_collapses_under_skew_and_ac1_does_not() -> None:
    rng = np.random.default_rng(1)
    even, skewed = (measure(people(4000, common=p, rng=rng), labels=2) for p in (0.5, 0.99))
    assert even.raw.value == pytest.approx(skewed.raw.value, abs=0.02)
    assert even.alpha.value == pytest.approx(0.81, abs=0.03)
    assert skewed.alpha.value < 0.25
    assert skewed.ac1.value == pytest.approx(0.89, abs=0.02)


def test_the_interval_narrows_with_items_and_holds_the_truth() -> None:
    rng = np.random.default_rng(5)
    truth = 0.81
    widths, held = [], 0
    for items in (30, 500):
        found = [measure(people(items, common=0.5, rng=rng), labels=2) for _ in range(20)]
        widths.append(np.mean([one.alpha.high - one.alpha.low for one in found]))
        held += sum(one.alpha.low < truth < one.alpha.high for one in found)
    assert held >= 34
    assert widths[1] < widths[0] / 2.5


def test_names_of_people_and_items_do_not_matter() -> None:
    item, person, label = columns(PRINTED)
    rng = np.random.default_rng(2)
    order = rng.permutation(len(item))
    plain = tally(item, person=person, label=label, labels=5)
    renamed = tally(
        9_000_000_000 - 7_000_000 * item[order],
        person=10**6 - 3 * person[order],
        label=label[order],
        labels=5,
    )
    assert [part.tolist() for part in plain] == [part.tolist() for part in renamed]


def test_many_classes_are_told_apart_too() -> None:
    said = np.arange(80) % 40
    other = np.where(np.arange(80) < 8, (said + 1) % 40, said)
    assert measure(pair(said, other), labels=40).raw.value == pytest.approx(0.9)


def test_a_person_who_answers_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        tally(np.array([5, 5]), person=np.array([1, 1]), label=np.array([0, 1]), labels=2)


def test_an_answer_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        tally(np.array([5, 5]), person=np.array([1, 2]), label=np.array([0, -1]), labels=2)


def test_a_million_answers_take_half_a_second_at_most() -> None:
    rng = np.random.default_rng(0)
    item = np.repeat(np.arange(333_400), 3)
    label = np.where(rng.random(len(item)) < 0.7, item % 5, rng.integers(0, 5, len(item)))
    person = rng.integers(0, 300, len(item)) * 3 + np.tile(np.arange(3), 333_400)
    began = time.process_time()
    found = agreement(item, person=person, label=label, labels=5, rng=rng)
    assert time.process_time() - began < 0.5 * 3  # .1 s; a busy machine of another kind may be slow
    assert found.enough
