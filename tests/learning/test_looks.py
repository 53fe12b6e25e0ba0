"""Closer looks: a round waits for them, chooses by them, and says so where they cannot be had."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from annotation.errors import ConflictError
from annotation.models import Annotation, Campaign, Item
from learning.actions.looks import due_looks, look_closer, looks_to_wait_for
from learning.actions.pools import request_of
from learning.actions.rounds import open_round, select_round
from learning.actions.serving import deploy
from learning.actions.versions import initial_version, register_version
from learning.methods.disagreement import bald
from learning.models import Deployment, Look, LookedAt, ModelVersion, Pick, Round
from learning.networks.opening import open_network
from tests.learning.encoders import tiny_encoder, tiny_tokenizer
from tests.learning.scored import NOW, score
from tests.make import LABELS, make_annotator, make_campaign, make_item, make_sample

pytestmark = pytest.mark.django_db


def taught(campaign: Campaign) -> ModelVersion:
    """A starter that has learnt something: a fresh one finds all labels equally likely."""
    network = open_network("starter", labels=LABELS, seed=1)
    texts = list(campaign.samples.values_list("text", flat=True))
    network.prepare(texts, ["wo"] * len(texts))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.trainable():
            parameter.normal_()
    with TemporaryDirectory() as folder:
        network.save(Path(folder))
        version = register_version(
            campaign, folder=Path(folder), network="starter", base=None, manifest={}
        )
    deploy(campaign, version=version, kind=Deployment.Kind.PROMOTION, reason="It has learnt.")
    return version


def campaign_of(network: str = "tiny", *, size: int = 140, **over: Any) -> Campaign:
    campaign = make_campaign(network=network, languages=["wo", "qu"], items_per_round=10, **over)
    words = np.random.default_rng(0)
    for tag in ("wo", "qu"):
        for number in range(size):
            letters = "".join(chr(97 + n) for n in words.integers(0, 26, 12))
            make_sample(campaign, tag, text=f"{letters} {number} {letters[::-1]}")
    score(taught(campaign) if network == "starter" else initial_version(campaign))
    return campaign


def looked(campaign: Campaign) -> Round:
    round_ = open_round(campaign, now=NOW)
    for pk in due_looks(round_, now=NOW):
        look_closer(pk, now=lambda: NOW)
    return round_


@pytest.fixture
def real_networks(tmp_path: Path, settings: Any) -> Path:
    settings.WEIGHTS_DIR = tmp_path / "weights"
    settings.EMBEDDINGS_DIR = tmp_path / "embeddings"
    return tmp_path


@pytest.mark.parametrize("kind", ["starter", "encoder"])
def test_round_asks_what_several_passes_disagree_on(real_networks: Path, kind: str) -> None:
    name = "starter" if kind == "starter" else str(tiny_encoder(real_networks / "encoder"))
    campaign = campaign_of(name, strategy="bald", opinion_passes=4)
    round_ = open_round(campaign, now=NOW)
    with pytest.raises(ConflictError, match="closer look"):
        select_round(round_, now=NOW)
    (pk,) = due_looks(round_, now=NOW)
    look = look_closer(pk, now=lambda: NOW)
    assert (look.status, look.texts, look.passes) == ("done", 200, 4)
    assert due_looks(round_, now=NOW) == []
    assert not looks_to_wait_for(round_)
    before = request_of(round_)
    selected = select_round(round_, now=NOW)
    assert (selected.strategy, selected.note) == ("bald", "")
    assert selected.request_digest == before.digest
    rows = dict(LookedAt.objects.values_list("sample_id", "numbers"))
    worth = {pk: bald(np.array([numbers], np.float32))[0] for pk, numbers in rows.items()}
    assert len(next(iter(rows.values()))) == 4
    assert max(worth.values()) > 0
    for tag in ("wo", "qu"):
        picks = Pick.objects.filter(item__campaign_language__language__tag=tag)
        chosen = [pick.item.sample_id for pick in picks.exclude(slot="audit")]
        audited = {pick.item.sample_id for pick in picks.filter(slot="audit")}
        mine = {i.pk for i in campaign.samples.filter(language__tag=tag)} & set(worth) - audited
        assert set(chosen) == set(sorted(mine, key=lambda pk: -worth[pk])[: len(chosen)])


def test_same_round_looked_at_again_finds_the_same(real_networks: Path) -> None:
    name = str(tiny_encoder(real_networks / "encoder"))
    round_ = looked(campaign_of(name, size=30, strategy="batch_bald", opinion_passes=3))
    first = list(LookedAt.objects.values_list("sample_id", "numbers"))
    digest = request_of(round_).digest
    Look.objects.all().delete()
    looked(round_.campaign)
    assert list(LookedAt.objects.values_list("sample_id", "numbers")) == first
    assert request_of(round_).digest == digest


def test_cold_start_asks_what_surprises_a_masked_head(real_networks: Path) -> None:
    name = str(tiny_encoder(real_networks / "encoder"))
    campaign = campaign_of(name, cold_start="alps", strategy="entropy")
    round_ = looked(campaign)
    assert round_.strategy == "alps"
    selected = select_round(round_, now=NOW)
    assert (selected.strategy, selected.note) == ("alps", "")
    assert set(Pick.objects.exclude(slot="audit").values_list("strategy", flat=True)) == {"alps"}
    Round.objects.update(status="closed")
    assert open_round(campaign, now=NOW).strategy == "alps"
    Round.objects.update(status="closed")
    ModelVersion.objects.update(base=ModelVersion.objects.get())
    assert open_round(campaign, now=NOW).strategy == "entropy"


def test_surprise_is_the_loss_of_each_token_of_the_text_itself(tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    from learning.networks.masked import MaskedReader

    name = str(tiny_encoder(tmp_path / "encoder"))
    texts = ["abc", "hello you", "", "z"]
    found = MaskedReader.of(name).losses(texts, device=torch.device("cpu"))
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(name).eval(), tiny_tokenizer()
    for text, losses in zip(texts, found, strict=True):
        ids = torch.tensor(tokenizer(text)["input_ids"])
        with torch.no_grad():
            told = torch.log_softmax(model(ids[None]).logits[0], dim=1)
        wanted = -told[torch.arange(len(ids)), ids][1:-1]
        assert losses == pytest.approx(wanted.numpy(), abs=1e-5)


def test_checkpoint_without_a_masked_head_falls_back_to_margin_and_says_so(
    real_networks: Path,
) -> None:
    folder = tiny_encoder(real_networks / "encoder")
    from transformers import AutoModel

    AutoModel.from_pretrained(folder).save_pretrained(folder)
    campaign = campaign_of(str(folder), size=20, cold_start="alps")
    round_ = looked(campaign)
    look = Look.objects.get()
    assert look.status == "failed"
    assert "no masked-language head" in look.error
    selected = select_round(round_, now=NOW)
    assert selected.strategy == "margin"
    assert selected.status == "collecting"
    assert "not by alps" in selected.note
    assert "no masked-language head" in selected.note


@pytest.mark.usefixtures("tiny_networks")
def test_network_that_leaves_nothing_out_falls_back_to_margin_and_says_so() -> None:
    campaign = campaign_of(size=20, strategy_mix={"bald": 0.5, "entropy": 0.5})
    selected = select_round(looked(campaign), now=NOW)
    assert (selected.strategy, selected.mix) == ("margin", {})
    assert "not by bald, entropy" in selected.note
    assert "agree in everything" in selected.note


@pytest.mark.usefixtures("tiny_networks")
def test_look_of_a_lost_worker_is_given_out_again_and_in_the_end_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    campaign = campaign_of(size=20, strategy="bald")
    round_ = open_round(campaign, now=NOW)
    (pk,) = due_looks(round_, now=NOW)

    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("learning.inference.mc_probabilities", broken)
    later = NOW
    for attempt in (1, 2):
        with pytest.raises(MemoryError):
            look_closer(pk, now=lambda: later)
        assert due_looks(round_, now=later) == [pk]
        assert Look.objects.get().attempts == attempt
    lease = timedelta(seconds=60)
    Look.objects.update(status="running", attempts=3, lease_until=later + lease)
    assert look_closer(pk, now=lambda: later).attempts == 3
    assert due_looks(round_, now=later) == []
    assert looks_to_wait_for(round_) == {"mc"}
    assert due_looks(round_, now=later + lease + timedelta(seconds=1)) == []
    assert select_round(round_, now=NOW).note.startswith("Ranked by margin, not by bald")


@pytest.mark.usefixtures("tiny_networks")
def test_costs_are_the_seconds_that_answers_to_texts_of_such_length_took() -> None:
    campaign = make_campaign(
        languages=["wo", "qu"], items_per_round=10, strategy="per_second:margin"
    )
    for tag in ("wo", "qu"):
        for number in range(40):
            make_sample(campaign, tag, text=f"{number} " + "a" * (10 + 20 * number))
    home = campaign.languages.get(language__tag="wo")
    awa = make_annotator("awa", "wo")
    for number in range(60):
        letters = 20 + 10 * number
        item = make_item(make_sample(campaign, "wo", text=f"{number:03d}" + "b" * (letters - 3)))
        Annotation.objects.create(
            item=item,
            annotator=awa,
            desk_annotation_id=number + 1,
            state="answered",
            label=campaign.labels.first(),
            desk_updated_at="2026",
            lead_seconds=letters / 10,
        )
    score(initial_version(campaign))
    request = request_of(open_round(campaign, now=NOW))
    texts = dict(campaign.samples.values_list("pk", "text"))
    letters = np.array([len(texts[int(pk)]) for pk in request.item_ids])
    wolof = request.language == [s.tag for s in request.languages].index("wo")
    assert request.cost_seconds is not None
    assert home.language.tag == "wo"
    usual = wolof & (letters > 100)
    assert request.cost_seconds[usual] == pytest.approx(letters[usual] / 10, rel=0.2)
    # Quechua has no answers: its lengths count as far as all languages together tell.
    shape = np.log(request.cost_seconds[~wolof] / request.cost_seconds[~wolof][0])
    slope = np.polyfit(np.log(letters[~wolof]), shape, 1)[0]
    assert 0.4 < slope < 0.95
    selected = select_round(open_round(campaign, now=NOW), now=NOW)
    assert selected.strategy == "per_second:margin"
    assert selected.note == ""
    assert Item.objects.filter(pick__round=selected).count() == 10
