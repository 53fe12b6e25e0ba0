"""Runs, snapshots, gates and promotion: claimed once, resumable, and never on gold."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from safetensors import SafetensorError

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Annotation, Consensus, GoldItem
from learning.actions.rounds import open_round
from learning.actions.serving import serving_version
from learning.actions.versions import initial_version
from learning.gateways.weights import weights_dir
from learning.models import Round
from tests.make import LABELS, make_annotator, make_gold, make_item, make_sample
from tests.training.tiny import Tiny
from tests.training.wheel import Now, make_wheel
from training.actions import checkpoints, gates, runs
from training.actions.claims import LostLeaseError, claim_run
from training.actions.datasets import take_snapshot
from training.actions.dispatches import RESEND, Work, due, forget
from training.actions.promotion import promote, rollback
from training.actions.runs import open_run
from training.models import GateRun, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def answered(campaign, *, tag="wo", text="admin1 n1", label="admin", **over):
    """A sample with one answer and the consensus that rests on it."""
    sample = make_sample(campaign, tag, text, **over)
    item = make_item(sample, state="answered")
    by = sample.language.annotators.first() or make_annotator("awa", tag)
    position = LABELS.index(label)
    annotation = Annotation.objects.create(
        item=item,
        annotator=by,
        desk_annotation_id=sample.pk,
        state="answered",
        label=campaign.labels.get(key=label),
        desk_updated_at="2026-01-01T00:00:00.000000Z",
    )
    target = [0.9 if k == position else 0.05 for k in range(3)]
    Consensus.objects.create(
        sample=sample,
        people=target,
        label=annotation.label,
        confidence=0.9,
        weight=0.7,
        answers=1,
        revisions=[[annotation.pk, 1]],
        aggregator="test",
    )
    return sample


def make_run(*, rows: int = 12, **over):
    """A queued run on a few answers."""
    campaign = make_wheel(**({"gold": 6, "dev": 3, "pool": 2} | over))
    initial_version(campaign)
    for n in range(rows):
        label = LABELS[n % 3]
        answered(campaign, tag=("wo", "qu")[n % 2], text=f"{label}1 x{n}", label=label)
    round_ = open_round(campaign, now=Now())
    Round.objects.filter(pk=round_.pk).update(status="collecting")
    run = open_run(round_, now=Now())
    assert run
    return run


def train(run, *, stop=False):
    return runs.train(run.pk, now=Now, should_stop=lambda: stop)


def test_snapshot_leaves_out_gold_and_all_that_is_near_it():
    campaign = make_wheel(gold=3, dev=0, pool=0)
    fine = answered(campaign, text="something else", group="g9")
    make_gold(campaign, "qu", text="a gold text", group="g1")
    answered(campaign, tag="wo", text="a gold text")
    answered(campaign, tag="wo", text="its translation", group="g1")
    late = answered(campaign, text="soon gold")
    GoldItem.objects.create(sample=late, label=campaign.labels.first(), split="dev")
    assert [row.sample for row in take_snapshot(campaign).rows.all()] == [fine]


def test_snapshot_of_the_same_data_is_the_same_row():
    campaign = make_wheel(gold=3, dev=0, pool=0)
    sample = answered(campaign)
    first = take_snapshot(campaign)
    assert take_snapshot(campaign) == first
    Consensus.objects.filter(sample=sample).update(weight=0.6)
    assert take_snapshot(campaign) != first


def test_corrected_or_withdrawn_answer_drops_out_until_it_is_weighed_anew():
    campaign = make_wheel(gold=3, dev=0, pool=0)
    answered(campaign)
    stays = answered(campaign, text="dates1 n2")
    Annotation.objects.exclude(item__sample=stays).update(state="deleted")
    assert [row.sample for row in take_snapshot(campaign).rows.all()] == [stays]
    Annotation.objects.update(revision=2)
    assert take_snapshot(campaign).samples == 0


def test_run_is_claimed_by_exactly_one_worker():
    run = make_run()
    first = claim_run(run.pk, now=Now)
    assert first
    assert claim_run(run.pk, now=Now) is None


def test_stale_worker_is_refused_once_another_has_taken_over():
    run = make_run()
    stale = claim_run(run.pk, now=Now)
    later = Now() + timedelta(hours=1)
    fresh = claim_run(run.pk, now=lambda: later)
    assert fresh.token == stale.token + 1
    with pytest.raises(LostLeaseError):
        stale.write(step=5)
    with pytest.raises(LostLeaseError):
        stale.beat(force=True)
    fresh.beat(step=3)
    assert TrainingRun.objects.get().step == 3


def test_message_that_comes_twice_trains_once(monkeypatch):
    run = make_run()
    done = train(run)
    assert (done.status, done.token) == ("finished", 1)
    assert done.candidate.base == done.base
    assert done.candidate.manifest["snapshot"] == run.snapshot.digest
    assert done.step == done.steps_total > 0
    assert set(done.curve[-1][2]) == {"wo", "qu"}
    assert train(run).token == 1
    assert not checkpoints.run_folder(run).exists()


def test_interrupted_run_waits_for_the_next_worker_and_ends_alike():
    run = make_run()
    stopped = train(run, stop=True)
    assert (stopped.status, stopped.lease_until) == ("queued", None)
    assert list(checkpoints.run_folder(run).glob("*.checkpoint"))
    resumed = train(run)
    assert resumed.status == "finished"
    TrainingRun.objects.filter(pk=run.pk).update(status="queued", candidate=None)
    assert train(run).candidate.digest == resumed.candidate.digest


def test_damaged_base_fails_the_run_with_a_sentence():
    run = make_run()
    damage(run.base)
    failed = train(run)
    assert failed.status == "failed"
    assert "not those that were stored" in failed.error


def damage(version):
    path = weights_dir() / version.path / "model.safetensors"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")


def test_full_disk_is_waited_out_and_the_run_goes_on_where_it_was(monkeypatch):
    run = make_run()
    save = Tiny.save

    def full(network, folder):
        (folder.mkdir(parents=True), (folder / "half").write_text("half"))
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr(Tiny, "save", full)
    left = train(run)
    assert left.status == "running"
    assert left.error.startswith("Waiting for room on the disk: SafetensorError")
    assert left.lease_until > Now() + timedelta(minutes=9)
    assert not list(checkpoints.run_folder(run).glob("candidate-*"))
    monkeypatch.setattr(Tiny, "save", save)
    TrainingRun.objects.update(lease_until=Now() - timedelta(seconds=1))
    done = train(run)
    assert (done.status, done.error, done.candidate is not None) == ("finished", "", True)


def test_gold_that_slipped_into_training_voids_the_gate():
    run = train(make_run())
    leaked = run.snapshot.rows.first().sample
    make_gold(run.campaign, "qu", text="another text", group="shared")
    type(leaked).objects.filter(pk=leaked.pk).update(group="shared")
    gate = gates.judge(run.pk, now=Now())
    assert gate.verdict == "VOID"
    assert "learned from are gold" in gate.reasons[0]
    assert gate.candidate_digest == run.candidate.digest


def test_changed_bytes_void_the_gate():
    run = train(make_run())
    damage(run.candidate)
    gate = gates.judge(run.pk, now=Now())
    assert gate.verdict == "VOID"
    assert "not what was registered" in gate.reasons[0]


def test_gate_says_what_is_missing_and_where_and_never_changes_its_mind():
    run = train(make_run(tags=("wo", "qu", "ar")))
    GoldItem.objects.filter(sample__language__tag="ar").delete()
    gate = gates.judge(run.pk, now=Now())
    assert gate.verdict == "HOLD"
    empty = gate.checks.get(language__tag="ar")
    assert (empty.items, empty.items_missing, empty.verdict) == (0, 687, "HOLD")
    assert any(reason.startswith("ar: There is no gold") for reason in gate.reasons)
    GoldItem.objects.all().delete()
    assert gates.judge(run.pk, now=Now()) == gate
    assert GateRun.objects.count() == 1


def test_only_a_pass_is_promoted_and_only_once():
    run = train(make_run())
    gate = gates.judge(run.pk, now=Now())
    GateRun.objects.update(verdict="HOLD")
    with pytest.raises(ConflictError, match="HOLD"):
        promote(gate)
    GateRun.objects.update(verdict="PASS")
    deployment = promote(gate)
    assert serving_version(run.campaign) == run.candidate
    assert promote(gate) == deployment
    assert run.campaign.deployments.count() == 2


def test_rollback_is_one_more_row_and_is_not_undone_by_a_late_promotion():
    run = train(make_run())
    gate = gates.judge(run.pk, now=Now())
    GateRun.objects.update(verdict="PASS")
    promote(gate)
    with pytest.raises(InvalidInputError):
        rollback(run.campaign, to_version=run.base, actor=None, reason=" ")
    call_command("rollback", run.campaign.slug, "1", reason="nonsense in Wolof")
    assert serving_version(run.campaign) == run.base
    promote(gate)
    assert serving_version(run.campaign) == run.base
    assert list(run.campaign.deployments.values_list("kind", flat=True)) == [
        "rollback",
        "promotion",
        "initial",
    ]
    with pytest.raises(ConflictError, match="serves already"):
        rollback(run.campaign, to_version=run.base, actor=None, reason="again")


def test_version_that_never_served_is_no_way_back():
    run = train(make_run())
    with pytest.raises(ConflictError, match="never served"):
        rollback(run.campaign, to_version=run.candidate, actor=None, reason="why not")
    with pytest.raises(CommandError, match="has not been judged"):
        call_command("promote", str(run.pk))


def test_message_is_not_sent_again_until_it_is_old():
    work, now = Work("training.tasks.train", {"run_id": 1}), timezone.now()
    assert due([work], now=now) == [work]
    assert due([work], now=now + RESEND / 2) == []
    assert due([work], now=now + RESEND) == [work]
    forget(work)
    assert due([work], now=now + RESEND) == [work]
