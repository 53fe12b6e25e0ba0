"""Encoders from Hugging Face: what is read, what is refused, what is cut."""

import shutil
from pathlib import Path

import pytest
import torch

from annotation.errors import InvalidInputError, NotFoundError
from learning.networks.opening import load_network, open_network
from tests.learning.encoders import tiny_encoder

LABELS = ("yes", "no", "maybe")


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_any_encoder_opens_by_its_path(tmp_path: Path, kind: str) -> None:
    network = open_network(str(tiny_encoder(tmp_path, kind=kind)), labels=LABELS, seed=1)
    assert network.logits(network.collate(["abc"], ["wo"])).shape == (1, 3)


def test_seed_decides_the_head_and_nothing_else(tmp_path: Path) -> None:
    name = str(tiny_encoder(tmp_path))
    one, same, other = (open_network(name, labels=LABELS, seed=seed) for seed in (1, 1, 2))
    pairs = list(zip(one.module.named_parameters(), other.module.parameters(), strict=True))
    differing = {name for (name, ours), theirs in pairs if not torch.equal(ours, theirs)}
    assert differing
    assert all("classifier" in name for name in differing)
    assert all(map(torch.equal, one.module.parameters(), same.module.parameters()))


def test_long_text_is_cut_and_short_text_is_padded_no_further_than_needed(tmp_path: Path) -> None:
    network = open_network(str(tiny_encoder(tmp_path)), labels=LABELS, seed=1)
    assert network.collate(["a " * 5000], ["wo"])["input_ids"].shape == (1, 64)
    batch = network.collate(["a b", "a b c"], ["wo", "wo"])
    assert batch["input_ids"].shape == (2, 5)
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]


def test_embedding_is_the_mean_over_tokens_not_over_padding(tmp_path: Path) -> None:
    network = open_network(str(tiny_encoder(tmp_path)), labels=LABELS, seed=1)
    alone = network.embed(network.collate(["a b"], ["wo"]))
    padded = network.embed(network.collate(["a b", "a b c d e f"], ["wo", "wo"]))[:1]
    assert torch.allclose(alone, padded, atol=1e-5)


def test_pickled_weights_are_refused_by_name(tmp_path: Path) -> None:
    folder = tiny_encoder(tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(InvalidInputError, match=r"pytorch_model\.bin.*safetensors"):
        open_network(str(folder), labels=LABELS, seed=1)


def test_stored_network_whose_weights_were_swapped_for_a_pickle_is_refused(tmp_path: Path) -> None:
    open_network(str(tiny_encoder(tmp_path / "a")), labels=LABELS, seed=1).save(tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").rename(tmp_path / "b" / "pytorch_model.bin")
    with pytest.raises(NotFoundError, match="safetensors"):
        load_network(tmp_path / "b")


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    folder = tiny_encoder(tmp_path)
    proof = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(proof)!r}, 'w').close()\nclass Evil: pass\n")
    config = (folder / "config.json").read_text()
    config = config.replace('"model_type": "xlm-roberta"', '"model_type": "evil"').replace(
        "{", '{"auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"},', 1
    )
    (folder / "config.json").write_text(config)
    with pytest.raises(InvalidInputError):
        open_network(str(folder), labels=LABELS, seed=1)
    assert not proof.exists()


def test_folder_without_weights_is_refused(tmp_path: Path) -> None:
    folder = tiny_encoder(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(NotFoundError, match="no weights"):
        open_network(str(folder), labels=LABELS, seed=1)


def test_name_that_cannot_be_reached_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NotFoundError, match="path of a downloaded one"):
        open_network("nobody/no-such-encoder", labels=LABELS, seed=1)


def test_stored_weights_of_other_labels_are_refused(tmp_path: Path) -> None:
    name = str(tiny_encoder(tmp_path / "a"))
    open_network(name, labels=LABELS, seed=1).save(tmp_path / "three")
    open_network(name, labels=LABELS[:2], seed=1).save(tmp_path / "two")
    shutil.copy(tmp_path / "two" / "network.json", tmp_path / "three" / "network.json")
    with pytest.raises(InvalidInputError, match=r"do not fit|cannot be opened"):
        load_network(tmp_path / "three")
