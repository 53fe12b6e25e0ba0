"""Long phases of heavy work keep their lease, and a worker that lost it writes nothing more."""

import hashlib
import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from learning import inference
from learning.actions.scoring import open_scoring, reclaim_shards, score_shard
from learning.models import ModelVersion, ScoringShard
from tests.training.test_runs import make_run
from tests.training.tiny import Tiny
from training.actions import checkpoints, claims, runs
from training.methods import loop
from training.models import TrainingRun

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("tiny_networks")]

LEASE_S = 1.0  # a machine that is busy with other tests lets a thread wait for a while


@pytest.fixture
def short_leases(settings):
    settings.ENV = settings.ENV.model_copy(update={"lease_seconds": LEASE_S})


def train(run):
    return runs.train(run.pk, now=timezone.now, should_stop=lambda: False)


def slow(monkeypatch, owner, name, act=lambda: None):
    """Have something take twice as long as a lease lasts, once, and something happen meanwhile."""
    real, met = getattr(owner, name), []

    def slowly(*args, **over):
        if not met:
            met.append(name)
            time.sleep(2 * LEASE_S)
            act()
        return real(*args, **over)

    monkeypatch.setattr(owner, name, slowly)
    return met


@pytest.mark.parametrize(
    ("owner", "name"),
    [(loop, "_look_back"), (loop, "_to_store"), (Tiny, "save"), (runs, "keep_carried")],
    ids=["looking back", "what is held on to", "storing", "what is carried on"],
)
def test_no_phase_of_a_run_lets_another_worker_in(monkeypatch, short_leases, owner, name):
    run, tries = make_run(), []
    met = slow(
        monkeypatch,
        owner,
        name,
        lambda: tries.append(claims.claim_run(run.pk, now=timezone.now)),
    )
    whole = train(run)
    assert (met, tries) == ([name], [None])
    assert (whole.status, whole.token) == ("finished", 1)


def test_worker_whose_run_was_taken_leaves_no_checkpoint_no_version_and_no_row(monkeypatch):
    run = make_run()

    def taken():
        TrainingRun.objects.filter(pk=run.pk).update(token=2)
        folder.update(contents(run))

    folder = {}
    learn, steps = loop._learn, []

    def learned(*args, **over):
        steps.append(1)
        if len(steps) == 4:
            taken()
        return learn(*args, **over)

    monkeypatch.setattr(loop, "_learn", learned)
    monkeypatch.setattr(
        loop.Recipe, "of", classmethod(lambda cls, *_: cls(lr=0.05, batch=8, checkpoint_steps=1))
    )
    left = train(run)
    assert (left.status, left.token, left.candidate) == ("running", 2, None)
    assert folder
    assert contents(run) == folder
    assert ModelVersion.objects.count() == 1


def contents(run):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in checkpoints.run_folder(run).rglob("*")
        if path.is_file()
    }


def test_worker_overtaken_while_it_stores_registers_no_version(monkeypatch):
    run = make_run()

    def taken():
        TrainingRun.objects.filter(pk=run.pk).update(token=2)

    monkeypatch.setattr("tests.training.test_heartbeats.LEASE_S", 0.0)
    slow(monkeypatch, runs, "_manifest", taken)
    left = train(run)
    assert (left.status, left.candidate) == ("running", None)
    assert ModelVersion.objects.count() == 1


def test_first_shard_waits_for_its_network_and_no_other_worker_takes_it(monkeypatch, short_leases):
    version = make_run().base
    (pk,) = reclaim_shards(open_scoring(version, now=timezone.now()), now=timezone.now())
    others = []

    def second():
        time.sleep(1.5 * LEASE_S)
        reclaim_shards(ScoringShard.objects.get(pk=pk).scoring, now=timezone.now())
        others.append(score_shard(pk).attempts)

    other = threading.Thread(target=second)
    slow(monkeypatch, inference, "load_network")
    inference._networks.clear()
    other.start()
    whole = score_shard(pk)
    other.join()
    assert (whole.status, whole.attempts, others) == ("done", 1, [1])
    assert whole.lease_until is None or whole.lease_until < timezone.now() + timedelta(days=1)
