"""A run that goes on on another machine: checkpoints and optimizer lie where its weights lie."""

import pytest

from learning import inference
from learning.gateways import shelf
from tests.learning.test_weights_bucket import bucket, server  # noqa: F401 - fixtures
from tests.training.test_carrying import next_run, promoted
from tests.training.test_runs import answered, make_run
from tests.training.wheel import Now
from training.actions import checkpoints, runs
from training.actions.carrying import carried_path, read_carried
from training.models import TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


@pytest.fixture
def move(bucket, settings, tmp_path):  # noqa: F811 - a fixture by its name
    """Go on on another machine: nothing is there but the database and the bucket."""

    def to(name):
        settings.WEIGHTS_DIR = tmp_path / name
        settings.VAR_DIR = tmp_path / f"{name}-var"
        inference._networks.clear()

    to("one")
    return to


def train(run, *, steps=None):
    left = iter([False] * steps + [True] * 99) if steps is not None else iter(lambda: False, True)
    return runs.train(run.pk, now=Now, should_stop=lambda: next(left))


def keys(bucket):  # noqa: F811 - what the fixture gave
    return [entry.key for entry in bucket.objects.filter(Prefix="models/beside/runs/")]


def test_run_left_on_one_machine_goes_on_on_another_and_ends_alike(move, bucket):  # noqa: F811
    run = make_run()
    whole = train(run)
    assert keys(bucket) == []
    TrainingRun.objects.filter(pk=run.pk).update(status="queued", candidate=None)
    stopped = train(run, steps=4)
    assert stopped.status == "queued"
    assert len(keys(bucket)) == 1
    move("two")
    assert not checkpoints.run_folder(run).exists()
    resumed = train(run, steps=whole.steps_total - 4)
    assert resumed.status == "finished", resumed.error
    assert resumed.candidate.digest == whole.candidate.digest
    assert keys(bucket) == []


def test_run_on_another_machine_starts_from_the_same_optimizer(move):
    run = promoted(make_run())
    answered(run.campaign, text="admin1 fresh")
    again = next_run(run.campaign)
    whole = train(again)
    TrainingRun.objects.filter(pk=again.pk).update(status="queued", candidate=None)
    move("two")
    assert not carried_path(run.candidate).exists()
    assert train(again).candidate.digest == whole.candidate.digest
    assert read_carried(run.candidate)


def test_bucket_that_is_away_costs_no_training(move, monkeypatch):
    from annotation.errors import TransientError

    run = make_run()

    def away(*_args):
        raise TransientError("The bucket did not answer.")

    monkeypatch.setattr(checkpoints, "open_shelf", lambda: Away(shelf.open_shelf(), away))
    stopped = train(run, steps=4)
    assert stopped.status == "queued"
    assert train(run).status == "finished"


class Away:
    """A shelf that can be read and not written."""

    def __init__(self, real, away):
        self.names, self.take, self.put, self.drop = real.names, real.take, away, away
