"""Lease, fencing token, heartbeat, and a broker that delivers twice: one run, one trainer."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError

from tests.training.test_runs import make_run
from tests.training.wheel import Now
from training import tasks
from training.actions import claims, runs
from training.models import TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def train(run, *, now=Now, stop=lambda: False):
    return runs.train(run.pk, now=now, should_stop=stop)


def at_step(step, act, monkeypatch):
    """Have something happen once, in the middle of a training."""
    see, done = claims.Claim.see, []

    def seen(claim, now_at, *, steps, curve):
        if now_at == step and not done:
            done.append(now_at)
            act()
        see(claim, now_at, steps=steps, curve=curve)

    monkeypatch.setattr(claims.Claim, "see", seen)
    return done


def test_message_that_comes_again_while_the_run_goes_on_starts_nothing(monkeypatch):
    run, met = make_run(), []

    def again():
        met.append(train(run))
        tasks.train(run_id=run.pk)

    monkeypatch.setattr(tasks, "send", lambda works, **_: None)
    assert at_step(3, again, monkeypatch) == []
    whole = train(run)
    assert [(one.status, one.token) for one in met] == [("running", 1)]
    assert (whole.status, whole.token) == ("finished", 1)


def test_long_run_keeps_its_lease_by_beating(monkeypatch):
    """Each step takes a third of a lease here; nobody may take the run over at any of them."""
    clock, run, tries = [Now()], make_run(), []
    third = timedelta(seconds=django_settings.ENV.lease_seconds / 3)
    see = claims.Claim.see

    def seen(claim, step, *, steps, curve):
        clock[0] += third
        tries.append(claims.claim_run(run.pk, now=lambda: clock[0]))
        see(claim, step, steps=steps, curve=curve)

    monkeypatch.setattr(claims.Claim, "see", seen)
    whole = train(run, now=lambda: clock[0])
    assert whole.status == "finished"
    assert len(tries) > 4
    assert tries == [None] * len(tries)


def test_worker_that_slept_through_its_lease_writes_nothing_when_it_wakes(monkeypatch):
    """While it slept another took over and finished; its own candidate is never registered."""
    run, expected = make_run(), []
    much_later = Now() + timedelta(days=1)

    def taken_over():
        expected.append(train(run, now=lambda: much_later))

    slept = at_step(4, taken_over, monkeypatch)
    left = train(run)
    assert slept == [4]
    assert (left.token, left.status) == (2, "finished")
    assert left.candidate == expected[0].candidate
    assert left.finished_at == expected[0].finished_at
    assert run.campaign.model_versions.count() == 2


def test_worker_that_lost_its_database_leaves_the_run_to_whoever_comes_after_the_lease(monkeypatch):
    run = make_run()

    def away():
        raise OperationalError("the database is away")

    at_step(3, away, monkeypatch)
    left = train(run)
    assert (left.status, left.candidate) == ("running", None)
    assert train(run).token == 1
    later = left.lease_until + timedelta(seconds=1)
    whole = train(run, now=lambda: later)
    assert (whole.status, whole.token) == ("finished", 2)


def test_run_that_kills_every_worker_is_given_up():
    run = make_run()
    TrainingRun.objects.filter(pk=run.pk).update(token=runs.MOST_CLAIMS)
    left = train(run)
    assert left.status == "failed"
    assert "gave this run up" in left.error


def test_messages_are_kept_until_the_work_is_done_and_come_back_when_a_worker_dies():
    assert django_settings.CELERY_TASK_ACKS_LATE
    assert django_settings.CELERY_TASK_REJECT_ON_WORKER_LOST
