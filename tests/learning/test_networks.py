"""What every kind of network promises, asked of each kind there is."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from annotation.errors import ConflictError, InvalidInputError, NotFoundError
from learning.networks import Network
from learning.networks.opening import load_network, open_network
from tests.learning.encoders import tiny_encoder

LABELS = ("health", "sport", "market")
TEXTS = [
    "Jigéén ji dem na marse",
    "",
    "ጥዑም ምግቢ ኣሎ 😀👩🏽‍🚀",
    "هذا نصٌّ قصير \u200f",
    "Ẹ jọ̀wọ́ ẹ wá s\u0323o\u0301",
    "日本語のテキスト",
    "ภาษาไทยไม่มีช่องว่าง",
    "ՀԱՅԵՐԵՆ ქართული ខ្មែរ বাংলা தமிழ் ߒߞߏ ᏣᎳᎩ ᱥᱟᱱᱛᱟᱲᱤ",
    "\x00\ud800\ufffd",
    "x" * 50_000,
    "a b " * 20_000,
]
LANGUAGES = ["wo", "wo", "ti", "ar", "yo", "ja", "th", "xx-unheard-Of", "", "qu", "qu"]

Opener = Callable[[], Network]


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(params=["starter", "encoder"])
def opened(request: pytest.FixtureRequest, encoder_folder: Path) -> Opener:
    name = "starter" if request.param == "starter" else str(encoder_folder)
    return lambda: open_network(name, labels=LABELS, seed=7)


def logits_of(network: Network, texts: list[str], languages: list[str]) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        logits: npt.NDArray[np.float32] = network.logits(network.collate(texts, languages)).numpy()
    return logits


def learn(network: Network, *, steps: int = 20, rate: float = 0.05) -> None:
    texts = ["doctor medicine clinic", "ball goal team", "price shop money"]
    network.prepare(texts, ["wo", "qu", "wo"])
    optimizer = torch.optim.AdamW(network.trainable(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = network.logits(network.collate(texts, ["wo", "qu", "wo"]))
        torch.autograd.backward(torch.nn.functional.cross_entropy(logits, torch.arange(3)))
        optimizer.step()


def test_every_script_and_every_oddity_gets_finite_logits(opened: Opener) -> None:
    network = opened()
    logits = logits_of(network, TEXTS, LANGUAGES)
    assert logits.shape == (len(TEXTS), len(LABELS))
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


def test_no_texts_give_no_logits(opened: Opener) -> None:
    assert logits_of(opened(), [], []).shape == (0, len(LABELS))


def test_stored_network_comes_back_bit_for_bit(opened: Opener, tmp_path: Path) -> None:
    network = opened()
    learn(network)
    network.save(tmp_path / "first")
    again = load_network(tmp_path / "first")
    assert (again.kind, again.labels) == (network.kind, network.labels)
    for ours, theirs in zip(network.trainable(), again.trainable(), strict=True):
        assert torch.equal(ours, theirs)
    assert np.array_equal(logits_of(network, TEXTS, LANGUAGES), logits_of(again, TEXTS, LANGUAGES))


def test_saving_what_was_loaded_writes_the_same_weights(opened: Opener, tmp_path: Path) -> None:
    network = opened()
    learn(network, steps=3)
    network.save(tmp_path / "first")
    load_network(tmp_path / "first").save(tmp_path / "second")
    for name in ("model.safetensors", "network.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_stored_folder_holds_nothing_that_can_run(opened: Opener, tmp_path: Path) -> None:
    opened().save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".safetensors", ".txt"}


def test_same_name_and_seed_make_the_same_network(opened: Opener) -> None:
    assert np.array_equal(
        logits_of(opened(), TEXTS, LANGUAGES), logits_of(opened(), TEXTS, LANGUAGES)
    )


def test_opening_leaves_the_global_seed_alone(opened: Opener) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    opened()
    assert torch.equal(torch.rand(2), expected)


def test_neighbours_in_a_batch_change_nothing(opened: Opener) -> None:
    network = opened()
    learn(network)
    together = logits_of(network, TEXTS, LANGUAGES)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = logits_of(network, [TEXTS[i] for i in order], [LANGUAGES[i] for i in order])
    alone = np.concatenate(
        [logits_of(network, [TEXTS[i]], [LANGUAGES[i]]) for i in range(len(TEXTS))]
    )
    np.testing.assert_allclose(shuffled, together[order], atol=1e-5)
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_gradient_reaches_the_trainable_and_only_them(opened: Opener) -> None:
    network = opened()
    trainable = network.trainable()
    torch.autograd.backward(network.logits(network.collate(TEXTS, LANGUAGES))[:, 0].sum())
    assert all(parameter.grad is not None for parameter in trainable)
    assert any(parameter.grad.any() for parameter in trainable if parameter.grad is not None)
    ours = {id(parameter) for parameter in trainable}
    assert all(p.grad is None for p in network.module.parameters() if id(p) not in ours)
    assert all(buffer.grad is None for buffer in network.module.buffers())


def test_network_learns_a_toy_task(opened: Opener) -> None:
    network = opened()
    learn(network, steps=60, rate=0.05 if network.kind == "starter" else 0.003)
    found = logits_of(network, ["doctor medicine", "goal team", "money shop"], ["wo", "qu", "wo"])
    assert found.argmax(axis=1).tolist() == [0, 1, 2]


def test_longer_texts_have_longer_lengths(opened: Opener) -> None:
    assert opened().lengths(["", "ab", "abc"]).tolist() == [0, 2, 3]


def test_embeddings_are_one_vector_a_text_without_gradient(opened: Opener) -> None:
    network = opened()
    embeddings = network.embed(network.collate(TEXTS, LANGUAGES))
    assert embeddings.shape[0] == len(TEXTS)
    assert embeddings.ndim == 2
    assert not embeddings.requires_grad
    assert torch.isfinite(embeddings).all()


def test_settings_are_json_and_carry_a_recipe(opened: Opener) -> None:
    settings = json.loads(json.dumps(opened().settings()))
    assert settings["labels"] == list(LABELS)
    assert {"lr", "weight_decay", "batch", "epochs"} <= set(settings["recipe"])


@pytest.mark.parametrize("labels", [(), ("one",), ("a", "b", "a")])
def test_labels_must_be_several_and_different(labels: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError, match="two labels"):
        open_network("starter", labels=labels, seed=0)


def test_unknown_name_is_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidInputError, match="starter"):
        open_network("no such/thing/at all", labels=LABELS, seed=0)


def test_folder_without_weights_names_what_is_missing(tmp_path: Path) -> None:
    open_network("starter", labels=LABELS, seed=0).save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"model\.safetensors is missing"):
        load_network(tmp_path)


@pytest.mark.parametrize("settings", ["{", "[]", '{"kind": "starter"}', '{"labels": [1]}'])
def test_broken_settings_are_refused(tmp_path: Path, settings: str) -> None:
    open_network("starter", labels=LABELS, seed=0).save(tmp_path)
    (tmp_path / "network.json").write_text(settings)
    with pytest.raises(InvalidInputError):
        load_network(tmp_path)


def test_unknown_kind_is_refused(tmp_path: Path) -> None:
    open_network("starter", labels=LABELS, seed=0).save(tmp_path)
    (tmp_path / "network.json").write_text('{"kind": "oracle", "labels": ["a", "b"]}')
    with pytest.raises(InvalidInputError, match="oracle"):
        load_network(tmp_path)


def test_truncated_weights_are_refused(opened: Opener, tmp_path: Path) -> None:
    opened().save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InvalidInputError):
        load_network(tmp_path)


def test_other_labels_than_the_stored_ones_are_refused(opened: Opener, tmp_path: Path) -> None:
    opened().save(tmp_path)
    assert load_network(tmp_path, labels=LABELS).labels == LABELS
    with pytest.raises(ConflictError, match="health"):
        load_network(tmp_path, labels=LABELS[::-1])


def test_starter_opens_quickly() -> None:
    begun = time.process_time()
    open_network("starter", labels=LABELS, seed=0)
    assert time.process_time() - begun < 2
