"""Wishes that come late: an abort as a run ends, answers taken back, waivers that ran out, storage away."""

import errno
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.errors import ConflictError, TransientError
from learning.actions.serving import serving_version
from learning.models import Deployment
from tests.make import make_user
from tests.training.test_runs import make_run, train
from tests.training.wheel import Now
from training.actions import checkpoints, comparing, cycle, gates, runs
from training.actions.aborts import abort_run
from training.actions.promotion import promote, rollback
from training.actions.waivers import grant_waiver
from training.actions.withdrawals import Wish, withdraw
from training.models import GateRun, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def judged(verdict="PASS"):
    """A trained run whose gate says so."""
    run = train(make_run())
    return GateRun.objects.create(
        run=run,
        candidate=run.candidate,
        champion=run.base,
        candidate_digest=run.candidate.digest,
        margin=0.03,
        verdict=verdict,
    )


def test_abort_that_comes_while_the_candidate_is_stored_leaves_none(monkeypatch):
    run = make_run()
    finish = runs._finish

    def stored_meanwhile(claim, **given):
        abort_run(TrainingRun.objects.get(pk=run.pk), actor=None, now=Now())
        finish(claim, **given)

    monkeypatch.setattr(runs, "_finish", stored_meanwhile)
    run = train(run)
    assert (run.status, run.candidate) == ("aborted", None)


def test_storage_that_is_away_costs_no_checkpoint_and_no_run(monkeypatch):
    run = make_run()

    def away(*_args, **_over):
        raise TransientError("The bucket did not answer.")

    monkeypatch.setattr("learning.gateways.weights.open_weights", away)
    checkpoints.run_folder(run).mkdir(parents=True)
    (checkpoints.run_folder(run) / "kept").touch()
    run = train(run)
    assert run.status == "running"
    assert (checkpoints.run_folder(run) / "kept").exists()
    monkeypatch.undo()


def test_worker_that_fails_late_clears_nothing_of_its_successor(monkeypatch):
    run = make_run()
    kept = checkpoints.run_folder(run) / "kept"

    def overtaken(claim, **_over):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch()
        TrainingRun.objects.filter(pk=run.pk).update(token=claim.token + 1)
        raise ValueError("too late")

    monkeypatch.setattr(runs, "_train", overtaken)
    assert train(run).status == "running"
    assert kept.exists()


@pytest.mark.parametrize(
    "error", [TransientError("The bucket did not answer."), OSError(errno.ENOSPC, "full")]
)
def test_storage_that_is_away_or_full_is_no_verdict(monkeypatch, error):
    run = train(make_run())

    def away(*_args, **_over):
        raise error

    monkeypatch.setattr(gates, "open_weights", away)
    assert gates.try_to_judge(run.pk, now=Now()) is None
    run.refresh_from_db()
    assert run.judgings == 0
    assert not GateRun.objects.filter(run=run).exists()
    monkeypatch.setattr(comparing, "open_weights", away)
    with pytest.raises(type(error)):
        comparing._is_whole(run.base)


def test_promotion_waits_for_a_storage_that_is_away(monkeypatch):
    gate = judged()
    round_ = gate.run.round
    type(round_).objects.filter(pk=round_.pk).update(status="judging")

    def away(_gate):
        raise TransientError("The bucket did not answer.")

    monkeypatch.setattr(cycle, "promote", away)
    cycle.advance(gate.run.campaign, now=Now())
    round_.refresh_from_db()
    assert round_.status == "judging"
    monkeypatch.undo()


def test_candidate_that_learned_what_was_taken_back_since_is_not_promoted():
    gate = judged()
    sample = gate.run.snapshot.rows.first().sample
    withdraw(Wish(sample=sample), actor=None, reason="Not mine to give.", now=Now())
    with pytest.raises(ConflictError, match="taken back since"):
        promote(gate)


def test_nobody_rolls_back_to_what_only_a_waiver_that_ran_out_let_serve():
    gate = judged("HOLD")
    campaign = gate.run.campaign
    version = gate.candidate
    campaign.deployments.create(
        number=campaign.deployments.count() + 1, version=version, kind=Deployment.Kind.PROMOTION
    )
    campaign.deployments.create(
        number=campaign.deployments.count() + 1, version=gate.champion, kind="rollback"
    )
    later = timezone.now() + timedelta(days=40)
    admin = make_user("ada", is_superuser=True)
    grant_waiver(gate, name="Ada", reason="Tried by hand.", days=30, granted_by=admin, now=Now())
    with pytest.raises(ConflictError, match="run out"):
        rollback(campaign, to_version=version, actor=None, reason="It was better.", now=later)
    rollback(campaign, to_version=version, actor=None, reason="It was better.")
    assert serving_version(campaign) == version
