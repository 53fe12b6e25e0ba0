"""Pairs of texts: every kind of network reads them as two, and learns how they go together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from annotation.methods.texts import glued
from learning.networks import Network
from learning.networks.opening import load_network, open_network
from tests.learning.encoders import tiny_encoder

LABELS = ("first", "second")
WORDS = ("rain", "market", "doctor", "school", "goat", "bread", "song")


@pytest.fixture(params=["starter", "xlm-roberta", "bert"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    if request.param == "starter":
        return open_network("starter", labels=LABELS, seed=7)
    return open_network(
        str(tiny_encoder(tmp_path / "e", kind=request.param)), labels=LABELS, seed=7
    )


def logits(network: Network, texts: list[str]) -> np.ndarray:
    with torch.no_grad():
        return network.logits(network.collate(texts, ["wo"] * len(texts))).numpy()


def test_a_pair_is_not_its_parts_run_together(network: Network) -> None:
    network.prepare([glued(["rain falls", "goat"]), "rain falls goat"], ["wo"] * 2)
    with torch.no_grad():
        for weights in network.trainable():
            weights += torch.linspace(0, 0.1, weights.numel()).view(weights.shape)
    told = logits(network, [glued(["rain falls", "goat"]), glued(["rain", "falls goat"])])
    assert np.abs(told[0] - told[1]).max() > 1e-6


def test_a_pair_is_read_alike_whoever_stands_beside_it(network: Network, tmp_path: Path) -> None:
    texts = ["rain", glued(["a goat", "the river " * 40]), glued(["", "x"]), "bread and song"]
    network.prepare(texts, ["wo"] * 4)
    with torch.no_grad():
        for weights in network.trainable():
            weights += torch.linspace(0, 0.1, weights.numel()).view(weights.shape)
    together = logits(network, texts)
    alone = np.concatenate([logits(network, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-5)
    network.save(tmp_path / "stored")
    np.testing.assert_allclose(
        logits(load_network(tmp_path / "stored"), texts), together, atol=1e-6
    )


def test_a_first_text_of_any_length_leaves_room_for_the_second() -> None:
    starter = open_network("starter", labels=LABELS, seed=0)
    texts = [glued(["rain " * 9_000, second]) for second in ("goat", "river")]
    first, second = (starter.collate([text], ["wo"])["buckets"].tolist() for text in texts)
    assert first != second


def test_the_starter_learns_in_which_of_two_texts_a_word_stands() -> None:
    rng = np.random.default_rng(3)
    starter = open_network("starter", labels=LABELS, seed=0)

    def some(number: int) -> tuple[list[str], np.ndarray]:
        truth = rng.integers(0, 2, number)
        others = rng.choice(WORDS, (number, 3))
        pairs = [(f"{a} river", f"{b} {c}") for a, b, c in others]
        return [glued(pair[:: 1 - 2 * at]) for pair, at in zip(pairs, truth, strict=True)], truth

    texts, truth = some(200)
    starter.prepare(texts, ["wo"] * len(texts))
    optimizer = torch.optim.AdamW(starter.trainable(), lr=0.05)
    batch = starter.collate(texts, ["wo"] * len(texts))
    for _ in range(40):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(starter.logits(batch), torch.from_numpy(truth))
        torch.autograd.backward(loss)
        optimizer.step()
    unseen, right = some(200)
    # One bag of both texts' words is the same whichever stands first.
    assert (logits(starter, unseen).argmax(axis=1) == right).mean() > 0.9


def test_an_encoder_of_the_bert_family_is_told_which_text_is_which(tmp_path: Path) -> None:
    encoder = open_network(str(tiny_encoder(tmp_path / "e", kind="bert")), labels=LABELS, seed=7)
    batch = encoder.collate([glued(["ab", "cd"]), "abcdef"], ["wo"] * 2)
    kinds = batch["token_type_ids"].tolist()
    assert set(kinds[0]) == {0, 1}
    assert set(kinds[1]) == {0}
