"""Standings at the doors of the queue: whose answers wait, and what is hidden from whom."""

import pytest

from annotation.actions.exposures import told_people
from annotation.actions.groups import open_group
from annotation.actions.handouts import is_open
from annotation.actions.intake import sweep
from annotation.actions.queue import push_items
from annotation.actions.reservations import Among, top_up
from annotation.actions.sessions import begin_session
from annotation.actions.standings import counting, stand
from annotation.models import Annotation, Annotator, CampaignLanguage, Item, QuarantinedAnswer
from tests.annotation.calibrating import NOW, ask_gold, go_through, make_home, say
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_item, make_sample

pytestmark = pytest.mark.django_db


def at_the_desk(home: CampaignLanguage, desk: FakeLabelingDesk) -> Item:
    item = make_item(make_sample(home.campaign))
    push_items(home, desk=desk, now=NOW)
    item.refresh_from_db()
    home.refresh_from_db()
    return item


def test_what_a_newcomer_answers_waits_and_counts_once_they_are_through() -> None:
    home, awa, desk = make_home(), make_annotator(), FakeLabelingDesk()
    item = at_the_desk(home, desk)
    desk.annotate(item.desk_task_id or 0, user_id=awa.user.desk_user_id, label="dates")
    sweep(home, desk=desk, now=NOW)
    assert QuarantinedAnswer.objects.get().reason == "not_qualified"
    assert not Annotation.objects.exists()
    go_through(awa, home)
    assert Annotation.objects.get().label.key == "dates"
    assert not QuarantinedAnswer.objects.filter(resolved_at=None).exists()


def test_where_no_sessions_are_asked_for_everybody_counts() -> None:
    home, awa, desk = make_home(calibrate=False), make_annotator(), FakeLabelingDesk()
    item = at_the_desk(home, desk)
    desk.annotate(item.desk_task_id or 0, user_id=awa.user.desk_user_id, label="dates")
    sweep(home, desk=desk, now=NOW)
    assert Annotation.objects.get().annotator == awa
    assert list(counting(home.campaign, Annotator.objects.all())) == [awa]


def test_no_item_waits_for_those_whose_answers_do_not_count() -> None:
    home, awa, desk = make_home(), make_annotator(), FakeLabelingDesk()
    make_annotator("inti")
    stand(awa, home.campaign, state="qualified", reason="Test.", now=NOW)
    item = make_item(make_sample(home.campaign), wanted=2)
    push_items(home, desk=desk, now=NOW)
    item.refresh_from_db()
    home.refresh_from_db()
    desk.annotate(item.desk_task_id or 0, user_id=awa.user.desk_user_id, label="dates")
    sweep(home, desk=desk, now=NOW)
    item.refresh_from_db()
    assert item.state == Item.State.ANSWERED


def test_texts_are_handed_out_only_to_those_whose_answers_count() -> None:
    home, awa = make_home(status="running"), make_annotator()
    assert not is_open(awa, home=home)
    for state, opens in (("not_yet", False), ("supervised", True), ("qualified", True)):
        stand(awa, home.campaign, state=state, reason="Test.", now=NOW)
        assert is_open(awa, home=home) is opens


def test_nobody_is_handed_gold_whose_answer_they_were_told() -> None:
    home, awa, inti = make_home(status="running"), make_annotator(), make_annotator("inti")
    told = say(begin_session(awa, home, kind="qualify", now=NOW))
    ask_gold(home, told.gold, wanted=2)
    got = {
        who.user.username: len(top_up(who, home=home, now=NOW, most=9, among=Among.AT_DESK).added)
        for who in (awa, inti)
    }
    assert got == {"awa": 0, "inti": 1}


def test_whoever_saw_gold_in_a_session_or_a_group_was_told_its_answer_once() -> None:
    home, awa, inti = make_home(gold=3), make_annotator(), make_annotator("inti")
    group = open_group(home, title="W", members=[awa, inti], number=1, disputed=False)
    shown = group.texts.get().sample
    told = say(begin_session(awa, home, kind="qualify", now=NOW)).gold.sample
    assert told != shown
    counted = told_people(home)
    assert (counted[shown.pk], counted[told.pk]) == (2, 1)
    inti.active = False
    inti.save()
    assert told_people(home)[shown.pk] == 1
