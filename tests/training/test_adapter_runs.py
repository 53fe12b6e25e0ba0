"""A campaign that trains in adapters, from answers to what serves; merges through the same gate."""

from io import StringIO
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest
from django.core.management import CommandError, call_command

import learning.inference
from learning.actions.scoring import open_scoring, score_shard
from learning.actions.serving import serving_version
from learning.actions.versions import initial_version
from learning.inference import logits_of
from learning.models import Prediction
from tests.learning.encoders import tiny_encoder
from tests.make import LABELS, make_gold, make_sample
from tests.training.test_runs import answered, train
from tests.training.wheel import Now, make_wheel
from training.actions import gates
from training.actions.asked_runs import run_to_train
from training.actions.promotion import promote
from training.actions.recipes import set_recipe
from training.models import GateRun, TrainingRun

pytestmark = pytest.mark.django_db
RECIPE = {"method": "lora", "lr": 0.01, "epochs": 20, "curve_points": 2}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings):
    settings.WEIGHTS_DIR = tmp_path / "weights"
    settings.EMBEDDINGS_DIR = tmp_path / "embeddings"
    settings.VAR_DIR = tmp_path / "var"
    learning.inference._networks.clear()
    yield
    learning.inference._networks.clear()


def words(label: str, rng: np.random.Generator) -> str:
    """A text of letters only, which is what the tiny encoder can read."""
    return " ".join([label, *("".join(rng.choice(list(ascii_lowercase), 3)) for _ in range(2))])


def make_campaign(network: str, *, gold: int = 6, recipe=RECIPE):
    """Two languages with gold, a few texts to compare logits on, and a first version."""
    rng, campaign = np.random.default_rng(0), make_wheel(gold=0, dev=0, pool=0, network=network)
    for tag in ("wo", "qu"):
        for n in range(gold + 3):
            label = LABELS[n % 3]
            make_gold(campaign, tag, label, "gate" if n < gold else "dev", text=words(label, rng))
            make_sample(campaign, tag, words(label, rng))
    set_recipe(campaign, changes=recipe)
    campaign.refresh_from_db()
    initial_version(campaign)
    return campaign


def answer(campaign, tag: str, *, rows: int = 12, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for n in range(rows):
        label = LABELS[n % 3]
        answered(campaign, tag=tag, text=words(label, rng), label=label)


def learn(campaign) -> TrainingRun:
    run = train(run_to_train(campaign, settings={}, apart=True, now=Now()))
    assert run.status == "finished", run.error
    return run


def said(version, campaign) -> dict[str, bytes]:
    """The logits of the whole pool in mixed batches, by language."""
    rows = list(campaign.samples.order_by("pk").values_list("text", "language__tag"))
    logits = logits_of(version, texts=[r[0] for r in rows], languages=[r[1] for r in rows])
    tags = np.array([tag for _, tag in rows])
    return {tag: logits[tags == tag].tobytes() for tag in ("wo", "qu")}


def test_encoder_learns_one_language_passes_the_gate_and_serves(tmp_path: Path) -> None:
    campaign = make_campaign(str(tiny_encoder(tmp_path / "hub")), gold=100)
    answer(campaign, "wo", rows=60)
    before = said(serving_version(campaign), campaign)
    run = learn(campaign)
    gate = gates.judge(run.pk, now=Now())
    assert gate.verdict == "PASS", (
        gate.reasons,
        [(c.language.tag, c.delta, c.items) for c in gate.checks.all()],
    )
    checks = {check.language.tag: check for check in gate.checks.all()}
    assert checks["wo"].delta > 0.2
    assert (checks["qu"].fixed, checks["qu"].broken) == (0, 0)
    promote(gate)
    version = serving_version(campaign)
    assert version == run.candidate
    assert version.manifest["recipe"]["method"] == "lora"
    after = said(version, campaign)
    assert after["qu"] == before["qu"]
    assert after["wo"] != before["wo"]
    scoring = open_scoring(version, now=Now())
    for shard in scoring.shards.all():
        score_shard(shard.pk, now=Now)
    assert Prediction.objects.filter(version=version).count() > 0


def test_second_run_goes_on_from_adapters_and_gives_a_new_language_its_own(tmp_path: Path) -> None:
    campaign = make_campaign("starter", recipe=RECIPE | {"epochs": 4})
    answer(campaign, "wo")
    first = learn(campaign)
    GateRun.objects.filter(pk=gates.judge(first.pk, now=Now()).pk).update(verdict="PASS")
    promote(GateRun.objects.get(run=first))
    before = said(first.candidate, campaign)
    answer(campaign, "qu", seed=2)
    second = learn(campaign)
    after = said(second.candidate, campaign)
    assert after["wo"] == before["wo"]
    assert after["qu"] != before["qu"]


def command(name: str, *words: str) -> str:
    out = StringIO()
    call_command(name, *words, stdout=out)
    return out.getvalue()


def test_merged_and_dropped_adapters_are_candidates_for_the_gate(tmp_path: Path) -> None:
    campaign = make_campaign(str(tiny_encoder(tmp_path / "hub")), recipe=RECIPE | {"epochs": 6})
    slug = campaign.slug
    with pytest.raises(CommandError, match="never been trained"):
        command("merge_adapters", slug, "--languages", "wo", "qu")
    plain = serving_version(campaign)
    answer(campaign, "wo")
    answer(campaign, "qu", seed=2)
    trained = learn(campaign)
    GateRun.objects.filter(pk=gates.judge(trained.pk, now=Now()).pk).update(verdict="PASS")
    promote(GateRun.objects.get(run=trained))
    before = said(trained.candidate, campaign)

    merging = ("merge_adapters", slug, "--languages", "wo", "qu", "--weights", "0.8", "0.2")
    told = command(*merging, "--how", "ties", "--into", "qu")
    run = TrainingRun.objects.latest("pk")
    assert f"manage.py gate {run.pk}" in told
    assert command(*merging, "--how", "ties", "--into", "qu") == told
    assert TrainingRun.objects.latest("pk") == run
    assert run.candidate.manifest["merge"]["how"] == "ties"
    assert list(run.candidate.parents.values_list("parent", "weight")) == [
        (trained.candidate.pk, 1.0)
    ]
    assert gates.judge(run.pk, now=Now()).champion == trained.candidate
    merged = said(run.candidate, campaign)
    assert merged["wo"] == before["wo"]
    assert merged["qu"] != before["qu"]

    command("drop_adapters", slug, "--languages", "qu")
    dropped = said(TrainingRun.objects.latest("pk").candidate, campaign)
    assert dropped["wo"] == before["wo"]
    assert dropped["qu"] == said(plain, campaign)["qu"]
    with pytest.raises(CommandError, match="sw is no language"):
        command("merge_adapters", slug, "--languages", "wo", "sw")
