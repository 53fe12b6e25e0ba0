"""The tiny network in place of the shipped ones, with folders of the test's own; a rich campaign
and Noor, who leads it."""

from collections.abc import Iterator

import pytest
from django.test import Client

from annotation.models import Campaign, User
from tests.make import make_user
from tests.rich import make_rich_campaign
from tests.training.tiny import Tiny, open_tiny


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch, tmp_path, settings) -> Iterator[None]:
    import learning.inference
    import learning.networks.opening

    settings.WEIGHTS_DIR = tmp_path / "weights"
    settings.EMBEDDINGS_DIR = tmp_path / "embeddings"
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir(exist_ok=True)
    monkeypatch.setattr(learning.networks.opening, "open_network", open_tiny)
    monkeypatch.setattr(learning.networks.opening, "load_network", Tiny.load)
    monkeypatch.setattr(learning.inference, "load_network", Tiny.load)
    learning.inference._networks.clear()
    yield
    learning.inference._networks.clear()


@pytest.fixture
def lead() -> User:
    return make_user("noor", staff=True)


@pytest.fixture
def noor(client: Client, lead: User) -> Client:
    client.force_login(lead)
    return client


@pytest.fixture
def campaign(lead: User) -> Campaign:
    return make_rich_campaign(lead=lead)
