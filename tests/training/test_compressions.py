"""Compressions: smaller networks through the same gate, and what was judged is what serves."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Annotation, Consensus
from learning import inference
from learning.actions.serving import deploy, serving_version
from learning.actions.versions import initial_version
from learning.gateways.weights import weights_dir
from learning.networks.compressed import RoundedEncoder, RoundedStarter
from learning.networks.opening import load_network
from tests.learning.encoders import tiny_encoder
from tests.make import LABELS, make_annotator, make_gold, make_item, make_sample
from tests.training.wheel import Now, make_wheel
from training.actions import checkpoints, claims, gates, runs
from training.actions.asked_runs import run_to_train
from training.actions.compressions import due_compressions, open_compression, settle
from training.actions.distillation import read_for
from training.models import TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def places(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path / "weights"
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir()
    inference._networks.clear()
    yield
    inference._networks.clear()


def answered(campaign, *, tag: str, text: str, label: str) -> None:
    sample = make_sample(campaign, tag, text)
    by = sample.language.annotators.first() or make_annotator("awa", tag)
    annotation = Annotation.objects.create(
        item=make_item(sample, state="answered"),
        annotator=by,
        desk_annotation_id=sample.pk,
        state="answered",
        label=campaign.labels.get(key=label),
        desk_updated_at="2026-01-01T00:00:00.000000Z",
    )
    target = [0.9 if key == label else 0.05 for key in LABELS]
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


def taught(network: str, *, rows: int = 24, gold: int = 3, **recipe):
    """A campaign whose second version, trained on a few answers, serves."""
    campaign = make_wheel(gold=gold, dev=2, pool=6, network=network)
    initial_version(campaign)
    recipe = {"epochs": 1, "least_steps": 0, "curve_points": 1} | recipe
    for n in range(rows):
        label = LABELS[n % 3]
        answered(campaign, tag=("wo", "qu")[n % 2], text=f"{label}1 x{n}", label=label)
    run = run_to_train(campaign, settings=recipe, apart=True, now=Now())
    run = runs.train(run.pk, now=Now, should_stop=lambda: False)
    assert run.status == "finished", run.error
    deploy(campaign, version=run.candidate, kind="promotion", reason="for the test")
    return campaign


@pytest.fixture
def starter():
    return taught("starter")


@pytest.fixture
def encoder(tmp_path: Path):
    return taught(str(tiny_encoder(tmp_path / "hub")))


def done(campaign, kind: str, *, stop: bool = False, **settings) -> TrainingRun:
    run = open_compression(campaign, kind=kind, settings=settings)
    return runs.train(run.pk, now=Now, should_stop=lambda: stop)


def stored(version):
    return load_network(weights_dir() / version.path)


@pytest.mark.parametrize(
    ("kind", "asked", "of"),
    [("quantise", {}, RoundedEncoder), ("prune", {"keep": "0.5"}, None)],
)
def test_smaller_encoder_is_a_version_of_its_own(encoder, kind, asked, of) -> None:
    run = done(encoder, kind, **asked)
    assert run.status == "finished", run.error
    told = run.candidate.manifest["compression"]
    assert told["kind"] == kind
    assert told["bytes_after"] < told["bytes_before"]
    assert told["texts_per_second_after"] > 0
    assert run.candidate.base == run.base == serving_version(encoder)
    if of:
        assert isinstance(stored(run.candidate), of)


def test_student_has_the_layers_it_was_given_and_reads_no_gold(encoder) -> None:
    gold = encoder.samples.exclude(gold=None).first()
    twin = make_sample(encoder, "wo", gold.text)
    kept = make_sample(encoder, "wo", "kept from students", uid=UUID(int=5 * 10**9))
    read = make_sample(encoder, "wo", "read by students", uid=UUID(int=5 * 10**9 + 1))
    run = done(encoder, "distil", layers="1", epochs="1")
    assert run.status == "finished", run.error
    assert stored(run.candidate).module.config.num_hidden_layers == 1
    reading = read_for(run)
    assert gold.text not in reading.texts
    assert (kept.text in reading.texts, read.text in reading.texts) == (False, True)
    assert twin.text == gold.text
    assert {"wo", "qu"} == set(reading.tags)
    assert sum(told is not None for told in reading.agreed) == 24
    assert run.candidate.manifest["compression"]["steps"] == run.step > 0


def test_student_that_was_interrupted_ends_alike(encoder) -> None:
    whole = done(encoder, "distil", layers="1", epochs="1", batch="4")
    assert whole.status == "finished", whole.error
    again = TrainingRun.objects.filter(pk=whole.pk)
    again.update(status="queued", candidate=None)
    asked = iter([False] * 3 + [True] * 99)
    stopped = runs.train(whole.pk, now=Now, should_stop=lambda: next(asked))
    assert stopped.status == "queued"
    assert [path.stem for path in checkpoints.run_folder(stopped).glob("*")] == ["step-000000003"]
    make_sample(encoder, "wo", "came later")
    reading = read_for(stopped)
    unanswered = reading.agreed.index(None)
    make_gold(encoder, reading.tags[unanswered], text=reading.texts[unanswered])
    asked = iter([False] * (whole.steps_total - 3) + [True] * 99)  # no more than what is left
    resumed = runs.train(whole.pk, now=Now, should_stop=lambda: next(asked))
    assert resumed.status == "finished", resumed.error
    assert resumed.candidate.digest == whole.candidate.digest


def test_starter_can_be_a_student(encoder) -> None:
    run = done(encoder, "distil", student="starter", epochs="1")
    assert run.status == "finished", run.error
    assert run.candidate.network == "starter"
    assert stored(run.candidate).kind == "starter"


@pytest.mark.parametrize(("kind", "asked"), [("quantise", {}), ("prune", {"keep": "0.3"})])
def test_smaller_starter_goes_through_its_gate_and_serves(starter, kind, asked) -> None:
    run = done(starter, kind, **asked)
    assert run.status == "finished", run.error
    told = run.candidate.manifest["compression"]
    assert told["bytes_after"] < told["bytes_before"]
    gate = gates.try_to_judge(run.pk, now=Now())
    assert gate.candidate_digest == run.candidate.digest
    assert any("maintenance" in str(found) for found in gate.record["pooled"])
    run = TrainingRun.objects.get(pk=run.pk)
    gate.__class__.objects.filter(pk=gate.pk).update(verdict="PASS")
    settle(TrainingRun.objects.get(pk=run.pk))
    assert serving_version(starter) == run.candidate


def test_gate_passed_on_other_bytes_lets_nothing_serve(starter) -> None:
    run = done(starter, "quantise")
    gate = gates.try_to_judge(run.pk, now=Now())
    home = weights_dir() / run.candidate.path
    weights = home / "model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes((weights_dir() / run.base.path / "model.safetensors").read_bytes())
    gate.__class__.objects.filter(pk=gate.pk).update(verdict="PASS")
    told = settle(TrainingRun.objects.get(pk=run.pk))
    assert "not those" in told
    assert serving_version(starter) == run.base


def test_rounded_version_learns_on_as_a_whole_one(starter) -> None:
    run = done(starter, "quantise")
    assert isinstance(stored(run.candidate), RoundedStarter)
    deploy(starter, version=run.candidate, kind="promotion", reason="for the test")
    answered(starter, tag="wo", text="admin2 late", label="admin")
    later = run_to_train(starter, settings={}, apart=True, now=Now())
    assert later.kind == "update"
    assert later.snapshot.fresh_samples == 1
    later = runs.train(later.pk, now=Now, should_stop=lambda: False)
    assert later.status == "finished", later.error
    assert stored(later.candidate).kind == "starter"


def test_due_compressions_are_sent_to_workers_until_they_serve(starter) -> None:
    starter.status = "finished"
    starter.save()
    run = open_compression(starter, kind="quantise")
    assert open_compression(starter, kind="quantise") == run
    with pytest.raises(ConflictError):
        open_compression(starter, kind="prune")
    (work,) = due_compressions(now=Now())
    assert (work.task, work.kwargs) == ("training.tasks.train", {"run_id": run.pk})
    claim = claims.claim_run(run.pk, now=Now)
    assert claim
    assert not due_compressions(now=Now())
    late = timezone.now() + timedelta(days=1)
    assert due_compressions(now=late) == [work]
    TrainingRun.objects.update(status="queued")
    runs.train(run.pk, now=Now, should_stop=lambda: False)
    (work,) = due_compressions(now=Now())
    assert work.task == "training.tasks.judge"
    gate = gates.try_to_judge(run.pk, now=Now())
    gate.__class__.objects.filter(pk=gate.pk).update(verdict="PASS")
    assert due_compressions(now=Now()) == []
    assert serving_version(starter).base == run.base
    assert due_compressions(now=Now()) == []
    assert starter.deployments.count() == 3


def test_what_makes_no_sense_is_refused_with_a_remedy(starter) -> None:
    for kind, settings in (
        ("squash", {}),
        ("prune", {"keep": "2"}),
        ("prune", {"layers": "3"}),
        ("distil", {"student": "parrot"}),
        ("distil", {"epochs": "many"}),
    ):
        with pytest.raises(InvalidInputError):
            open_compression(starter, kind=kind, settings=settings)
    with pytest.raises(ConflictError, match="is a starter, which is small already"):
        open_compression(starter, kind="distil")
    untaught = make_wheel(gold=1, dev=0, pool=1, tags=("ar",), network="starter")
    initial_version(untaught)
    with pytest.raises(ConflictError, match="learned nothing"):
        open_compression(untaught, kind="quantise")


def test_command_says_size_speed_and_every_language(starter, capsys) -> None:
    call_command("compress", starter.slug, kind="quantise")
    told = capsys.readouterr().out
    assert "bytes," in told
    assert "texts/s" in told
    assert "wo:" in told
    assert "qu:" in told
    with pytest.raises(CommandError, match="keep"):
        call_command("compress", starter.slug, kind="quantise", set=["keep=0.5"])
