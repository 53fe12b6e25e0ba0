"""Gold that has leaked or was never right, and signs for a human eye: named, never acted upon."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.actions.calibration_overview import odds, signs_of
from annotation.actions.gold_care import doubtful_gold, make_example, retire_gold, set_rule
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.leaks import later_is_better, suspect
from annotation.methods.signals import pace, pairs, streak
from annotation.models import CampaignLanguage, GoldItem, LabelRule
from tests.annotation.calibrating import NOW, answer, ask_gold, make_home
from tests.make import make_annotator, make_item, make_sample

pytestmark = pytest.mark.django_db
AT = datetime(2026, 5, 4, tzinfo=UTC)


@given(
    early=st.integers(0, 12),
    late=st.integers(0, 12),
    of_early=st.integers(1, 12),
    of_late=st.integers(1, 12),
)
def test_fishers_probability_is_one_and_falls_as_the_later_half_gets_better(
    early: int, late: int, of_early: int, of_late: int
) -> None:
    early, late = min(early, of_early), min(late, of_late)
    here = later_is_better(early, of_early, late, of_late)
    assert 0 < here <= 1 + 1e-12
    if early > 0 and late < of_late:
        assert later_is_better(early - 1, of_early, late + 1, of_late) < here


def test_what_is_simply_hard_or_simply_easy_is_not_suspected() -> None:
    assert not suspect([0, 1] * 8, true=0, shown=16)
    assert not suspect([0] * 16, true=0, shown=16)
    assert not suspect([1, 2] * 8, true=0, shown=16)
    assert suspect([0] * 3, true=0, shown=20).worn


@given(st.lists(st.integers(0, 2), min_size=20, max_size=60))
def test_a_longer_run_of_a_label_is_never_likelier(labels: list[int]) -> None:
    found = streak(labels)
    assert found is not None
    assert 0 <= found.chance <= 1
    assert labels.count(found.label) >= found.length


def test_signs_need_enough_answers() -> None:
    assert pace([1.0] * 19, lengths=[100] * 19, usual=1.0) is None
    assert streak([1] * 19) is None
    near = dict.fromkeys(range(4), (AT, 0))
    assert pairs({1: near, 2: near}) == []


def test_people_who_are_minutes_apart_are_no_pair() -> None:
    first = dict.fromkeys(range(9), (AT, 0))
    later = {text: (AT + timedelta(minutes=2), 0) for text in range(9)}
    assert pairs({1: first, 2: later}) == []


@pytest.fixture
def home() -> CampaignLanguage:
    return make_home(gold=6)


def test_gold_that_all_call_otherwise_is_named_with_what_they_call_it(
    home: CampaignLanguage,
) -> None:
    gold = GoldItem.objects.filter(label__key="admin")[0]
    item = ask_gold(home, gold)
    for number in range(8):
        answer(item, make_annotator(f"p{number}"), "dates")
    found = doubtful_gold(home)
    assert [(one.gold, one.shown, one.other and one.other.key) for one in found] == [
        (gold, 8, "dates")
    ]
    for _ in range(2):
        retire_gold(gold, reason="All say dates.", now=NOW)
    assert doubtful_gold(home) == []
    with pytest.raises(ConflictError, match="retired"):
        make_example(gold, explanation="See?")


def test_a_rule_is_set_changed_and_taken_away(home: CampaignLanguage) -> None:
    label = home.campaign.labels.all()[0]
    set_rule(home, label=label, text="First.")
    set_rule(home, label=label, text="Second.")
    assert LabelRule.objects.get().text == "Second."
    assert set_rule(home, label=label, text=" ") is None
    assert not LabelRule.objects.exists()
    with pytest.raises(InvalidInputError, match="another campaign"):
        set_rule(make_home(gold=0), label=label, text="First.")
    with pytest.raises(InvalidInputError, match="teaches"):
        make_example(GoldItem.objects.all()[0], explanation=" ")


def test_a_single_key_and_twins_are_shown_and_count_for_nothing(home: CampaignLanguage) -> None:
    awa, inti = make_annotator(), make_annotator("inti")
    for number in range(30):
        item = make_item(make_sample(home.campaign))
        stamp = f"2026-05-01T00:{number:02d}:00.000000Z"
        key = "dates" if number > 8 else ("admin", "accounts", "dates")[number % 3]
        for who in (awa, inti):
            answer(item, who, key, desk_updated_at=stamp, lead_seconds=4.0)
    signs = signs_of(home)
    assert {(sign.annotator, bool(sign.run), sign.beside) for sign in signs} == {
        (awa, False, inti)
    } | {(who, True, None) for who in (awa, inti) if any(s.run for s in signs)}
    assert [sign.pair.together for sign in signs if sign.pair] == [30]


def test_the_odds_shown_are_those_of_the_settings(home: CampaignLanguage) -> None:
    shown = dict(odds(home.campaign))
    assert shown[0.5].qualified <= 0.05
    assert shown[0.8].qualified > 0.8
    home.campaign.qualify_low = home.campaign.qualify_low + home.campaign.qualify_beta
    assert dict(odds(home.campaign))[0.8].qualified < shown[0.8].qualified
