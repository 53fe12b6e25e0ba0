"""By how many processes a run is trained, and what becomes of it when one is lost."""

import sys
from datetime import timedelta

import pytest

from annotation.errors import ConflictError
from tests.make import make_user
from tests.training.test_runs import make_run
from tests.training.wheel import Now
from training import tasks
from training.actions import claims, launching, runs
from training.methods import distributed
from training.models import TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]

WAITS = (
    "import pathlib, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path(sys.argv[1]).write_text('asked'),"
    " sys.exit(0)))\n"
    "pathlib.Path(sys.argv[1]).write_text('begun')\n"
    "time.sleep(60)\n"
)


@pytest.fixture
def launched(monkeypatch, settings, tmp_path):
    """A launcher that waits to be asked to go, and says in a file what it met."""
    sign = tmp_path / "sign"
    settings.ENV = settings.ENV.model_copy(update={"train_processes": 2})
    waits = [sys.executable, "-c", WAITS, str(sign)]
    monkeypatch.setattr(launching, "command", lambda run_id, *, count: waits)
    return sign


def train(run, **over):
    return launching.train(run.pk, **({"now": Now, "should_stop": lambda: False} | over))


def test_worker_asked_to_stop_asks_the_launcher_and_waits_for_it(launched):
    def should_stop():
        return launched.exists() and launched.read_text() == "begun"

    left = train(make_run(), should_stop=should_stop)
    assert launched.read_text() == "asked"
    assert left.status == "queued"


DIES = "import sys; sys.exit('Traceback\\nModuleNotFoundError: No module named gloo\\n=====')"


def test_launcher_that_dies_before_anybody_begins_is_told_and_in_the_end_fails_the_run(
    launched, monkeypatch, client
):
    monkeypatch.setattr(launching, "command", lambda _, *, count: [sys.executable, "-c", DIES])
    sent = []
    monkeypatch.setattr(tasks, "send", sent.extend)
    run = make_run()
    tasks.train(run_id=run.pk)
    assert sent == []
    run.refresh_from_db()
    assert (run.status, run.token, run.failed_launches) == ("queued", 0, 1)
    assert "No module named gloo" in run.error
    assert f"train_run {run.pk}" in run.error
    client.force_login(make_user("noor", staff=True))
    told = client.get(f"/campaigns/{run.campaign.slug}/runs/{run.pk}/").content.decode()
    assert "No module named gloo" in told
    assert "tried again in a moment" in told
    train(run)
    left = train(run)
    assert (left.status, left.failed_launches) == ("failed", 3)
    assert left.finished_at
    assert claims.claim_run(run.pk, now=Now) is None


def test_launcher_that_dies_after_its_child_has_the_run_leaves_the_word_to_it(
    launched, monkeypatch
):
    run = make_run()
    monkeypatch.setattr(launching, "command", lambda _, *, count: [sys.executable, "-c", DIES])
    monkeypatch.setattr(launching, "_wait", claiming(run, launching._wait))
    left = train(run)
    assert (left.status, left.error, left.failed_launches) == ("running", "", 0)


def claiming(run, wait):
    def waited(child, **over):
        claims.claim_run(run.pk, now=Now)
        return wait(child, **over)

    return waited


def test_network_is_made_smaller_by_one_process(launched, monkeypatch):
    run = make_run()
    TrainingRun.objects.filter(pk=run.pk).update(kind="prune")
    monkeypatch.setattr(runs, "train", lambda run_id, **_: run_id)
    assert train(run) == run.pk
    assert not launched.exists()
    monkeypatch.undo()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConflictError, match="one process"):
        runs.train(run.pk, now=Now, should_stop=lambda: False)
    assert TrainingRun.objects.get().token == 0


def test_nothing_is_started_for_a_run_that_another_holds(launched):
    run = make_run()
    claims.claim_run(run.pk, now=Now)
    assert train(run).token == 1
    assert not launched.exists()


def test_one_process_trains_by_itself(settings, monkeypatch):
    settings.ENV = settings.ENV.model_copy(update={"train_processes": 1})
    monkeypatch.setattr(launching, "command", None)
    assert train(make_run()).status == "finished"


def test_command_starts_as_many_as_asked():
    said = launching.command(12, count=3)
    assert "--nproc-per-node=3" in said
    assert list(said[-3:]) == ["manage.py", "train_run", "12"]


def test_run_whose_other_process_is_lost_waits_with_its_checkpoint(monkeypatch):
    run = make_run()
    with monkeypatch.context() as patch:
        patch.setattr(distributed.Team, "any", breaks_at(8))
        left = runs.train(run.pk, now=Now, should_stop=lambda: False)
    assert (left.status, left.lease_until) == ("queued", None)
    whole = runs.train(run.pk, now=Now, should_stop=lambda: False)
    assert (whole.status, whole.token) == ("finished", 2)


def breaks_at(call):
    calls = [0]

    def any_(self, said):
        calls[0] += 1
        if calls[0] == call:
            raise distributed.BrokenTeamError("gone")
        return said

    return any_


def test_process_that_follows_writes_nothing_and_never_loses_the_lease():
    run = make_run()
    claim = claims.claim_run(run.pk, now=Now)
    follower = claims.Claim(claim.run, claim.token, Now, follows=True)
    taken = claims.claim_run(run.pk, now=lambda: Now() + timedelta(hours=1))
    follower.beat(force=True, step=7)
    follower.see(7, steps=9, curve=[])
    follower.write(status="failed")
    now = TrainingRun.objects.get()
    assert (now.status, now.step, now.token) == ("running", 0, taken.token)
