"""Adapters: what one language learns moves no other by a bit, and can be taken away again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer, LoraModel
from transformers import AutoModelForSequenceClassification, DebertaV2Config

from annotation.errors import InvalidInputError
from learning.inference import network_logits
from learning.networks.adapted import AdaptedEncoder
from learning.networks.encoder import Encoder
from learning.networks.opening import load_network, open_network
from learning.networks.own_rows import AdaptedStarter
from learning.networks.routing import Lora, routed
from learning.networks.runtimes import INT8, recast, runtimes_of
from learning.networks.starter import Starter
from tests.learning.encoders import tiny_encoder, tiny_tokenizer

LABELS = ("yes", "no", "maybe")
TEXTS = ("hello world", "aku suka", "bon jour", "xin", "a b c d e f", "q") * 2
# ``pop`` and ``to`` are languages, and names that every module of torch has a use for.
TAGS = ("en", "pop", "to", "vi", "en", "pop") * 2
KINDS = ("lora", "bottleneck", "starter")


def plain(kind: str, folder: Path) -> Encoder | Starter:
    """A network that has learned something, as far as its head goes."""
    if kind != "starter":
        return open_network(str(tiny_encoder(folder)), labels=LABELS, seed=1)
    starter = open_network("starter", labels=LABELS, seed=0)
    starter.prepare(TEXTS, TAGS)
    with torch.no_grad():
        starter.module.ngrams[1:].normal_(generator=torch.Generator().manual_seed(3))
    return starter


def dressed(kind: str, folder: Path, *languages: str) -> Any:
    network = plain(kind, folder)
    if isinstance(network, Starter):
        adapted: Any = AdaptedStarter.over(network)
    else:
        adapted = AdaptedEncoder.over(network, method=kind, rank=3)
    adapted.add(languages)
    return adapted


def learn(network: Any, *languages: str) -> None:
    network.learn(languages)
    network.prepare(TEXTS, TAGS)
    optimizer = torch.optim.AdamW(network.trainable(), lr=0.05)
    for _ in range(3):
        logits = network.logits(network.collate(TEXTS, TAGS))
        loss = torch.nn.functional.cross_entropy(logits, torch.ones(len(TEXTS), dtype=torch.long))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def said(network: Any) -> np.ndarray:
    return network_logits(network, texts=TEXTS, languages=TAGS)


def bits(logits: np.ndarray) -> bytes:
    return logits.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_one_language_learns_and_no_other_moves_by_a_bit(tmp_path: Path, kind: str) -> None:
    before = said(plain(kind, tmp_path))
    network = dressed(kind, tmp_path, "pop", "to")
    assert bits(said(network)) == bits(before)
    learn(network, "pop")
    after, own = said(network), np.array([tag == "pop" for tag in TAGS])
    assert bits(after[~own]) == bits(before[~own])
    assert (after[own] != before[own]).any(axis=1).all()
    network.add(["vi"])
    learn(network, "vi")
    assert bits(said(network)[own]) == bits(after[own])


@pytest.mark.parametrize("kind", KINDS)
def test_adapter_that_is_taken_away_leaves_what_was_there_before(tmp_path: Path, kind: str) -> None:
    before = said(plain(kind, tmp_path))
    network = dressed(kind, tmp_path, "en", "pop")
    learn(network, "en", "pop")
    both = said(network)
    network.drop("en")
    kept = np.array([tag == "pop" for tag in TAGS])
    assert bits(said(network)[kept]) == bits(both[kept])
    assert bits(said(network)[~kept]) == bits(before[~kept])
    network.drop("pop")
    assert bits(said(network)) == bits(before)
    with pytest.raises(InvalidInputError, match="no adapter for en"):
        network.drop("en")


@pytest.mark.parametrize("kind", KINDS)
def test_stored_adapters_come_back_bit_for_bit_beside_an_untouched_backbone(
    tmp_path: Path, kind: str
) -> None:
    plain(kind, tmp_path / "hub").save(tmp_path / "plain")
    network = dressed(kind, tmp_path / "hub", "to", "pop")
    learn(network, "to")
    network.add(["en"])
    learn(network, "en", "pop")
    network.save(tmp_path / "adapted")
    again = load_network(tmp_path / "adapted", labels=LABELS)
    assert again.settings() == network.settings()
    assert bits(said(again)) == bits(said(network))
    weights = "model.safetensors"
    assert (tmp_path / "adapted" / weights).read_bytes() == (
        tmp_path / "plain" / weights
    ).read_bytes()
    stored = [path.suffix for path in (tmp_path / "adapted").iterdir()]
    assert set(stored) <= {".json", ".safetensors", ".txt"}
    again.save(tmp_path / "twice")
    for name in (weights, "adapters.safetensors", "network.json"):
        assert (tmp_path / "twice" / name).read_bytes() == (
            tmp_path / "adapted" / name
        ).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_of_a_mixed_batch_goes_by_its_own_language(tmp_path: Path, kind: str) -> None:
    network = dressed(kind, tmp_path, "en", "pop", "to")
    learn(network, "en", "pop", "to")
    mixed = said(network)
    for place, pair in enumerate(zip(TEXTS, TAGS, strict=True)):
        alone = network.collate([pair[0]], [pair[1]])
        logits, embeddings = network.answer(alone)
        np.testing.assert_allclose(logits.detach().numpy()[0], mixed[place], atol=1e-5)
        torch.testing.assert_close(network.embed(alone), embeddings)


def test_lora_is_what_peft_makes_of_the_same_weights(tmp_path: Path) -> None:
    network = dressed("lora", tmp_path, "en", "pop")
    learn(network, "en", "pop")
    layers = {name: part for name, part in routed(network.module).items() if isinstance(part, Lora)}
    theirs = plain("lora", tmp_path)
    config = LoraConfig(r=3, lora_alpha=6, target_modules=list(layers))
    # their names of adapters may not be those of a module's own attributes
    model = LoraModel(theirs.module, {"l_en": config, "l_pop": config}, "l_en")
    model.inject_adapter(theirs.module, "l_pop")
    with torch.no_grad():
        for name, layer in layers.items():
            other = theirs.module.get_submodule(name)
            assert isinstance(other, LoraLayer)
            for tag in ("en", "pop"):
                own = layer.tensors(network.adapters.place(tag))
                other.lora_A[f"l_{tag}"].weight.copy_(own["down"])
                other.lora_B[f"l_{tag}"].weight.copy_(own["up"])
        for part in routed(network.module).values():
            for number, tensor in enumerate(getattr(part, "up_bias", ())):
                tensor.zero_()
                part.up[number].zero_()  # our own heads, which peft would give nobody
        batch = theirs.collate(TEXTS, TAGS)
        names = [f"l_{tag}" if tag in ("en", "pop") else "__base__" for tag in TAGS]
        model.eval()
        with model._enable_peft_forward_hooks(adapter_names=names):
            wanted = theirs.module(**batch).logits
    np.testing.assert_allclose(said(network), wanted.numpy(), atol=1e-5)


def test_o_lora_s_adapters_act_on_every_text(tmp_path: Path) -> None:
    before = said(plain("o-lora", tmp_path))
    network = dressed("o-lora", tmp_path, "en", "pop")
    assert bits(said(network)) == bits(before)
    learn(network, "pop")
    assert (said(network) != before).any(axis=1).all()


def test_rounded_encoder_keeps_its_adapters(tmp_path: Path) -> None:
    network = dressed("lora", tmp_path, "en")
    learn(network, "en")
    assert INT8 in runtimes_of(network, device="cpu", many=True)
    rounded = said(recast(network, INT8))
    np.testing.assert_allclose(rounded, said(network), atol=0.1)
    network.drop("en")
    assert np.abs(rounded - said(network)).max() > 0.2


def test_layer_that_sees_places_instead_of_texts_is_left_alone() -> None:
    config = DebertaV2Config(
        vocab_size=60,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=80,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        share_att_key=True,
        num_labels=3,
    )
    module = AutoModelForSequenceClassification.from_config(config)
    encoder = Encoder(LABELS, name="deberta", module=module, tokenizer=tiny_tokenizer())
    network = AdaptedEncoder.over(encoder, method="lora", rank=2)
    network.add(["en"])
    assert not any(name.endswith("key_proj") for name in routed(network.module))
    learn(network, "en")
    alone = network.logits(network.collate(TEXTS[:1], TAGS[:1])).detach().numpy()
    np.testing.assert_allclose(alone[0], said(network)[0], atol=1e-5)


def test_folder_whose_adapters_do_not_fit_is_refused(tmp_path: Path) -> None:
    network = dressed("lora", tmp_path / "hub", "en")
    network.save(tmp_path / "a")
    wider = AdaptedEncoder.over(plain("lora", tmp_path / "hub"), method="lora", rank=4)
    wider.add(["en"])
    wider.save(tmp_path / "b")
    name = "adapters.safetensors"
    (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
    with pytest.raises(InvalidInputError, match="do not fit"):
        load_network(tmp_path / "a")
