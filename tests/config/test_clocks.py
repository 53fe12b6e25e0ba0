"""A clock jumps and is put right again: nothing waits for the hour that it was ahead."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from django.utils import timezone

from annotation.actions.health import DEFAULT_QUEUE, Health, beat, report
from annotation.actions.imports import reclaim_imports
from annotation.models import Annotation, Campaign, CampaignLanguage, SampleImport
from config.timetable import SteadyScheduler
from learning.actions.scoring import open_scoring, reclaim_shards
from learning.models import ModelVersion, ScoringShard
from tests.annotation.test_intake import World
from tests.make import make_campaign, make_sample
from training.actions.claims import claim_run, claimable
from training.actions.dispatches import Work, due
from training.models import DataSnapshot, TrainingRun

pytestmark = pytest.mark.django_db
NOW = timezone.now()
HOUR = timedelta(hours=1)


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(languages=("wo",), status="running")


@pytest.fixture
def version(campaign: Campaign) -> ModelVersion:
    return ModelVersion.objects.create(campaign=campaign, number=1, digest="0" * 64, path="00/0")


def test_work_that_was_claimed_by_a_clock_ahead_is_given_out_again(
    campaign: Campaign, version: ModelVersion
) -> None:
    job = SampleImport.objects.create(campaign=campaign, status="running", lease_until=NOW + HOUR)
    make_sample(campaign)
    shard = open_scoring(version, now=NOW).shards.get()
    ScoringShard.objects.filter(pk=shard.pk).update(status="running", lease_until=NOW + HOUR)
    data = DataSnapshot.objects.create(campaign=campaign, digest="d", samples=1, fresh_samples=1)
    run = TrainingRun.objects.create(campaign=campaign, snapshot=data, base=version, seed=1)
    first = claim_run(run.pk, now=lambda: NOW + HOUR)
    assert reclaim_imports(NOW) == [job.pk]
    assert reclaim_shards(shard.scoring, now=NOW) == [shard.pk]
    assert claimable(run.pk, now=lambda: NOW)
    # Whoever had it by the wrong clock writes no more.
    assert claim_run(run.pk, now=lambda: NOW)
    assert first is not None
    assert not first.renew()
    assert not claimable(run.pk, now=lambda: NOW + timedelta(seconds=30))


def test_a_timetable_whose_clock_is_put_back_goes_on_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.CELERY_BEAT_SCHEDULER == "config.timetable:SteadyScheduler"
    app, sent = Celery("other", broker="memory://", set_as_current=False), []
    app.conf.beat_schedule = {
        "often": {"task": "a", "schedule": 2.0},
        "rarely": {"task": "b", "schedule": 3.0},
    }
    timetable = SteadyScheduler(app, schedule_filename=str(tmp_path / "timetable"))
    monkeypatch.setattr(timetable, "apply_entry", lambda entry, **_: sent.append(entry.task))
    for entry in timetable.schedule.values():
        entry.last_run_at = app.now() + timedelta(seconds=90)
    timetable.populate_heap()
    assert timetable.tick() <= 2
    # Both are due again in time, not only the one that stood first.
    for entry in timetable.schedule.values():
        entry.last_run_at = app.now() - timedelta(seconds=5)
    timetable.populate_heap()
    assert [timetable.tick(), timetable.tick()] == [0, 0]
    assert sorted(sent) == ["a", "b"]
    timetable.close()


def test_a_message_that_a_clock_ahead_sent_is_owed_again_at_once() -> None:
    work = Work("training.tasks.train", {"run_id": 1})
    assert due([work], now=NOW + HOUR) == [work]
    assert due([work], now=NOW) == [work]
    assert due([work], now=NOW + timedelta(seconds=1)) == []


def test_a_sign_of_life_from_the_future_is_none() -> None:
    beat(DEFAULT_QUEUE, now=NOW + HOUR)
    part = next(one for one in report(NOW) if one.name == "Worker of queue default")
    assert (part.health, part.detail) == (Health.BAD, "silent")


def test_answers_are_found_after_the_desks_clock_was_ahead() -> None:
    world = World(items=2)
    world.answers()
    world.sweep()
    swept = datetime.fromisoformat(CampaignLanguage.objects.get(pk=world.home.pk).swept_until)
    ahead = (swept + HOUR).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    CampaignLanguage.objects.filter(pk=world.home.pk).update(swept_until=ahead, swept_at=swept)
    world.home.refresh_from_db()
    world.desk.annotate(world.items[1].desk_task_id, user_id=world.awa_at_desk, label="admin")
    assert world.sweep().stored == 1
    assert Annotation.objects.count() == 2
