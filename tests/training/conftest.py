"""The tiny network in place of the shipped ones, with folders of the test's own."""

from collections.abc import Iterator

import pytest

from tests.training.tiny import Tiny, open_tiny


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch, tmp_path, settings) -> Iterator[None]:
    import learning.inference
    import learning.networks.opening

    settings.WEIGHTS_DIR = tmp_path / "weights"
    settings.EMBEDDINGS_DIR = tmp_path / "embeddings"
    settings.VAR_DIR = tmp_path / "var"
    monkeypatch.setattr(learning.networks.opening, "open_network", open_tiny)
    monkeypatch.setattr(learning.networks.opening, "load_network", Tiny.load)
    monkeypatch.setattr(learning.inference, "load_network", Tiny.load)
    learning.inference._networks.clear()
    yield
    learning.inference._networks.clear()
