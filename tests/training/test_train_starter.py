"""The starter's representation, made again by its command from a small folder of text."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from django.core.management import call_command

from annotation.errors import InvalidInputError
from learning.networks import starter
from training.actions.starter import Plan, build_starter
from training.methods.starter_vectors import Recipe

SUBJECTS = {
    "food": ("rice", "soup", "bread", "salt", "oven", "spoon", "onion", "kettle"),
    "boats": ("sail", "mast", "anchor", "harbour", "tide", "rudder", "deck", "oar"),
}


def write_text(folder: Path) -> None:
    """Two free languages, one that may not be sold, and one that is benchmarked."""
    rng = np.random.default_rng(3)
    rows = ["lang-Script\tsource\tlicence\tlines\tbytes\tdropped_heldout"]
    for language, source, licence in (
        ("eng-Latn", "bible-corpus", "CC0-1.0"),
        ("wol-Latn", "afrisenti", "CC-BY-4.0"),
        ("fra-Latn", "closed", "CC-BY-NC-4.0"),
        ("ace-Latn", "nusax-senti", "CC-BY-SA-4.0"),
    ):
        lines = []
        for _ in range(600):
            subject = list(SUBJECTS)[int(rng.integers(2))]
            words = rng.choice(SUBJECTS[subject], size=6)
            lines.append(" ".join([*words, "secret" if source == "closed" else "thing"]))
        (folder / f"{language}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        rows.append(f"{language}\t{source}\t{licence}\t{len(lines)}\t0\t0")
    (folder / "MANIFEST.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text, out = tmp_path_factory.mktemp("text"), tmp_path_factory.mktemp("out")
    write_text(text)
    threads = torch.get_num_threads()
    call_command("train_starter", text=text, out=out, steps=20, vocabulary=300, verbosity=0)
    torch.set_num_threads(threads)
    return out


@pytest.fixture
def network(made: Path) -> starter.Starter:
    """A fresh starter on what was made, in place of what ships."""
    vectors = starter.read_weights(made / starter.WEIGHTS)["vectors"].float()
    tokenizer = (made / starter.TOKENIZER).read_text(encoding="utf-8")
    return starter.Starter(("a", "b"), vectors=vectors, tokenizer=tokenizer)


def test_command_learns_which_sentences_belong_together(network: starter.Starter) -> None:
    texts = ["rice soup oven", "bread onion spoon", "sail anchor tide"]
    found = network.embed(network.collate(texts, ["eng"] * 3)).numpy()
    likeness = found @ found.T
    assert likeness[0, 1] > likeness[0, 2] + 0.2
    assert likeness[0, 1] > likeness[1, 2] + 0.2


def test_manifest_tells_what_was_read_and_licences_decide(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    read = {(part["language"], part["source"], part["licence"]) for part in manifest["parts"]}
    assert read == {
        ("eng-Latn", "bible-corpus", "CC0-1.0"),
        ("wol-Latn", "afrisenti", "CC-BY-4.0"),
    }
    assert all(part["lines"] == 600 for part in manifest["parts"])
    assert manifest["plan"]["recipe"]["steps"] == 20
    assert "secret" not in (made / "tokenizer.json").read_text(encoding="utf-8")


def test_network_made_of_it_is_stored_with_it(network: starter.Starter, tmp_path: Path) -> None:
    network.save(tmp_path)
    again = starter.Starter.load(tmp_path, settings=network.settings())
    batch = network.collate(["rice and salt"], ["eng"])
    assert torch.equal(again.embed(batch), network.embed(batch))


def test_text_that_its_manifest_miscounts_is_refused_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    write_text(tmp_path)
    path = tmp_path / "eng-Latn.txt"
    path.write_text(path.read_text(encoding="utf-8") + "one more\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="601 lines; its manifest counts 600"):
        build_starter(
            tmp_path, out=tmp_path / "out", plan=Plan(recipe=Recipe(steps=1)), tell=lambda _: None
        )
    assert not (tmp_path / "out").exists()
