"""The tiny network in place of the shipped ones, and a weights storage of the test's own."""

from collections.abc import Iterator
from types import SimpleNamespace

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


@pytest.fixture
def small_shards(settings) -> SimpleNamespace:
    """Shards of ten samples, and nothing else of the environment that scoring asks for."""
    settings.ENV = SimpleNamespace(
        scoring_shard=10,
        lease_seconds=60.0,
        device="cpu",
        torch_threads=0,
        runtime="auto",
        embeddings=True,
    )
    return settings.ENV
