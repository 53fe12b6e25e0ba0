"""The client that comes with the service, against the service itself."""

import io
from typing import Any
from urllib.error import URLError

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from annotation.actions.imports import run_import
from annotation.actions.keys import create_key
from annotation.api import imports
from annotation.models import Membership, Scope
from config import client
from config.client import Client, RefusedError
from tests.make import make_campaign, make_item, make_sample, make_user


@pytest.fixture
def at_the_service(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Client:
    mood = make_campaign(languages=("wo",), slug="mood")
    noor = make_user("noor")
    Membership.objects.create(user=noor, campaign=mood, role="admin")
    secret = create_key(noor, name="client", scopes=list(Scope.values))[1]
    monkeypatch.setattr(client, "PAGE", 2)
    for _ in range(3):
        make_item(make_sample(mood))

    def work(_task: object, *, import_id: int) -> None:
        run_import(import_id, now=timezone.now)

    monkeypatch.setattr(imports, "soon", work)
    return Client(live_server.url, key=secret, pause=0.01)


@pytest.mark.django_db(transaction=True)
def test_samples_go_in_and_items_come_out_page_by_page(at_the_service: Client) -> None:
    assert [row["slug"] for row in at_the_service.campaigns()] == ["mood"]
    assert len({row["id"] for row in at_the_service.items("mood", language="wo")}) == 3
    file = io.BytesIO(b"text,language\nNanga def?,wo\n,wo\n")
    given = {"licence": "CC0-1.0", "source": "Us & them = we"}
    job = at_the_service.import_file("mood", file, filename="a.csv", default=given)
    done = at_the_service.wait_for_import("mood", job["number"], seconds=30)
    assert (done["status"], done["rows_kept"], done["rows_refused"]) == ("done", 1, 1)
    (refused,) = at_the_service.refused_rows("mood", job["number"])
    assert refused["row"] == 3
    with pytest.raises(RefusedError, match="no campaign") as told:
        at_the_service.campaign("other")
    assert (told.value.status, told.value.code) == (404, "not_found")
    assert "vernacular_" not in repr(at_the_service)


def test_what_may_be_sent_again_is_and_what_may_not_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def away(request: Any, **_: object) -> None:
        tried.append(request.get_method())
        raise URLError("refused")

    monkeypatch.setattr(client.urllib.request, "urlopen", away)
    nobody = Client("http://127.0.0.1:9", key="k", pause=0)
    with pytest.raises(URLError):
        nobody.campaign("mood")
    assert tried == ["GET"] * client.TRIES
    tried.clear()
    with pytest.raises(URLError):
        nobody.import_file("mood", io.BytesIO(b"a"), filename="a.csv")
    assert tried == ["POST"] * client.TRIES  # under one Idempotency-Key
    tried.clear()
    with pytest.raises(URLError):
        nobody.predict("mood", "a", language="wo")
    assert tried == ["POST"]
