"""The queue: what is pushed, in which order, and never twice."""

import pytest
from django.db import connection
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.intake import sweep
from annotation.errors import TransientError
from annotation.models import (
    CampaignLanguage,
    Item,
)
from tests.annotation.owing import owe, push
from tests.make import make_item, make_sample

pytestmark = pytest.mark.django_db


def test_a_sweep_of_our_own_items_asks_nothing_more(home, desk):
    owe(home)
    push(home, desk)
    desk.calls.clear()
    sweep(home, desk=desk, now=timezone.now())
    assert desk.calls == ["changed_tasks"]


def test_the_most_useful_items_are_asked_first(home, desk):
    for priority in (0.3, 0.1, 0.2):
        owe(home, priority=priority)
    push(home, desk)
    texts = [i.sample.text for i in Item.objects.order_by("priority")]
    assert desk.queue(CampaignLanguage.objects.get().desk_project_id) == texts


def test_only_the_top_slice_is_pushed(home, desk, settings):
    settings.ENV = settings.ENV.model_copy(update={"queue_slice": 2})
    items = [owe(home, priority=p) for p in (0.3, 0.1, 0.2)]
    assert push(home, desk).owed == 1
    assert push(home, desk).pushed == 0
    states = [Item.objects.get(pk=i.pk).state for i in items]
    assert states == ["queued", "pushed", "pushed"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_push_that_timed_out_is_not_doubled(home, desk, when):
    prepare_desk(home, desk=desk)
    items = [owe(home), owe(home)]
    desk.fail_once("push", when=when)
    with pytest.raises(TransientError):
        push(home, desk)
    result = push(home, desk)
    assert (result.adopted, result.pushed) == ((2, 0) if when == "after" else (0, 2))
    project = desk.projects[CampaignLanguage.objects.get().desk_project_id]
    assert sorted(t.uid for t in project.tasks.values()) == sorted(str(i.uid) for i in items)
    assert not Item.objects.exclude(state="pushed").exists()
    assert desk.queue(project.id)


def test_a_pusher_killed_between_desk_and_commit_leaves_no_doubles(home, desk, monkeypatch):
    owe(home)
    prepare_desk(home, desk=desk)

    class Killed(BaseException):
        pass

    def die(*_a, **_k):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("annotation.actions.queue._record", die)
        with pytest.raises(Killed):
            push(home, desk)
    assert push(home, desk).busy
    CampaignLanguage.objects.update(pushing_until=timezone.now())
    assert push(home, desk).adopted == 1
    assert len(desk.projects[CampaignLanguage.objects.get().desk_project_id].tasks) == 1


def test_two_pushers_at_once_push_once(home, desk):
    owe(home)
    prepare_desk(home, desk=desk)
    plain = desk.push

    def push_while_another_tries(project_id, items):
        assert push(home, desk).busy
        return plain(project_id, items)

    desk.push = push_while_another_tries
    assert push(home, desk).pushed == 1


def test_what_was_open_takes_its_place_in_the_new_rounds_order(home, desk):
    old = owe(home, priority=0.5, batch="r1")
    push(home, desk)
    first, last = owe(home, priority=0.1, batch="r2"), owe(home, priority=0.9, batch="r2")
    result = push(home, desk)
    assert (result.pushed, result.reranked) == (2, 1)
    order = desk.queue(CampaignLanguage.objects.get().desk_project_id)
    assert order == [i.sample.text for i in (first, old, last)]


def test_the_order_is_written_even_if_the_desk_failed_right_after_the_push(home, desk):
    old = owe(home, priority=0.5, batch="r1")
    push(home, desk)
    new = owe(home, priority=0.1, batch="r2")
    desk.fail_once("set_priorities")
    with pytest.raises(TransientError):
        push(home, desk)
    push(home, desk)
    order = desk.queue(CampaignLanguage.objects.get().desk_project_id)
    assert order == [new.sample.text, old.sample.text]
    assert desk.projects[CampaignLanguage.objects.get().desk_project_id].batch == "r2"


def test_withdrawn_items_leave_the_desk_unless_answered(home, desk):
    idle, answered = owe(home), owe(home)
    push(home, desk)
    answered.refresh_from_db()
    desk.annotate(answered.desk_task_id, user_id=77, label="admin")
    Item.objects.update(state="withdrawn")
    assert push(home, desk).withdrawn == 1
    project = desk.projects[CampaignLanguage.objects.get().desk_project_id]
    assert [t.uid for t in project.tasks.values()] == [str(answered.uid)]
    idle.refresh_from_db()
    assert idle.desk_task_id is None


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL holds no such text")
def test_text_that_no_desk_can_carry_does_not_block_the_queue(home, desk):
    sample = make_sample(home.campaign, text="before\x00after")
    make_item(sample)
    push(home, desk)
    assert desk.queue(CampaignLanguage.objects.get().desk_project_id) == ["beforeafter"]


def test_an_item_for_two_people_stays_in_the_queue_after_one(home, desk):
    item = owe(home, wanted=2)
    push(home, desk)
    item.refresh_from_db()
    desk.annotate(item.desk_task_id, user_id=77, label="admin")
    assert len(desk.queue(CampaignLanguage.objects.get().desk_project_id)) == 1
