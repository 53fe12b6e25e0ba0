"""The tiny network in place of the shipped ones, and a weights storage of the test's own."""

from collections.abc import Iterator

import pytest

from tests.learning.tiny import load_tiny, open_tiny


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch, tmp_path, settings) -> Iterator[None]:
    import learning.inference
    import learning.networks.opening

    settings.WEIGHTS_DIR = tmp_path / "weights"
    settings.EMBEDDINGS_DIR = tmp_path / "embeddings"
    monkeypatch.setattr(learning.networks.opening, "open_network", open_tiny)
    monkeypatch.setattr(learning.inference, "load_network", load_tiny)
    learning.inference._networks.clear()
    yield
    learning.inference._networks.clear()
