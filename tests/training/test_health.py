"""The health of every part: told to people on a page, to machines in two words."""

from datetime import timedelta
from threading import Event

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from annotation.actions import health as parts
from annotation.models import Campaign, Heartbeat
from learning.models import Round
from tests.rich import make_rich_campaign
from training.actions.health import report
from training.models import TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return make_rich_campaign()


def test_health_tells_who_is_silent_and_who_works() -> None:
    now = timezone.now()
    before = {p.name: p.health for p in report(now)}
    assert before["Worker of queue gpu"] == parts.Health.BAD
    for name in (parts.TIMETABLE, *parts.QUEUES, parts.DESK):
        parts.beat(name, now=now)
        parts.beat(name, now=now)
    assert Heartbeat.objects.count() == 5
    after = {p.name: p.health for p in report(now)}
    workers = [f"Worker of queue {queue}" for queue in ("default", "io", "gpu")]
    for name in ("Timetable", *workers, "Label Studio"):
        assert after[name] == parts.Health.GOOD, name
    late = {p.name: p.health for p in report(now + timedelta(minutes=3))}
    assert late["Timetable"] == parts.Health.BAD


def test_a_desk_that_failed_last_is_out_until_it_answers() -> None:
    now = timezone.now()
    parts.beat(parts.DESK, now=now)
    parts.record_failure(parts.DESK, error="refused " * 200, now=now + timedelta(seconds=1))
    desk = next(p for p in parts.report(now) if p.name == "Label Studio")
    assert desk.health == parts.Health.BAD
    assert desk.detail.startswith("refused")
    parts.beat(parts.DESK, now=now + timedelta(seconds=2))
    desk = next(p for p in parts.report(now) if p.name == "Label Studio")
    assert desk.health == parts.Health.GOOD
    assert "last error" in desk.detail


def test_a_worker_on_a_long_task_is_not_called_silent(campaign: Campaign) -> None:
    now = timezone.now()
    run = TrainingRun.objects.latest("pk")
    TrainingRun.objects.filter(pk=run.pk).update(
        status=TrainingRun.Status.RUNNING, lease_until=now + timedelta(seconds=30)
    )
    gpu = next(p for p in report(now) if p.name == "Worker of queue gpu")
    assert gpu.health == parts.Health.GOOD


def test_a_round_that_does_not_move_is_named(campaign: Campaign) -> None:
    now = timezone.now()
    rounds = {p.name: p for p in report(now)}["Rounds"]
    assert rounds.health == parts.Health.GOOD
    campaign.rounds.filter(number=5).update(status=Round.Status.SCORING)
    later = {p.name: p for p in report(now + timedelta(minutes=20))}["Rounds"]
    assert later.health == parts.Health.WARN
    assert "round 5" in later.detail


def test_readyz_says_which_part_is_out_and_no_secret(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = settings.ENV.model_copy(update={"redis_url": "redis://:hunter2@127.0.0.1:1/0"})
    monkeypatch.setattr(settings, "ENV", env)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    reasons = {"redis": "not available"}
    assert answer.json() == {"status": "unavailable", "reasons": reasons, "desk": "not asked yet"}
    assert client.get("/healthz").status_code == 200


def test_readyz_waits_for_migrations_and_says_that_the_desk_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.record_failure(parts.DESK, error="refused at 10.0.0.7", now=timezone.now())
    monkeypatch.setattr(parts, "_migrated", Event())
    MigrationRecorder.Migration.objects.filter(app="training").latest("pk").delete()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"]["tables"] == "not available"
    assert answer.json()["desk"] == "not available"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="asks a server about its own disk")
def test_a_server_that_answers_and_cannot_write_is_said_to_be_out(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_room", parts._Room())
    assert parts.check_database().health == parts.Health.GOOD
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL temp_file_limit = '64kB'")
    # Asked again at once, it is not made to write again.
    assert parts.check_database().health == parts.Health.GOOD
    parts._room.until = 0.0
    told = parts.check_database()
    assert told.health == parts.Health.BAD
    assert told.remedy.endswith("is the disk not full?")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"]["database"] == "not available"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL temp_file_limit = -1")
        cursor.execute("SET LOCAL transaction_read_only = on")
    parts._room.until = 0.0
    assert "read-only" in parts.check_database().detail


@pytest.mark.redis
def test_readyz_is_ready_when_database_and_broker_answer(
    client: Client, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = settings.ENV.model_copy(update={"redis_url": redis_server})
    monkeypatch.setattr(settings, "ENV", env)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
