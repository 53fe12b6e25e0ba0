import logging
from datetime import timedelta
from threading import BoundedSemaphore
from types import SimpleNamespace

import pytest
from celery.exceptions import Reject, Retry
from django.utils import timezone

from annotation import tasks
from annotation.actions import health
from annotation.actions.nudges import note_nudge
from annotation.models import Campaign, CampaignLanguage, Heartbeat, Item, SampleImport
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_campaign, make_item, make_sample

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch) -> FakeLabelingDesk:
    fake = FakeLabelingDesk()
    monkeypatch.setattr("annotation.gateways.label_studio.open_desk", lambda: fake)
    return fake


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, int]]:
    """What was handed to the workers."""
    heard: list[tuple[str, int]] = []
    for task in (tasks.push, tasks.sweep, tasks.patrol):
        name = task.__name__
        monkeypatch.setattr(
            task, "delay", lambda name=name, **k: heard.append((name, k["campaign_language_id"]))
        )
    return heard


@pytest.fixture
def home() -> CampaignLanguage:
    return CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",), status="running"))


def test_a_push_prepares_the_project_and_fills_it(home, desk):
    item = make_item(make_sample(home.campaign))
    tasks.push(campaign_language_id=home.pk, from_a_newer_version=True)
    item.refresh_from_db()
    home.refresh_from_db()
    assert item.state == Item.State.PUSHED
    assert desk.projects[home.desk_project_id].webhooks
    assert Heartbeat.objects.get(name=health.DESK).seen_at


def test_a_sweep_brings_answers_home_and_asks_for_the_next_items(home, desk, sent):
    item = make_item(make_sample(home.campaign))
    awa = make_annotator("awa")
    tasks.push(campaign_language_id=home.pk)
    item.refresh_from_db()
    desk.annotate(item.desk_task_id, user_id=awa.user.desk_user_id, label="admin")
    make_item(make_sample(home.campaign))
    tasks.sweep(campaign_language_id=home.pk)
    item.refresh_from_db()
    assert item.state == Item.State.ANSWERED
    assert sent == [("push", home.pk)]


def test_an_answer_that_the_desk_stamped_an_hour_back_is_found_when_it_calls(
    home, desk, sent, monkeypatch
):
    monkeypatch.setattr(tasks, "_looked_far_back", {})
    items = [make_item(make_sample(home.campaign)) for _ in range(2)]
    awa = make_annotator("awa")
    tasks.push(campaign_language_id=home.pk)
    for item in items:
        item.refresh_from_db()
    desk.annotate(items[0].desk_task_id, user_id=awa.user.desk_user_id, label="admin")
    tasks.sweep(campaign_language_id=home.pk)
    desk._now -= timedelta(hours=1)
    desk.annotate(items[1].desk_task_id, user_id=awa.user.desk_user_id, label="admin")
    desk._now += timedelta(hours=1)
    tasks.sweep(campaign_language_id=home.pk)
    items[1].refresh_from_db()
    assert items[1].state == Item.State.PUSHED  # nobody called, and it is an hour away
    note_nudge(home.pk, action="ANNOTATION_CREATED", now=timezone.now())

    calls = len(desk.calls)
    tasks.sweep(campaign_language_id=home.pk)
    items[1].refresh_from_db()
    assert items[1].state == Item.State.ANSWERED
    # Who calls again at once, for nothing, has nobody look far back again.
    looks = len(desk.calls) - calls
    note_nudge(home.pk, action="ANNOTATION_CREATED", now=timezone.now() + timedelta(minutes=1))
    tasks.sweep(campaign_language_id=home.pk)
    assert len(desk.calls) - calls - looks < looks


def test_the_desk_being_away_is_said_once_and_shown_until_it_is_back(home, desk, caplog):
    tasks.push(campaign_language_id=home.pk)
    with desk.down(), caplog.at_level(logging.INFO, logger="annotation.tasks"):
        for _ in range(3):
            with pytest.raises((Retry, Exception)):
                tasks.sweep(campaign_language_id=home.pk)
    assert caplog.text.count("away") == 1
    home.refresh_from_db()
    since = home.desk_error_at
    assert "away" in home.desk_error
    assert since
    assert Heartbeat.objects.get(name=health.DESK).failed_at
    with caplog.at_level(logging.INFO, logger="annotation.tasks"):
        tasks.sweep(campaign_language_id=home.pk)
    home.refresh_from_db()
    assert (home.desk_error, home.desk_error_at) == ("", None)
    assert "answers again" in caplog.text


def test_one_language_is_swept_by_one_at_a_time_and_nobody_is_forgotten(home, desk, monkeypatch):
    asked, inside = [], []
    monkeypatch.setattr(tasks, "ask_for_sweep", asked.append)

    def work(home_id: int) -> None:
        inside.append(home_id)
        if len(inside) == 1:
            for _ in range(3):
                tasks.sweep(campaign_language_id=home.pk)
            assert asked == []
            raise RuntimeError("the desk went away")

    monkeypatch.setattr(tasks, "_sweep", work)
    with pytest.raises(RuntimeError):
        tasks.sweep(campaign_language_id=home.pk)
    assert (inside, asked) == ([home.pk], [home.pk])
    tasks.sweep(campaign_language_id=home.pk)
    assert (inside, asked) == ([home.pk] * 2, [home.pk])

    def work_again(_home_id: int) -> None:
        tasks.sweep(campaign_language_id=home.pk)
        raise Retry

    # What comes again by itself is asked for by nobody else.
    monkeypatch.setattr(tasks, "_sweep", work_again)
    with pytest.raises(Retry):
        tasks.sweep(campaign_language_id=home.pk)
    assert asked == [home.pk]


def test_a_refusal_is_shown_and_not_tried_again(home, desk):
    tasks.push(campaign_language_id=home.pk)
    desk.projects.clear()
    tasks.sweep(campaign_language_id=home.pk)
    home.refresh_from_db()
    assert "no project" in home.desk_error


def test_the_timetable_tends_running_campaigns_only(home, desk, sent):
    make_campaign(languages=("qu",))
    tasks.push(campaign_language_id=home.pk)
    tasks.sweep_all()
    assert sent == [("push", home.pk), ("sweep", home.pk), ("patrol", home.pk)]
    CampaignLanguage.objects.update(patrolled_at=timezone.now())
    sent.clear()
    tasks.sweep_all()
    assert ("patrol", home.pk) not in sent


def test_a_desk_that_failed_is_compared_soon_and_not_all_the_time(home, desk, sent):
    tasks.push(campaign_language_id=home.pk)
    now = timezone.now()

    def is_due(*, patrolled: int) -> bool:
        """Whether a patrol is due so many minutes after the last one."""
        CampaignLanguage.objects.update(patrolled_at=now - timedelta(minutes=patrolled))
        sent.clear()
        tasks.sweep_all()
        return ("patrol", home.pk) in sent

    assert (is_due(patrolled=59), is_due(patrolled=61)) == (False, True)
    CampaignLanguage.objects.update(patrolled_at=now - timedelta(minutes=5))
    with desk.down(), pytest.raises((Retry, Exception)):
        tasks.sweep(campaign_language_id=home.pk)
    home.refresh_from_db()
    soon = home.patrolled_at
    assert timedelta(minutes=57) < now - soon < timedelta(minutes=59)
    sent.clear()
    tasks.sweep_all()
    assert ("patrol", home.pk) not in sent
    # What was compared longer ago is not put off by it.
    CampaignLanguage.objects.update(patrolled_at=now - timedelta(minutes=62))
    with desk.down(), pytest.raises((Retry, Exception)):
        tasks.sweep(campaign_language_id=home.pk)
    home.refresh_from_db()
    assert home.patrolled_at == now - timedelta(minutes=62)


def test_a_finished_campaign_is_swept_for_a_week_and_gets_nothing_new(home, desk, sent):
    item, later = make_item(make_sample(home.campaign)), make_item(make_sample(home.campaign))
    tasks.push(campaign_language_id=home.pk)
    Item.objects.filter(pk=later.pk).update(state="queued", desk_task_id=None, pushed_at=None)
    Campaign.objects.update(status="finished")
    tasks.sweep_all()
    tasks.sweep(campaign_language_id=home.pk)
    assert sent == [("sweep", home.pk), ("patrol", home.pk)]
    sent.clear()
    Item.objects.filter(pk=item.pk).update(pushed_at=timezone.now() - timedelta(days=8))
    tasks.sweep_all()
    assert sent == []


def test_the_patrol_finds_what_vanished(home, desk):
    item = make_item(make_sample(home.campaign))
    tasks.push(campaign_language_id=home.pk)
    item.refresh_from_db()
    desk.drop_task(item.desk_task_id)
    tasks.patrol(campaign_language_id=home.pk)
    item.refresh_from_db()
    assert item.state == Item.State.WITHDRAWN


def test_a_language_that_is_gone_is_no_error(desk):
    tasks.push(campaign_language_id=12345)
    assert desk.calls == []


def test_long_files_take_a_few_threads_and_the_next_in_line_follows(monkeypatch):
    first, second = (
        SampleImport.objects.create(campaign=make_campaign(), filename="a", path="a", format="csv")
        for _ in range(2)
    )
    read, told = [], []

    def read_it(import_id, **_):
        read.append(import_id)
        SampleImport.objects.filter(pk=import_id).update(status="done")
        if import_id == first.pk:
            tasks.run_import(import_id=second.pk)  # no room: it must wait, not stand in a thread

    monkeypatch.setattr("annotation.actions.imports.run_import", read_it)
    monkeypatch.setattr(tasks, "_reading", BoundedSemaphore(1))
    monkeypatch.setattr(tasks.run_import, "delay", lambda **k: told.append(k["import_id"]))
    tasks.run_import(import_id=first.pk)
    assert (read, told) == ([first.pk], [second.pk])
    tasks.run_import(import_id=second.pk)
    assert (read, told) == ([first.pk, second.pk], [second.pk])


def test_a_worker_that_is_leaving_begins_no_import(monkeypatch):
    monkeypatch.setattr("annotation.actions.imports.run_import", pytest.fail)
    tasks.leave(sig="SIGTERM")
    try:
        tasks.run_import(import_id=1)
    finally:
        tasks.stay()


def test_work_at_the_desk_proves_its_worker_alive(home, desk):
    tasks.sweep(campaign_language_id=home.pk)
    assert Heartbeat.objects.get(name=health.IO_QUEUE).seen_at
    Heartbeat.objects.all().delete()
    tasks.attend()
    assert Heartbeat.objects.get().name == health.IO_QUEUE


def test_the_desk_and_the_broker_may_be_away_together(home, desk, monkeypatch, caplog):
    def no_broker(**_):
        raise Reject(ConnectionRefusedError("no Redis"), requeue=False)

    at_work = SimpleNamespace(request=SimpleNamespace(retries=0), name="push", retry=no_broker)
    monkeypatch.setattr(tasks, "current_task", at_work)
    with desk.down():
        tasks.push(campaign_language_id=home.pk)
    home.refresh_from_db()
    assert "away" in home.desk_error
    assert "push could not be sent again" in caplog.text
    assert "no Redis" in caplog.text
