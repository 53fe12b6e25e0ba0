"""What leaves the house opens elsewhere and says the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from learning.actions.versions import initial_version
from learning.inference import logits_of
from learning.models import ModelVersion
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
    assert json.loads((folder / "card.json").read_text())["digest"] == version.digest


def test_an_export_that_fails_leaves_nothing_behind(
    version: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.actions.exports._readme", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_version(version, folder=tmp_path / "place" / "export")
    assert list((tmp_path / "place").iterdir()) == []
