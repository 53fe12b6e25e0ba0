"""How fast each part learns: by depth, from when on, and slower for new languages."""

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ModernBertConfig,
    XLMRobertaConfig,
)

from learning.networks.encoder import Encoder
from learning.networks.opening import open_network
from tests.learning.encoders import tiny_encoder
from training.methods import rates

SHAPE = {"vocab_size": 30, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
DISTIL = {"vocab_size": 30, "dim": 8, "hidden_dim": 8, "n_heads": 2, "n_layers": 3}


class Bare:
    """Any encoder's module, with what the rates ask of a network."""

    def __init__(self, config):
        self.module = AutoModelForSequenceClassification.from_config(config)

    def trainable(self):
        return list(self.module.parameters())


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        (BertConfig(**SHAPE, num_hidden_layers=3), 3),
        (XLMRobertaConfig(**SHAPE, num_hidden_layers=3), 3),
        (DistilBertConfig(**DISTIL), 3),
        (DebertaV2Config(**SHAPE, num_hidden_layers=3), 3),
        (ModernBertConfig(**SHAPE, num_hidden_layers=3, pad_token_id=0), 3),
        (AlbertConfig(**SHAPE, num_hidden_layers=3, embedding_size=4), 1),  # all layers are one
    ],
    ids=lambda value: getattr(value, "model_type", value),
)
def test_depth_goes_from_embeddings_over_layers_to_the_head(config, layers):
    network = Bare(config)
    depth = rates.depths(network)
    named = list(zip((n for n, _ in network.module.named_parameters()), depth, strict=True))
    assert sorted(set(depth)) == list(range(layers + 2))
    assert all(d == 0 for name, d in named if "word_embeddings" in name or "tok_emb" in name)
    assert all(d == layers + 1 for name, d in named if name.startswith("classifier"))
    assert all(d == 2 for name, d in named if ".1." in name and layers > 1)


def test_each_depth_learns_more_slowly_than_the_one_above(tmp_path):
    network = Encoder.fresh(["a", "b"], name=str(tiny_encoder(tmp_path)), seed=0)
    made = rates.groups(network, lr=1.0, weight_decay=0.1, layer_decay=0.5)
    assert [group["lr"] for group in made] == [0.125, 0.25, 0.5, 1.0]
    together = [id(p) for group in made for p in group["params"]]
    assert sorted(together) == sorted(map(id, network.trainable()))
    plain = rates.groups(network, lr=1.0, weight_decay=0.1)
    assert [id(p) for p in plain[0]["params"]] == list(map(id, network.trainable()))


def test_layers_thaw_from_the_top_and_what_is_frozen_does_not_move(tmp_path):
    network = Encoder.fresh(["a", "b"], name=str(tiny_encoder(tmp_path)), seed=0)
    counts = [len(rates.frozen(network, step=step, every=5)) for step in (0, 4, 5, 10, 15)]
    assert counts[0] == counts[1] > counts[2] > counts[3] > counts[4] == 0
    assert rates.frozen(network, step=0, every=0) == []
    before = [p.detach().clone() for p in network.trainable()]
    optimizer = torch.optim.AdamW(network.trainable(), lr=0.1, weight_decay=0.1)
    network.logits(network.collate(["a b", "c"], ["wo", "wo"])).sum().backward()
    still = rates.frozen(network, step=5, every=5)
    for parameter in still:
        parameter.grad = None
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, network.trainable(), strict=True)]
    frozen = {id(p) for p in still}
    assert not any(m for m, p in zip(moved, network.trainable(), strict=True) if id(p) in frozen)
    names = [name for name, p in network.module.named_parameters() if id(p) not in frozen]
    assert all("layer.1." in name or name.startswith("classifier") for name in names)


def test_starter_has_one_depth_and_is_never_frozen():
    network = open_network("starter", labels=("a", "b"), seed=0)
    made = rates.groups(network, lr=0.02, weight_decay=0.0, layer_decay=0.5)
    assert [(group["lr"], len(group["params"])) for group in made] == [(0.02, 3)]
    assert rates.frozen(network, step=0, every=10) == []


def test_new_languages_slow_a_run_down_and_the_first_ever_do_not():
    assert rates.new_languages(["wo", "qu", "ff", "wo"], [True, True, True, False]) == ["ff", "qu"]
    assert rates.new_languages(["wo", "qu"], [False, False]) == []
    assert rates.adjusted(0.01, factor=0.8, new=2) == pytest.approx(0.0064)
    assert rates.adjusted(0.01, factor=1.0, new=9) == 0.01
