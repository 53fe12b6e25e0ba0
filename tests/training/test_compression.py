"""What each compression does to a network, beside doing it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from annotation.errors import InvalidInputError
from learning.inference import network_logits
from learning.networks.compressed import RoundedEncoder, learnable
from learning.networks.encoder import Encoder
from learning.networks.opening import load_network, open_network
from learning.networks.runtimes import INT8, recast, runtimes_of
from learning.networks.starter import Starter
from tests.learning.encoders import tiny_encoder
from training.methods.compression import Softened, pruned, quantised, student_of

LABELS = ("yes", "no", "maybe")
TEXTS = ["a b c", "d e f g", "h", "i j k l m n o p"]
TAGS = ["wo", "qu", "wo", "qu"]


def told(network) -> np.ndarray:
    return network_logits(network, texts=TEXTS, languages=TAGS)


@pytest.fixture
def encoder(tmp_path: Path, request) -> Encoder:
    kind = getattr(request, "param", "xlm-roberta")
    return open_network(str(tiny_encoder(tmp_path / "hub", kind=kind)), labels=LABELS, seed=1)


@pytest.fixture
def starter() -> Starter:
    network = Starter.fresh(LABELS)
    network.prepare(TEXTS, TAGS)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.trainable():
            parameter.copy_(torch.randn_like(parameter))
        network.module.ngrams[0] = 0
    return network


@pytest.mark.parametrize("encoder", ["bert", "xlm-roberta"], indirect=True)
def test_rounded_encoder_comes_back_bit_for_bit(encoder, tmp_path) -> None:
    small = quantised(encoder)
    small.save(tmp_path / "stored")
    back = load_network(tmp_path / "stored", labels=LABELS)
    assert isinstance(back, RoundedEncoder)
    assert np.array_equal(told(back), told(small))
    assert np.abs(told(back) - told(encoder)).max() < 0.05
    back.save(tmp_path / "again")
    for name in ("model.safetensors", "network.json"):
        again = (tmp_path / "again" / name).read_bytes()
        assert again == (tmp_path / "stored" / name).read_bytes()
    assert runtimes_of(back, device="cpu", many=True) == ()
    assert recast(back, INT8) is back


def test_rounded_encoder_that_lacks_a_part_is_no_network(encoder, tmp_path) -> None:
    quantised(encoder).save(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(
        config.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 3')
    )
    with pytest.raises(InvalidInputError, match="do not fit"):
        load_network(tmp_path)


def test_rounded_networks_can_be_learned_on(encoder, starter, tmp_path) -> None:
    for network in (encoder, starter):
        small = quantised(network)
        whole = learnable(small)
        assert whole.kind == network.kind
        assert len(whole.trainable()) == len(network.trainable())
        assert np.abs(told(whole) - told(small)).max() < 0.01
        assert learnable(network) is network


def test_rounded_starter_says_in_memory_what_it_says_when_stored(starter, tmp_path) -> None:
    small = quantised(starter)
    small.save(tmp_path / "small")
    starter.save(tmp_path / "whole")
    assert np.array_equal(told(load_network(tmp_path / "small")), told(small))
    sizes = [(tmp_path / n / "model.safetensors").stat().st_size for n in ("small", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    assert np.abs(told(small) - told(starter)).max() < 0.1


def test_student_starts_from_the_teachers_layers(encoder) -> None:
    student = student_of(encoder, layers=1)
    layers = encoder.module.roberta.encoder.layer
    (only,) = student.module.roberta.encoder.layer
    for mine, last in zip(only.parameters(), layers[1].parameters(), strict=True):
        assert torch.equal(mine, last)
    assert len(layers) == 2
    for layers_ in (0, 2):
        with pytest.raises(InvalidInputError):
            student_of(encoder, layers=layers_)


@pytest.mark.parametrize("encoder", ["bert", "xlm-roberta"], indirect=True)
def test_units_that_say_nothing_go_first(encoder, tmp_path) -> None:
    with torch.no_grad():
        for layer in getattr(encoder.module, encoder.module.base_model_prefix).encoder.layer:
            layer.output.dense.weight[:, ::2] = 0
    small = pruned(encoder, keep=0.5)
    np.testing.assert_allclose(told(small), told(encoder), atol=1e-5)
    small.save(tmp_path)
    back = load_network(tmp_path)
    assert back.module.config.intermediate_size == 32
    np.testing.assert_allclose(told(back), told(encoder), atol=1e-5)


def test_small_ngrams_go_and_each_half_keeps_its_share(starter, tmp_path) -> None:
    buckets, shared = starter.module.buckets(), 1 << starter.features["bits"]
    with torch.no_grad():
        starter.module.ngrams[1:][buckets >= shared] *= 1e-3  # a language's own are small
        starter.module.ngrams[1] = 0
    before = {int(half): int((buckets >= shared).eq(half).sum()) for half in (False, True)}
    small = pruned(starter, keep=0.5)
    left = small.module.buckets()
    for half in (False, True):
        assert int((left >= shared).eq(half).sum()) == round(0.5 * before[int(half)])
    assert int(buckets[0]) not in left.tolist()
    assert len(starter.module.buckets()) == len(buckets)
    kept = small.module.places[left].long()
    there = starter.module.places[left].long()
    assert torch.equal(small.module.ngrams[kept], starter.module.ngrams[there])


def test_softening_is_for_school_only(encoder) -> None:
    soft = Softened(encoder, temperature=4.0)
    batch = encoder.collate(TEXTS, TAGS)
    encoder.module.eval()
    assert torch.equal(soft.logits(batch), encoder.logits(batch))
    for part in encoder.module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    encoder.module.train()
    torch.testing.assert_close(soft.logits(batch) * 4, encoder.logits(batch))
    assert soft.labels == LABELS
