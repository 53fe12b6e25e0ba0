"""Wishes to measure: kept until they are done, done by one worker, given up with a reason."""

from datetime import timedelta

import pytest

from annotation.errors import TransientError
from learning.actions.versions import initial_version
from learning.gateways.weights import weights_dir
from tests.make import make_user
from tests.training.wheel import Now, make_wheel
from training import tasks
from training.actions import evaluation
from training.actions.wishes import ask_to_measure, due_measurements, measure_asked, wishes_for
from training.models import Dispatch, Evaluation, MeasureWish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


@pytest.fixture
def version():
    return initial_version(make_wheel(gold=3, dev=2, pool=0))


@pytest.fixture
def sent(monkeypatch):
    """The versions whose measuring is asked for, as the broker would have heard it."""
    heard = []

    def send_task(name, *, kwargs, **_):
        if name.endswith(".measure"):
            heard.append(kwargs["version_id"])

    monkeypatch.setattr(tasks.current_app, "send_task", send_task)
    return heard


def older(seconds):
    for row in Dispatch.objects.all():
        row.sent_at -= timedelta(seconds=seconds)
        row.save()


def test_wish_outlives_messages_that_nobody_took_until_it_is_done(client, version, sent):
    client.force_login(make_user("noor", staff=True))
    where = f"/campaigns/{version.campaign.slug}/versions/measure/"
    client.post(where, {"a": str(version.number), "b": "9"})
    assert sent == [version.pk]
    tasks.tick()
    assert sent == [version.pk]
    older(31)
    tasks.tick()
    assert sent == [version.pk] * 2
    assert not Evaluation.objects.exists()
    tasks.measure(version_id=version.pk)
    assert Evaluation.objects.filter(version=version).count() == 2
    older(31)
    tasks.tick()
    assert sent == [version.pk] * 2
    assert wishes_for([version]) == []


def test_wish_is_done_by_one_worker_and_taken_over_when_it_is_lost(version, monkeypatch):
    ask_to_measure([version], actor=None, now=Now())
    assert ask_to_measure([version], actor=None, now=Now())
    assert MeasureWish.objects.count() == 1
    later = Now() + timedelta(hours=1)
    real, met = evaluation.evaluate, []

    def slow(*args, **over):
        if not met:
            met.append(measure_asked(version.pk, now=Now).attempts)
            met.append(due_measurements(now=Now()))
            met.append(measure_asked(version.pk, now=lambda: later).finished_at)
        return real(*args, **over)

    monkeypatch.setattr(evaluation, "evaluate", slow)
    left = measure_asked(version.pk, now=Now)
    assert met == [1, [], later]
    assert (left.attempts, left.finished_at) == (2, later)


def test_what_cannot_be_measured_is_given_up_said_and_may_be_asked_again(client, version):
    path = weights_dir() / version.path / "model.safetensors"
    path.chmod(0o644)
    path.write_bytes(b"")
    ask_to_measure([version], actor=None, now=Now())
    for attempt in (1, 2, 3):
        assert len(due_measurements(now=Now())) == 1
        assert measure_asked(version.pk, now=Now).attempts == attempt
    assert due_measurements(now=Now()) == []
    (wish,) = wishes_for([version])
    assert wish.finished_at
    assert "not those that were stored" in wish.error
    ask_to_measure([version], actor=None, now=Now() + timedelta(minutes=1))
    assert [wish.attempts for wish in wishes_for([version])] == [0]


def test_worker_killed_over_it_each_time_ends_the_wish(version):
    ask_to_measure([version], actor=None, now=Now())
    MeasureWish.objects.update(attempts=3, lease_until=Now())
    assert due_measurements(now=Now() + timedelta(seconds=1)) == []
    assert "lost 3 times" in MeasureWish.objects.get().error


def test_a_storage_that_is_away_longer_than_three_attempts_is_waited_for(monkeypatch, version):
    ask_to_measure([version], actor=None, now=Now())

    def away(*_args, **_over):
        raise TransientError("The bucket did not answer.")

    later = Now()
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate", away)
        for _ in range(4):
            later += timedelta(hours=1)
            assert len(due_measurements(now=later)) == 1
            wish = measure_asked(version.pk, now=lambda when=later: when)
            assert (wish.attempts, wish.finished_at) == (0, None)
            assert wish.error == "Waiting for storage: The bucket did not answer."
            assert due_measurements(now=later) == []  # not again at once
    later += timedelta(hours=1)
    done = measure_asked(version.pk, now=lambda: later)
    assert (done.error, done.finished_at) == ("", later)
