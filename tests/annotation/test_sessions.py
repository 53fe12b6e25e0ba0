"""Calibration sessions: begun once, answered once, ended by the rules, told without a percentage."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.actions.calibration_overview import people_of
from annotation.actions.campaigns import set_guideline
from annotation.actions.exposures import (
    exposures,
    knows_the_answer,
    seen_once,
    supply_of,
    unseen_gold,
)
from annotation.actions.sessions import (
    answer_question,
    begin_session,
    object_to,
    offer_to,
    question_of,
)
from annotation.actions.standings import may_answer, set_calibration, stand, standing_of
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.qualification import Decision, Rules, State, decide
from annotation.models import (
    CalibrationSession,
    GoldItem,
    Recalibration,
    SessionAnswer,
    Standing,
    StandingChange,
    WorkedExample,
)
from tests.annotation.calibrating import (
    NOW,
    answer,
    ask_gold,
    go_through,
    make_home,
    say,
    wrong_key,
)
from tests.make import make_annotator, make_gold, make_item, make_sample

pytestmark = pytest.mark.django_db
State_ = Standing.State


def test_a_session_is_begun_once_and_gone_on_with_anywhere() -> None:
    home, awa = make_home(), make_annotator()
    first = begin_session(awa, home, kind="qualify", now=NOW)
    assert begin_session(awa, home, kind="qualify", now=NOW) == first
    assert CalibrationSession.objects.count() == 1
    assert question_of(first) == question_of(CalibrationSession.objects.get())
    assert SessionAnswer.objects.count() == 1


def test_the_same_answer_twice_counts_once_and_the_first_stands() -> None:
    home, awa = make_home(), make_annotator()
    session = begin_session(awa, home, kind="qualify", now=NOW)
    asked = question_of(session)
    assert asked is not None
    wrong = wrong_key(asked)
    answer_question(session, position=0, fields={"label": [wrong]}, now=NOW)
    again = answer_question(session, position=0, fields={"label": [asked.truth.key]}, now=NOW)
    session.refresh_from_db()
    assert (session.right, session.wrong) == (0, 1)
    assert again.label is not None
    assert again.label.key == wrong
    assert session.answers.count() == 2


def test_whoever_answers_well_is_qualified_and_their_answers_count() -> None:
    home, awa = make_home(), make_annotator()
    assert not may_answer(awa, home.campaign)
    session = go_through(awa, home)
    assert session.result == "qualified"
    assert not session.provisional
    # By Wald's bounds, and no sooner.
    rules = Rules(**session.rules)
    assert decide(State(session.right - 1, 0), rules=rules) == Decision.OPEN
    standing = standing_of(awa, home.campaign)
    assert (standing.state, standing.session, standing.since) == (State_.QUALIFIED, session, NOW)
    assert may_answer(awa, home.campaign)


def test_whoever_guesses_practises_and_tries_again_after_a_pause() -> None:
    home, awa = make_home(), make_annotator()
    session = go_through(awa, home, right=False)
    assert session.result == "not_yet"
    assert not may_answer(awa, home.campaign)
    soon = NOW + timedelta(hours=23)
    offer = offer_to(awa, home, now=soon)
    assert (offer.kind, offer.practice) == ("", True)
    assert offer.wait_until == NOW + timedelta(hours=24)
    with pytest.raises(ConflictError, match="later"):
        begin_session(awa, home, kind="qualify", now=soon)
    practice = go_through(awa, home, kind="practice", now=soon)
    assert practice.result == "done"
    assert standing_of(awa, home.campaign).state == State_.NOT_YET
    later = NOW + timedelta(hours=24)
    again = begin_session(awa, home, kind="qualify", now=later)
    # On texts that they have not seen.
    assert not set(again.plan) & set(session.answers.values_list("gold", flat=True))


def test_nobody_is_ever_shown_a_gold_item_three_times() -> None:
    home, awa = make_home(gold=12, qualify_after_hours=0), make_annotator()
    for number in range(6):
        for kind in ("qualify", "practice"):
            with suppress(ConflictError):
                go_through(awa, home, right=False, kind=kind, now=NOW + timedelta(days=number))
    assert max(exposures(awa, home).values()) == 2
    assert seen_once(awa, home) == []
    with pytest.raises(ConflictError, match="known answer left"):
        begin_session(awa, home, kind="qualify", now=NOW + timedelta(days=9))


def test_nobody_is_let_through_on_answers_that_they_were_told() -> None:
    home, awa = make_home(gold=3, qualify_after_hours=0), make_annotator()
    while unseen_gold(awa, home):
        assert go_through(awa, home, right=False).result != "qualified"
    assert seen_once(awa, home)
    with pytest.raises(ConflictError, match="An admin can import more"):
        begin_session(awa, home, kind="qualify", now=NOW)
    assert [row.stuck for row in people_of(home)] == [True]
    make_gold(home.campaign)
    assert [row.stuck for row in people_of(home)] == [False]
    asked = begin_session(awa, home, kind="qualify", now=NOW)
    assert len(asked.plan) == 1


def test_what_the_queue_showed_meanwhile_is_not_asked_by_an_open_session() -> None:
    home, awa = make_home(gold=3), make_annotator()
    session = begin_session(awa, home, kind="qualify", now=NOW)
    met = GoldItem.objects.get(pk=session.plan[1])
    answer(ask_gold(home, met), awa, "dates")
    say(session)
    asked = question_of(session)
    assert asked is not None
    assert asked.gold_id == session.plan[2]


def test_what_the_queue_showed_is_not_asked_in_a_session() -> None:
    home, awa = make_home(), make_annotator()
    gold = unseen_gold(awa, home)[0]
    answer(ask_gold(home, gold), awa, "dates", state="skipped", label=None)
    assert gold not in unseen_gold(awa, home)
    assert gold in unseen_gold(make_annotator("inti"), home)
    assert gold.pk not in begin_session(awa, home, kind="qualify", now=NOW).plan


def test_sessions_use_up_the_same_gold_and_leave_the_rest_for_the_queue() -> None:
    home = make_home(gold=90)
    plans = [
        set(begin_session(make_annotator(name), home, kind="qualify", now=NOW).plan)
        for name in ("awa", "inti")
    ]
    assert plans[0] == plans[1]
    assert len(plans[0]) == 40
    orders = list(CalibrationSession.objects.values_list("plan", flat=True))
    assert orders[0] != orders[1]


def test_what_lies_at_the_desk_is_taken_last() -> None:
    home, awa = make_home(gold=9), make_annotator()
    first = unseen_gold(awa, home)[0]
    ask_gold(home, first)
    assert unseen_gold(awa, home)[-1] == first


def test_whoever_was_told_an_answer_is_not_tested_on_it_in_the_queue() -> None:
    home, awa = make_home(), make_annotator()
    session = begin_session(awa, home, kind="qualify", now=NOW)
    shown = say(session)
    assert shown.gold.sample_id in knows_the_answer(awa, home)
    assert knows_the_answer(make_annotator("inti"), home) == set()


def test_little_gold_makes_a_session_provisional_and_shorter() -> None:
    home, awa = make_home(gold=10), make_annotator()
    assert not supply_of(home).enough
    session = go_through(awa, home)
    assert session.provisional
    assert session.rules["cap"] == 10
    assert session.result in ("qualified", "supervised")


def test_without_gold_it_is_said_plainly() -> None:
    home, awa = make_home(gold=0), make_annotator()
    with pytest.raises(ConflictError, match="known answer left"):
        begin_session(awa, home, kind="qualify", now=NOW)
    assert supply_of(home).labels_without == ("Admin", "Accounts", "Dates")


def test_what_examples_show_and_what_speakers_made_is_never_asked() -> None:
    home, awa = make_home(gold=6), make_annotator()
    shown, made, gone, *left = GoldItem.objects.order_by("pk")
    WorkedExample.objects.create(campaign_language=home, gold=shown, explanation="It says so.")
    GoldItem.objects.filter(pk=made.pk).update(origin=GoldItem.SPEAKERS)
    GoldItem.objects.filter(pk=gone.pk).update(retired_at=NOW)
    assert {gold.pk for gold in unseen_gold(awa, home)} == {gold.pk for gold in left}
    assert shown.sample_id in knows_the_answer(awa, home)


def test_gold_that_is_retired_while_a_session_goes_on_is_passed_over() -> None:
    home, awa = make_home(gold=12), make_annotator()
    session = begin_session(awa, home, kind="qualify", now=NOW)
    GoldItem.objects.exclude(pk=session.plan[0]).update(retired_at=NOW)
    say(session)
    session.refresh_from_db()
    assert session.result == "supervised"
    assert session.answers.count() == 1


def test_the_rules_are_those_of_the_campaign() -> None:
    home, awa = make_home(qualify_low="0.60", qualify_cap=20), make_annotator()
    session = begin_session(awa, home, kind="qualify", now=NOW)
    assert (session.rules["low"], session.rules["cap"]) == (0.6, 20)
    assert session.rules["chance"] == pytest.approx(7 / 20)
    inti = make_annotator("inti")
    set_calibration(home.campaign, values={"qualify_low": "0.40"}, now=NOW)
    home.refresh_from_db()
    assert begin_session(inti, home, kind="qualify", now=NOW).rules["low"] == 0.4
    session.refresh_from_db()
    assert session.rules["low"] == 0.6


def test_settings_that_make_no_sense_are_refused() -> None:
    home = make_home(gold=0)
    with pytest.raises(InvalidInputError, match="less than what is good"):
        set_calibration(home.campaign, values={"qualify_low": "0.85"}, now=NOW)
    with pytest.raises(InvalidInputError, match="qualify_cap"):
        set_calibration(home.campaign, values={"qualify_cap": 2}, now=NOW)
    with pytest.raises(InvalidInputError, match="no setting"):
        set_calibration(home.campaign, values={"margin": 1}, now=NOW)


def test_switched_on_later_nobody_loses_what_they_gave() -> None:
    home = make_home(gold=0, calibrate=False)
    awa, inti = make_annotator(), make_annotator("inti")
    answer(make_item(make_sample(home.campaign)), awa, "dates")
    for _ in range(2):
        set_calibration(home.campaign, values={"calibrate": True}, now=NOW)
    home.campaign.refresh_from_db()
    assert standing_of(awa, home.campaign).state == State_.SUPERVISED
    assert standing_of(inti, home.campaign).state == State_.NEWCOMER
    assert StandingChange.objects.count() == 1


def test_a_standing_told_twice_is_written_down_once() -> None:
    home, awa = make_home(gold=0), make_annotator()
    for _ in range(2):
        stand(awa, home.campaign, state="supervised", reason="A talk.", now=NOW)
    stand(awa, home.campaign, state="qualified", reason="Went well.", now=NOW)
    assert list(StandingChange.objects.values_list("state", flat=True)) == [
        "qualified",
        "supervised",
    ]


def test_only_an_answered_question_can_be_objected_to() -> None:
    home, awa = make_home(), make_annotator()
    session = begin_session(awa, home, kind="qualify", now=NOW)
    asked = question_of(session)
    assert asked is not None
    with pytest.raises(ConflictError, match="Answer first"):
        object_to(asked, says="No")
    object_to(say(session), says=" It is a date here. ")
    assert session.answers.first().objection == "It is a date here."


def test_answers_that_make_no_sense_change_nothing() -> None:
    home, awa = make_home(), make_annotator()
    session = begin_session(awa, home, kind="qualify", now=NOW)
    with pytest.raises(InvalidInputError, match="labels"):
        answer_question(session, position=0, fields={"label": ["nonsense"]}, now=NOW)
    with pytest.raises(ConflictError, match="not asked yet"):
        answer_question(session, position=7, fields={"label": ["dates"]}, now=NOW)
    session.refresh_from_db()
    assert (session.right, session.wrong) == (0, 0)


def test_a_changed_guideline_asks_for_a_short_look_at_what_changed() -> None:
    home, awa = make_home(), make_annotator()
    set_guideline(home, text="General.\n\nAdmin is about offices.")
    go_through(awa, home)
    changed = set_guideline(home, text="General.\n\nAdmin is about offices and taxes.")
    assert offer_to(awa, home, now=NOW).kind == ""
    Recalibration.objects.create(guideline=changed, paragraphs=[1])
    offer = offer_to(awa, home, now=NOW)
    assert offer.kind == "changed"
    session = begin_session(awa, home, kind="changed", now=NOW)
    assert len(session.plan) == 8
    labels = GoldItem.objects.filter(pk__in=session.plan).values_list("label__key", flat=True)
    assert list(labels).count("admin") >= 4
    while session.ended_at is None:
        say(session, right=False)
        session.refresh_from_db()
    assert standing_of(awa, home.campaign).state == State_.SUPERVISED
    assert offer_to(awa, home, now=NOW).kind != "changed"


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(said=st.lists(st.booleans(), min_size=16, max_size=16), twice=st.booleans())
def test_a_session_comes_to_what_its_counts_come_to(said: list[bool], twice: bool) -> None:
    """Whatever is said, and however often it is sent: rows and rules agree at every step."""
    StandingChange.objects.all().delete()
    home, awa = make_home(gold=15, qualify_cap=12), make_annotator(f"awa{make_number()}")
    session = begin_session(awa, home, kind="qualify", now=NOW)
    for right in said:
        asked = question_of(session)
        if asked is None:
            break
        key = asked.truth.key if right else wrong_key(asked)
        for _ in range(1 + twice):
            answer_question(session, position=asked.position, fields={"label": [key]}, now=NOW)
        session.refresh_from_db()
    state = State()
    for one in session.answers.filter(label__isnull=False):
        state = state.after(one.label_id == one.truth_id, rules=Rules(**session.rules))
    assert (session.right, session.wrong) == (state.right, state.wrong)
    expected = {"open": "", "not-yet": "not_yet"}.get(state.decision, str(state.decision))
    assert session.result == expected
    assert set(exposures(awa, home).values()) <= {1}


def make_number(numbers: list[int] = [0]) -> int:  # noqa: B006 - counts on purpose
    numbers[0] += 1
    return numbers[0]
