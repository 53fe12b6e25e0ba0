"""Qualification: the printed operating curve, sessions answer by answer, and what is told."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.methods.qualification import (
    Decision,
    Rules,
    State,
    balanced,
    chance,
    closing,
    confusions,
    course,
    decide,
)

# True accuracy, mean answers, accepted and undecided: measured with 4,000 runs each.
KNOWN = (
    (0.50, 12.5, 0.003, None),
    (0.60, 19.5, 0.037, None),
    (0.70, 27.4, 0.238, 0.35),
    (0.80, 25.0, 0.722, 0.208),
    (0.90, 16.1, 0.991, None),
    (0.95, 13.0, 1.000, None),
)
NAMES = ("joy", "anger", "sadness")
GUIDE = """General remarks.

Anger is hot; sadness is what is lost.

Joy is said lightly. Anger, unlike joy, wants something changed."""


def session(right: list[bool], *, rules: Rules | None = None) -> State:
    state = State()
    for one in right:
        state = state.after(one, rules=rules or Rules())
    return state


@pytest.mark.parametrize(("accuracy", "answers", "accepted", "undecided"), KNOWN)
def test_the_operating_curve_is_the_known_one(
    accuracy: float, answers: float, accepted: float, undecided: float | None
) -> None:
    exact = course(accuracy, rules=Rules())
    assert exact.answers == pytest.approx(answers, abs=0.3)
    assert exact.qualified == pytest.approx(accepted, abs=0.012)
    assert undecided is None or exact.supervised == pytest.approx(undecided, abs=0.012)
    assert exact.qualified + exact.supervised + exact.not_yet == pytest.approx(1.0)


@pytest.mark.parametrize("rules", [Rules(), Rules(chance=1 / 3)])
def test_sessions_answer_by_answer_follow_the_exact_course(rules: Rules) -> None:
    rng = np.random.default_rng(1)
    exact = course(0.7, rules=rules)
    runs = [
        session(list(rng.random(rules.cap) < rules.accuracy(0.7)), rules=rules) for _ in range(400)
    ]
    found = [np.mean([run.decision == end for run in runs]) for end in Decision]
    # Four standard errors of 400 runs.
    assert found == pytest.approx([0, exact.qualified, exact.supervised, exact.not_yet], abs=0.1)
    assert np.mean([run.asked for run in runs]) == pytest.approx(exact.answers, abs=2.2)


def test_the_bounds_are_walds() -> None:
    rules = Rules()
    assert rules.bounds == pytest.approx((math.log(0.10 / 0.95), math.log(0.90 / 0.05)))
    assert State(10, 0).evidence(rules) == pytest.approx(10 * math.log(0.8 / 0.6))
    assert decide(State(10, 0), rules=rules) == Decision.OPEN
    assert decide(State(11, 0), rules=rules) == Decision.QUALIFIED
    assert decide(State(0, 4), rules=rules) == Decision.NOT_YET


def test_whoever_is_neither_after_forty_answers_goes_on_supervised() -> None:
    hovering = [True, True, True, False] * 10
    assert session(hovering[:39]).decision == Decision.OPEN
    assert session(hovering) == State(30, 10, Decision.SUPERVISED)


def test_an_answer_after_the_decision_changes_nothing() -> None:
    done = session([True] * 11)
    assert done.decision == Decision.QUALIFIED
    assert done.after(False, rules=Rules()) == done


def test_a_state_comes_back_from_its_stored_values() -> None:
    state = session([True, False, True])
    row = {"right": state.right, "wrong": state.wrong, "decision": str(state.decision)}
    again = State(row["right"], row["wrong"], Decision(row["decision"]))
    assert again.after(True, rules=Rules()) == state.after(True, rules=Rules())


def test_guessing_the_commonest_class_qualifies_nobody() -> None:
    rules = Rules(chance=chance([30, 10, 10]))
    guessing = course(0.0, rules=rules)
    assert rules.accuracy(0.0) == 0.6
    assert guessing.qualified < 0.001
    assert guessing.not_yet > 0.95
    # Held against 1/K the same person would be let through far more often.
    assert course((0.6 - 1 / 3) / (2 / 3), rules=Rules(chance=1 / 3)).qualified > guessing.qualified


def test_rules_that_decide_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="two classes"):
        Rules(chance=1.0)
    with pytest.raises(ValueError, match="low must be less"):
        Rules(low=0.8, high=0.8)
    with pytest.raises(ValueError, match="beta"):
        Rules(beta=0.0)
    with pytest.raises(ValueError, match="no gold"):
        chance([0, 0])


def test_a_person_is_told_what_they_mix_up_and_where_to_read() -> None:
    told = confusions(
        [1, 1, 2, 0, 1, 2],
        said=[0, 0, 0, 0, 2, 2],
        items=[11, 12, 13, 14, 15, 16],
        names=NAMES,
        guideline=GUIDE,
    )
    assert [(c.true, c.said, c.times, c.shown) for c in told] == [
        (1, 0, 2, 3),
        (2, 0, 1, 2),
        (1, 2, 1, 3),
    ]
    assert told[0].items == (11, 12)
    assert [c.paragraph for c in told] == [2, 1, 1]


def test_without_mistakes_there_is_nothing_to_tell() -> None:
    assert confusions([0, 1], said=[0, 1], items=[1, 2], names=NAMES, guideline=GUIDE) == []


def test_no_paragraph_is_made_up() -> None:
    told = confusions([0], said=[1], items=[1], names=("ha", "no"), guideline="Sharks know nothing")
    assert told[0].paragraph is None


def test_names_are_found_in_any_script_and_spelling() -> None:
    # The guideline writes the accent as a sign of its own, the label does not.
    told = confusions(
        [0, 1],
        said=[1, 0],
        items=[1, 2],
        names=("n\u00e9g", "ความสุข"),
        guideline="Ne\u0301g\n\nพูดถึงความสุขเสมอ",
    )
    assert [c.paragraph for c in told] == [0, 1]


@pytest.mark.parametrize("chance_", [1 / 2, 1 / 3, 1 / 4, 1 / 5])
@pytest.mark.parametrize("cap", [8, 20, 40, 60])
def test_closing_spends_what_is_left_of_alpha_and_no_more(chance_: float, cap: int) -> None:
    plain = Rules(chance=chance_, low=0.5, cap=cap)
    closed = closing(plain)
    assert course(0.5, rules=closed).qualified <= plain.alpha
    gained = course(0.8, rules=closed).qualified - course(0.8, rules=plain).qualified
    assert gained >= 0
    if closed.enough is not None and course(0.5, rules=closed).supervised > 0:
        # One right answer fewer would let too many through.
        looser = replace(closed, enough=closed.enough - 1)
        assert course(0.5, rules=looser).qualified > plain.alpha


def test_with_the_rules_of_sessions_good_people_pass_at_two_to_five_labels() -> None:
    for labels, least in ((2, 0.68), (3, 0.85), (4, 0.87), (5, 0.89)):
        rules = closing(Rules(chance=1 / labels, low=0.5))
        assert course(0.8, rules=rules).qualified >= least
        assert course(0.9, rules=rules).qualified >= 0.96
        assert course(0.5, rules=rules).qualified <= 0.05


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 50), st.integers(0, 99))
def test_what_is_asked_is_as_even_as_can_be(labels: list[int], size: int, seed: int) -> None:
    asked = balanced(labels, size=size, rng=np.random.default_rng(seed))
    assert len(asked) == len(set(asked)) == min(size, len(labels))
    counts = {label: sum(labels[place] == label for place in asked) for label in set(labels)}
    for one, other in itertools.permutations(counts, 2):
        # Nobody has two more than a label of which some are left.
        assert counts[one] <= counts[other] + 1 or counts[other] == labels.count(other)
