"""Duels: what choices are worth when people and texts hang together."""

import numpy as np
import pytest

from annotation.methods.duels import Duel, worth
from annotation.methods.judgements import JudgementError


def duel(outcome: object, *, raters: int = 5, first: object = None) -> Duel:
    number = np.arange(len(outcome))
    sides = number % 2 == 0 if first is None else first
    return Duel.of(outcome, rater=(number // 2) % raters, item=number, first=sides)


def test_independent_choices_are_worth_about_what_they_are() -> None:
    rng = np.random.default_rng(0)
    found = worth(duel(rng.integers(-1, 2, 2000), raters=200))
    assert 0.8 < found.effect < 1.25
    assert found.freedom > 100


def test_raters_who_each_say_one_thing_are_worth_little_more_than_themselves() -> None:
    outcome = np.where((np.arange(400) // 2) % 5 < 3, 1, -1)
    found = worth(duel(outcome))
    assert found.size < 10
    assert found.freedom < 6
    assert found.between > 0.8


def test_texts_that_everybody_sees_alike_count_once() -> None:
    rng = np.random.default_rng(1)
    item = np.repeat(np.arange(100), 5)
    outcome = np.where(rng.random(100) < 0.5, 1, -1)[item]
    found = worth(Duel.of(outcome, rater=np.tile(np.arange(5), 100), item=item, first=item % 2))
    assert 80 < found.size < 125


def test_sides_are_levelled() -> None:
    # What stands first always wins; the candidate stood there three times in four.
    first = np.arange(80) % 4 > 0
    found = worth(duel(np.where(first, 1, -1), first=first))
    assert found.difference == pytest.approx(0, abs=1e-12)


def test_swapping_the_two_turns_the_difference_round() -> None:
    rng = np.random.default_rng(2)
    outcome, first = rng.integers(-1, 2, 90), rng.random(90) < 0.5
    one, other = worth(duel(outcome, first=first)), worth(duel(-outcome, first=~first))
    assert other.difference == pytest.approx(-one.difference)
    assert (other.wins, other.losses) == pytest.approx((one.losses, one.wins))
    assert (other.effect, other.freedom) == pytest.approx((one.effect, one.freedom))


def test_order_does_not_matter_and_who_withdraws_was_never_there() -> None:
    rng = np.random.default_rng(3)
    told = duel(rng.integers(-1, 2, 60))
    order = rng.permutation(60)
    columns = (told.outcome, told.rater, told.item, told.first)
    mixed = worth(Duel(*(column[order] for column in columns)))
    assert mixed.effect == pytest.approx(worth(told).effect)
    kept = told.rater != 2
    assert worth(told.without(2)) == worth(Duel(*(column[kept] for column in columns)))


def test_two_raters_who_agree_are_no_more_than_independent_choices() -> None:
    found = worth(duel([1, -1, 1, 1] * 10, raters=2))
    assert found.effect >= 1


def test_no_choices_and_one_choice() -> None:
    assert worth(duel([])).size == 0
    assert worth(duel([1])).wins == 1


@pytest.mark.parametrize(
    ("over", "row", "field"),
    [
        ({"outcome": [1, 2]}, 1, "outcome"),
        ({"first": [0, 3]}, 1, "first"),
        ({"rater": [-1, 0]}, 0, "rater"),
        ({"item": [0, np.nan]}, 1, "item"),
        ({"item": [0]}, 1, "item"),
    ],
)
def test_a_bad_row_is_named_with_field_and_remedy(over: dict, row: int, field: str) -> None:
    given = {"outcome": [1, 0], "rater": [0, 1], "item": [0, 1], "first": [True, False]} | over
    with pytest.raises(JudgementError) as refused:
        Duel.of(given.pop("outcome"), **given)
    assert (refused.value.row, refused.value.field) == (row, field)
    assert refused.value.remedy
