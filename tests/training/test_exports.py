"""What leaves the house opens elsewhere and says the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from annotation.errors import ConflictError
from learning.actions.versions import initial_version, register_version
from learning.gateways.weights import open_weights
from learning.inference import logits_of
from learning.models import ModelVersion
from learning.networks.adapted import AdaptedEncoder
from learning.networks.encoder import Encoder
from learning.networks.opening import load_network
from learning.networks.routing import routed
from tests.learning.encoders import tiny_encoder
from tests.make import LABELS, make_campaign
from training.actions.exports import export_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(tmp_path: Path, settings) -> ModelVersion:
    settings.WEIGHTS_DIR = tmp_path / "weights"
    return initial_version(make_campaign(network=str(tiny_encoder(tmp_path / "checkpoint"))))


def test_an_exported_encoder_opens_with_plain_transformers_and_names_our_labels(
    version: ModelVersion, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    export_version(version, folder=folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert model.config.id2label == dict(enumerate(LABELS))
    texts = ["abc d", "a longer text of words"]
    with torch.no_grad():
        theirs = model.eval()(**tokenizer(texts, padding=True, return_tensors="pt")).logits.numpy()
    ours = logits_of(version, texts=texts, languages=["wo", "wo"])
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
    readme = (folder / "README.md").read_text()
    assert "library_name: transformers" in readme
    assert "It knows the labels above" in readme
    told = json.loads((folder / "card.json").read_text())
    assert (told["digest"], told["opens_with"]) == (version.digest, ["transformers"])


def test_an_export_that_fails_leaves_nothing_behind(
    version: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.actions.exports._readme", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_version(version, folder=tmp_path / "place" / "export")
    assert list((tmp_path / "place").iterdir()) == []


TEXTS = ["abc d", "a longer text of words", "xyz"]


def adapted(version: ModelVersion, method: str, tmp_path: Path) -> ModelVersion:
    """The version with adapters in Wolof and Quechua that have learned something, and differ."""
    encoder = load_network(open_weights(version.path, digest=version.digest))
    assert isinstance(encoder, Encoder)
    network = AdaptedEncoder.over(encoder, method=method, rank=3)
    network.add(("qu", "wo"))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in routed(network.module).values():
            for number in range(2):
                for part in layer.tensors(number).values():
                    part.copy_(torch.randn(part.shape, generator=generator) / 4)
    network.save(tmp_path / method)
    return register_version(
        version.campaign,
        folder=tmp_path / method,
        network=version.network,
        base=version,
        manifest={"labels": list(LABELS)},
    )


def ours(version: ModelVersion, tag: str) -> torch.Tensor:
    return torch.from_numpy(logits_of(version, texts=TEXTS, languages=[tag] * len(TEXTS))).softmax(
        1
    )


def theirs(folder: Path, *, tag: str = "") -> torch.Tensor:
    """Probabilities by nothing but ``transformers`` and, for a language's adapter, ``peft``."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    if tag:
        model = PeftModel.from_pretrained(model, folder / "adapters" / tag)
    tokens = AutoTokenizer.from_pretrained(folder, local_files_only=True)(
        TEXTS, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        return model.eval()(**tokens).logits.softmax(1)


def test_adapters_open_with_plain_peft_and_answer_each_language_as_we_do(
    version: ModelVersion, tmp_path: Path
) -> None:
    made, folder = adapted(version, "lora", tmp_path), tmp_path / "export"
    card = export_version(made, folder=folder)
    assert (card["opens_with"], card["adapters"]) == (["transformers", "peft"], ["qu", "wo"])
    for tag in ("qu", "wo"):
        torch.testing.assert_close(
            theirs(folder, tag=tag).double(), ours(made, tag).double(), atol=1e-5, rtol=0
        )
    torch.testing.assert_close(
        theirs(folder).double(), ours(made, "sw").double(), atol=1e-5, rtol=0
    )
    assert (ours(made, "wo") - ours(made, "qu")).abs().max() > 0.01
    assert "texts in `qu`, `wo` want their own adapter" in (folder / "README.md").read_text()


def test_adapters_that_act_together_are_added_into_the_encoder(
    version: ModelVersion, tmp_path: Path
) -> None:
    made, folder = adapted(version, "o-lora", tmp_path), tmp_path / "export"
    assert export_version(made, folder=folder)["opens_with"] == ["transformers"]
    torch.testing.assert_close(
        theirs(folder).double(), ours(made, "wo").double(), atol=1e-5, rtol=0
    )
    assert (ours(made, "wo") - ours(version, "wo")).abs().max() > 0.01


def test_bottlenecks_stay_at_home_and_the_error_says_what_to_do(
    version: ModelVersion, tmp_path: Path
) -> None:
    made = adapted(version, "bottleneck", tmp_path)
    with pytest.raises(ConflictError, match="student=starter"):
        export_version(made, folder=tmp_path / "export")
    assert not (tmp_path / "export").exists()
