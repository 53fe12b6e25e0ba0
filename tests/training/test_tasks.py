"""The doors for workers: what is sent, how often, and what happens without a broker."""

import pytest
from kombu.exceptions import OperationalError

from annotation.models import Heartbeat
from tests.training.wheel import make_wheel
from training import tasks
from training.models import Dispatch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


@pytest.fixture
def sent(monkeypatch):
    """Everything that would have gone to the broker, as (task, arguments)."""
    messages = []

    def send_task(name, *, kwargs, expires, **_):
        assert expires > 0
        messages.append((name.rpartition(".")[2], kwargs))

    monkeypatch.setattr(tasks.current_app, "send_task", send_task)
    return messages


@pytest.fixture
def campaign():
    return make_wheel(gold=3, dev=0, pool=3)


def test_tick_looks_at_running_campaigns_only(sent, campaign):
    make_wheel(gold=0, dev=0, pool=0, tags=("ar",), status="paused")
    tasks.tick()
    assert sent == [("pulse", {}), ("attend", {}), ("advance", {"campaign_id": campaign.pk})]
    assert set(Heartbeat.objects.values_list("name", flat=True)) == {"timetable", "default"}


def test_ticks_do_not_pile_messages_up(sent, campaign):
    for _ in range(5):
        tasks.advance(campaign_id=campaign.pk)
    assert sent == [("prepare", {"campaign_id": campaign.pk})]


def test_what_is_done_is_followed_at_once(sent, campaign):
    tasks.advance(campaign_id=campaign.pk)
    tasks.prepare(campaign_id=campaign.pk)
    assert sent[-1] == ("advance", {"campaign_id": campaign.pk})
    assert not Dispatch.objects.exists()
    tasks.advance(campaign_id=campaign.pk)
    assert sent[-1][0] == "score_shard"
    shards = len([task for task, _ in sent if task == "score_shard"])
    tasks.advance(campaign_id=campaign.pk)
    assert len([task for task, _ in sent if task == "score_shard"]) == shards


def test_without_a_broker_state_goes_on_and_nothing_is_raised(monkeypatch, campaign, caplog):
    def away(*_, **__):
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.current_app, "send_task", away)
    tasks.tick()
    tasks.prepare(campaign_id=campaign.pk)
    tasks.advance(campaign_id=campaign.pk)
    assert campaign.rounds.get().status == "scoring"
    assert "will be sent again" in caplog.text


def test_old_messages_of_what_is_gone_are_no_error(sent):
    tasks.advance(campaign_id=0, something="new")
    assert sent == []


def test_worker_that_is_leaving_stops_its_training():
    tasks.leave(sig="SIGTERM")
    assert tasks._leaving.is_set()
    tasks.stay()
    assert not tasks._leaving.is_set()
