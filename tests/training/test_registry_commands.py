"""What somebody at a terminal does with versions: learn, measure, judge, compare, serve, trace, export."""

import csv
import datetime as dt
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.errors import InvalidInputError
from annotation.methods.texts import glued
from annotation.models import Annotation, Campaign, GoldItem
from learning.actions.serving import deploy, serving_version
from learning.actions.versions import register_version
from learning.gateways.weights import check_weights, weights_dir
from learning.models import ModelVersion
from tests.make import make_campaign, make_gold
from tests.training.test_runs import make_run, train
from training.actions.cases import add_case, case_from_gold
from training.actions.evaluation import evaluate
from training.actions.pruning import needed_digests
from training.models import GateRun, TrainingRun, Waiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def say(*words, **options):
    out = io.StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def run():
    """A campaign whose run is done: version 2 learned, version 1 serves."""
    return train(make_run(gold=30, rows=12))


@pytest.fixture
def released(run):
    """Version 2 serves by a gate that says PASS."""
    gate = make_gate(run, "PASS")
    assert f"{run.candidate} serves" in say("promote", str(run.pk))
    return gate


def make_gate(run, verdict):
    return GateRun.objects.create(
        run=run,
        candidate=run.candidate,
        champion=run.base,
        candidate_digest=run.candidate.digest,
        margin=0.03,
        verdict=verdict,
        reasons=["as the test wants it"],
    )


def test_train_takes_up_the_run_that_waits_and_shows_where_it_is():
    run = make_run()
    told = say("train", run.campaign.slug)
    run.refresh_from_db()
    assert run.status == "finished"
    assert f"Run {run.pk}: 12 samples, 12 of them new" in told
    assert f"manage.py gate {run.pk}" in told


def test_train_apart_has_settings_of_its_own_and_leaves_the_rounds_alone(run):
    before = list(run.campaign.rounds.values_list("status", flat=True))
    say("train", run.campaign.slug, "--apart", "--set", "epochs=1")
    own = TrainingRun.objects.get(round=None)
    assert (own.status, own.settings, own.snapshot.samples) == ("finished", {"epochs": 1}, 12)
    assert list(run.campaign.rounds.values_list("status", flat=True)) == before
    assert own.candidate not in (run.candidate, run.base)
    with pytest.raises(CommandError, match="Known are: "):
        call_command("train", run.campaign.slug, "--set", "epoch=1")
    with pytest.raises(CommandError, match="write it as name=value"):
        call_command("train", run.campaign.slug, "--set", "epochs")


def test_train_does_not_change_a_run_that_is_open_and_says_when_there_is_nothing():
    waiting = make_run()
    with pytest.raises(CommandError, match="open with settings of its own"):
        call_command("train", waiting.campaign.slug, "--set", "epochs=1")
    with pytest.raises(CommandError, match="Nothing serves"):
        call_command("train", make_campaign(slug="new").slug)
    with pytest.raises(CommandError, match="list_campaigns"):
        call_command("train", "nothing-of-the-kind")


def test_evaluate_tells_every_language_with_its_interval(run):
    told = json.loads(say("evaluate", run.campaign.slug, "v2", "--json"))
    assert [row["language"] for row in told["languages"]] == ["qu", "wo"]
    value, low, high = told["languages"][0]["accuracy"]
    assert 0 <= low < value < high <= 1
    assert told["languages"][0]["items"] == 30
    page = say("evaluate", run.campaign.slug, run.candidate.digest[:10])
    assert f"{value:.3f} ({low:.3f} to {high:.3f})" in page
    with pytest.raises(CommandError, match="It has versions 1 to 2"):
        call_command("evaluate", run.campaign.slug, "7")


def test_gate_judges_once_and_says_what_is_missing(run):
    told = json.loads(say("gate", str(run.pk), "--json"))
    assert told["verdict"] in ("PASS", "HOLD", "BLOCK")
    assert {row["language"] for row in told["languages"]} == {"wo", "qu"}
    assert GateRun.objects.get().verdict == told["verdict"]
    assert told["verdict"] in say("gate", str(run.pk))
    with pytest.raises(CommandError, match="no training run 999"):
        call_command("gate", "999")


def test_compare_is_the_same_by_hand(run):
    told = json.loads(say("compare", run.campaign.slug, "1", "2", "--json", "--no-speed"))
    old, new = (
        {e.language.tag: e.answers for e in evaluate(version, campaign=run.campaign)}
        for version in (run.base, run.candidate)
    )
    items = GoldItem.objects.filter(split="gate").select_related("label")
    gold = {item.sample_id: item.label.position for item in items}
    for row in told["languages"]:
        pairs = [
            (old[row["language"]][key][0] == gold[int(key)], answer[0] == gold[int(key)])
            for key, answer in new[row["language"]].items()
        ]
        fixed, broken = sum(b and not a for a, b in pairs), sum(a and not b for a, b in pairs)
        assert (row["fixed"], row["broken"]) == (fixed, broken)
        assert row["delta"] == pytest.approx((fixed - broken) / len(pairs), abs=1e-6)
        assert row["low"] < row["delta"] < row["high"]
    mean = sum(row["delta"] for row in told["languages"]) / 2
    assert told["mean"]["delta"] == pytest.approx(mean, abs=1e-6)
    assert told["mean"]["low"] < mean < told["mean"]["high"]


def test_compare_turned_round_has_the_other_sign_and_says_speed_and_size(run):
    there = json.loads(say("compare", run.campaign.slug, "1", "2", "--json"))
    back = json.loads(say("compare", run.campaign.slug, "2", "1", "--json", "--no-speed"))
    for one, other in zip(there["languages"], back["languages"], strict=True):
        assert (one["fixed"], one["broken"]) == (other["broken"], other["fixed"])
        assert one["p"] == other["p"]
        assert (one["low"], one["high"]) == pytest.approx((-other["high"], -other["low"]), abs=1e-5)
    assert there["a"]["texts_per_second"] > 0 < there["a"]["bytes"]
    lines = list(csv.reader(io.StringIO(say("compare", run.campaign.slug, "1", "2", "--csv"))))
    assert lines[0][:2] == ["language", "items"]
    assert [line[0] for line in lines[1:]] == ["qu", "wo"]
    assert "Mean over languages" in say("compare", run.campaign.slug, "1", "2")
    with pytest.raises(CommandError, match="Name two versions"):
        call_command("compare", run.campaign.slug, "1", "1")


def test_promote_needs_a_gate_a_pass_or_a_waiver_that_holds(run):
    with pytest.raises(CommandError, match="has not been judged"):
        call_command("promote", str(run.pk))
    gate = make_gate(run, "HOLD")
    with pytest.raises(CommandError, match="gate says HOLD"):
        call_command("promote", str(run.pk))
    noor = run.campaign.created_by or Annotation.objects.first().annotator.user
    now = timezone.now()
    waiver = Waiver.objects.create(
        gate=gate,
        name="Noor",
        reason="the radio needs it",
        granted_by=noor,
        granted_at=now - dt.timedelta(days=2),
        expires_at=now - dt.timedelta(days=1),
    )
    with pytest.raises(CommandError, match="has not run out"):
        call_command("promote", str(run.pk))
    Waiver.objects.filter(pk=waiver.pk).update(expires_at=now + dt.timedelta(days=1))
    say("promote", str(run.pk))
    served = run.campaign.deployments.first()
    assert (served.version, served.actor) == (run.candidate, noor)
    assert served.reason == "Waiver of Noor: the radio needs it"


def test_a_waiver_does_not_open_a_gate_that_blocks(run):
    gate = make_gate(run, "BLOCK")
    Waiver.objects.create(
        gate=gate,
        name="Noor",
        reason="never mind",
        granted_by=Annotation.objects.first().annotator.user,
        granted_at=timezone.now(),
        expires_at=timezone.now() + dt.timedelta(days=1),
    )
    with pytest.raises(CommandError, match="gate says BLOCK"):
        call_command("promote", str(run.pk))


def test_a_record_that_was_changed_is_not_promoted(run):
    make_gate(run, "PASS")
    changed = run.candidate.manifest | {"seed": 1}
    ModelVersion.objects.filter(pk=run.candidate_id).update(manifest=changed)
    with pytest.raises(CommandError, match="not the one that was written"):
        call_command("promote", str(run.pk))


def test_rollback_goes_to_the_one_before_and_undo_comes_back(run, released):
    slug = run.campaign.slug
    assert "v1" in say("rollback", slug, "--reason", "nonsense")
    assert serving_version(run.campaign) == run.base
    say("rollback", slug, "--undo")
    assert serving_version(run.campaign) == run.candidate
    kinds = list(run.campaign.deployments.order_by("number").values_list("kind", flat=True))
    assert kinds == ["initial", "promotion", "rollback", "rollback"]
    say("train", slug, "--apart", "--set", "epochs=1")
    with pytest.raises(CommandError, match="has never served"):
        call_command("rollback", slug, "3", "--reason", "x")


def test_predict_is_stamped_with_what_serves(run, released):
    slug = run.campaign.slug
    told = json.loads(say("predict", slug, "admin1 n1", language="wo"))
    assert (told["version"], told["digest"]) == (2, run.candidate.digest)
    assert sum(told["probabilities"].values()) == pytest.approx(1)
    assert told["label"] == max(told["probabilities"], key=told["probabilities"].get)
    say("rollback", slug, "--reason", "nonsense")
    assert json.loads(say("predict", slug, "admin1 n1", language="wo"))["version"] == 1
    with pytest.raises(CommandError, match="of the language 'xx'"):
        call_command("predict", slug, "a", language="xx")


def test_of_pairs_both_texts_are_told_with_a_tab_between(run, released, monkeypatch):
    Campaign.objects.filter(pk=run.campaign.pk).update(objective="pairs")
    slug, labels = run.campaign.slug, run.campaign.labels
    told = json.loads(say("predict", slug, "admin1 n1\tn1", language="wo"))
    assert told["text"] == "admin1 n1\tn1"
    with pytest.raises(CommandError, match="Put a tab"):
        call_command("predict", slug, "admin1 n1", language="wo")
    monkeypatch.setattr("sys.stdin", io.StringIO("admin1 n1\nadmin1 n1\tn1\n"))
    bad, good = map(json.loads, say("predict", slug, language="wo").splitlines())
    assert "Put a tab" in bad["error"]
    assert good == told
    campaign = Campaign.objects.get(pk=run.campaign.pk)
    key = labels.first().key
    case = add_case(campaign, tag="wo", text="one\tother", expected=[key])
    assert case.text == glued(["one", "other"])
    assert add_case(campaign, tag="wo", text="one\r\n⸻\r\nother", expected=[key]) == case
    with pytest.raises(InvalidInputError, match="Put a tab"):
        add_case(campaign, tag="wo", text="one alone", expected=[key])
    gold = make_gold(campaign, "wo", key, text=glued(["known", "pair"]))
    assert case_from_gold(gold).text == gold.sample.text


def test_lineage_and_withdrawal_by_command(run, released):
    slug = run.campaign.slug
    assert f"{slug}  {run.candidate}" in say("lineage", "--person", "awa")
    card = json.loads(say("lineage", "--of", slug, "2"))
    assert card["learned_from"]["languages"]["wo"] == {"samples": 6, "answers": 6, "people": 1}
    assert "6 answers would be taken back" in say("withdraw", "--person", "awa", "--dry-run")
    assert not Annotation.objects.filter(state="withdrawn").exists()
    assert f"{run.candidate} learned" in say("withdraw", "--person", "awa")
    assert Annotation.objects.filter(state="withdrawn").count() == 6
    assert "taken back" in say("lineage", "--person", "awa")
    told = json.loads(say("lineage", "--of", slug, "2"))["taken_back"]
    assert (told["answers"], told["way_out"]) == (6, 1)
    with pytest.raises(CommandError, match="Name a person"):
        call_command("withdraw")
    with pytest.raises(CommandError, match="nobody who answers"):
        call_command("lineage", "--person", "lee")


def test_an_exported_folder_has_card_and_weights_and_is_never_overwritten(run, released, tmp_path):
    folder = tmp_path / "out" / "v2"
    say("evaluate", run.campaign.slug, "2")
    say("export_version", run.campaign.slug, "2", str(folder))
    card = json.loads((folder / "card.json").read_text())
    assert (card["version"], card["digest"]) == (2, run.candidate.digest)
    readme = (folder / "README.md").read_text()
    assert "| wo | 30 |" in readme
    assert "not with `transformers`" in readme
    assert (folder / "model.safetensors").is_file()
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_version", run.campaign.slug, "2", str(folder))


def test_pruning_spares_whatever_can_still_be_needed(run):
    campaign = run.campaign
    say("train", campaign.slug, "--apart", "--set", "epochs=1")
    trial = TrainingRun.objects.get(round=None)
    make_gate(run, "PASS")
    assert needed_digests() >= {run.base.digest, run.candidate.digest, trial.candidate.digest}
    assert "0 versions" in say("prune_weights", "--days", "0")
    make_gate(trial, "BLOCK")
    assert "1 versions" in say("prune_weights", "--days", "0", "--dry-run")
    assert "0 versions" in say("prune_weights", "--days", "30")
    assert "1 versions" in say("prune_weights", "--days", "0")
    assert not (weights_dir() / trial.candidate.path).exists()
    for version in (run.base, run.candidate):
        check_weights(version.path, digest=version.digest)
    assert "2 versions are sound" in say("check_weights")
    # The very same training again gives the same bytes, and they are kept again.
    TrainingRun.objects.filter(pk=trial.pk).update(status="queued", candidate=None)
    trial.gates.all().delete()
    say("train", campaign.slug)
    assert ModelVersion.objects.get(digest=trial.candidate.digest).pruned_at is None
    assert "3 versions are sound" in say("check_weights")


def test_what_has_ever_served_is_never_pruned(tmp_path):
    campaign = make_campaign()
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(bytes([number]))
        version = register_version(campaign, folder=folder, network="tiny", base=None, manifest={})
        if number < 2:
            deploy(campaign, version=version, kind="promotion", reason="for the test")
    assert "1 versions" in say("prune_weights", "--days", "0")
    assert list(campaign.model_versions.filter(pruned_at=None)) == [
        row.version for row in campaign.deployments.order_by("number")
    ]


def test_damaged_weights_are_named(run):
    path = weights_dir() / run.candidate.path / "model.safetensors"
    path.chmod(0o644)
    path.write_bytes(b"nothing")
    with pytest.raises(CommandError, match="1 of 2 versions cannot be served"):
        call_command("check_weights", "--repair")
