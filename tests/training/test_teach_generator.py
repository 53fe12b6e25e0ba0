"""``teach_generator``: files in, a generator in a folder out, whatever is killed on the way."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import CommandError, call_command

from learning.networks.adapted_generator import AdaptedGenerator
from learning.networks.asking import Manners
from learning.networks.generator import open_generator
from learning.networks.writing import log_probabilities
from tests.learning.generators import tiny_generator
from training.actions import teaching
from training.methods.loop import InterruptedTrainingError

NEW = [{"language": "wo", "source": f"{a}b", "corrected": f"b{a}"} for a in "acdefgh"]
STORE = [{"language": "qu", "source": f"{a}b", "output": f"b{a}"} for a in "acdefgh"]
CHOSEN = [
    {"language": "wo", "source": f"{a}b", "first": f"b{a}", "second": "bb", "share": 0.9}
    for a in "acdefgh"
]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_generator(tmp_path_factory.mktemp("network"), kind="m2m", width=16)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def teach(network: Path, tmp_path: Path, out: str, **over: Any) -> Path:
    new = lines(tmp_path / "new.jsonl", NEW)
    usual = {"home": "en", "set": ["epochs=4", "lr=0.01", "batch=4", "pieces=1"]}
    call_command("teach_generator", str(network), str(new), str(tmp_path / out), **usual | over)
    return tmp_path / out


def test_a_file_of_corrections_makes_a_generator_that_heeds_them(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = lines(tmp_path / "store.jsonl", [*STORE, {"language": "qu", "source": "x"}])
    dev = lines(tmp_path / "dev.jsonl", NEW[:3])
    out = teach(network, tmp_path, "taught", store=store, dev=dev)
    told = capsys.readouterr()
    assert "Learned from wo 7 in" in told.out
    assert "wo: a token of what is right" in told.out
    assert "store.jsonl, row 8: output: is missing" in told.err
    base = open_generator(str(network), manners=Manners(source_language="en"))
    taught = open_generator(str(out))  # its manners are kept
    args = ([row["source"] for row in NEW], [row["corrected"] for row in NEW], ["wo"] * 7)
    assert (log_probabilities(taught, *args) > log_probabilities(base, *args)).all()
    manifest = json.loads((out / "teaching.json").read_text())
    assert manifest["languages"] == {"wo": 7}
    assert manifest["recipe"]["epochs"] == 4
    with pytest.raises(CommandError, match="is there already"):
        teach(network, tmp_path, "taught")


def test_stopped_it_goes_on_and_ends_with_the_same_weights(network: Path, tmp_path: Path) -> None:
    def taught(out: str, stop_at: int = -1) -> dict[str, torch.Tensor]:
        material, seen = teaching.Material(), []
        teaching.take_corrections(
            material, lines(tmp_path / "new.jsonl", NEW), column="corrected", fresh=True
        )
        teaching.teach(
            str(network),
            material=material,
            out=tmp_path / out,
            settings={"epochs": 4, "lr": 0.01, "batch": 4, "checkpoint_steps": 2},
            seed=1,
            manners=Manners(source_language="en"),
            watch=lambda step, steps: seen.append(step),
            should_stop=lambda: len(seen) == stop_at,
        )
        return dict(open_generator(str(tmp_path / out)).module.state_dict())

    whole = taught("whole")
    with pytest.raises(InterruptedTrainingError):
        taught("cut", stop_at=3)
    assert not (tmp_path / "cut").exists()
    cut = taught("cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert not list(tmp_path.glob(".*.training"))


def test_choices_are_learned_in_an_adapter_and_other_languages_stay(
    network: Path, tmp_path: Path
) -> None:
    chosen = lines(tmp_path / "chosen.jsonl", CHOSEN)
    out = tmp_path / "taught"
    call_command(
        "teach_generator",
        str(network),
        str(chosen),
        str(out),
        preferences=True,
        home="en",
        method="lora",
        set=["lr=0.05", "epochs=4", "batch=4"],
    )
    taught = open_generator(str(out))
    assert isinstance(taught, AdaptedGenerator)
    assert taught.adapters.languages == ("wo",)
    base = open_generator(str(network), manners=Manners(source_language="en"))
    sources, right = [row["source"] for row in CHOSEN], [row["first"] for row in CHOSEN]

    def lead(generator: Any, tag: str) -> Any:
        first = log_probabilities(generator, sources, right, [tag] * 7)
        return first - log_probabilities(generator, sources, ["bb"] * 7, [tag] * 7)

    assert lead(taught, "wo").mean() > lead(base, "wo").mean()
    assert (lead(taught, "qu") == lead(base, "qu")).all()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"language": "wo", "corrected": " "}, "corrected: is empty"),
        ({"language": "", "corrected": "a"}, "language: is missing"),
        ({"language": "wo", "corrected": 3}, "corrected: is not a text"),
        ({"language": "wo", "corrected": "a", "weight": -1}, "weight: is no number"),
        ({"language": "wo", "corrected": "a" * 300}, "301 tokens long"),
        ({"language": "bm", "corrected": "a"}, "no code for the language bm"),
    ],
)
def test_rows_that_cannot_be_learned_are_named(
    row: dict[str, Any], reason: str, network: Path, tmp_path: Path
) -> None:
    alone = lines(tmp_path / "bad.jsonl", [row])
    with pytest.raises(CommandError, match=f"nothing new to learn.*{reason}"):
        call_command("teach_generator", str(network), str(alone), str(tmp_path / "out"), home="en")
    assert not (tmp_path / "out").exists()
    with pytest.raises(CommandError, match="not of the form NAME=VALUE"):
        teach(network, tmp_path, "out", set=["epochs"])


def test_choices_that_tell_nothing_are_named(network: Path, tmp_path: Path) -> None:
    rows = [CHOSEN[0] | {"share": 2}, CHOSEN[0] | {"second": CHOSEN[0]["first"]}, CHOSEN[1]]
    material = teaching.Material()
    teaching.take_preferences(material, lines(tmp_path / "chosen.jsonl", rows), fresh=True)
    assert [line.partition(": ")[2] for line in material.refused] == [
        "share: is no number from 0 to 1",
        "second: is the same as the first",
    ]
    assert len(material.preferences) == 1
