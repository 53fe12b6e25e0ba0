"""The client that comes with the service, against the service itself."""

import io
import json
import zipfile
from pathlib import Path
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
from config.api import FILE
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
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("greetings/wo/train.csv", "text\nJamm rekk\n")
    packed.seek(0)
    wolof = given | {"language": "wo"}
    (inside,) = at_the_service.import_folder("mood", packed, default=wolof)
    assert at_the_service.wait_for_import("mood", inside["number"])["rows_kept"] == 1
    for format, start in (("csv", b"id,text"), ("datasets", b"PK")):
        whole = io.BytesIO()
        at_the_service.agreed("mood", whole, format=format)
        assert start in whole.getvalue()
    with pytest.raises(RefusedError, match="asks for no marks"):
        at_the_service.marks("mood", "wo", io.BytesIO())
    with pytest.raises(RefusedError, match="another kind than ratings"):
        at_the_service.corrections("mood", "wo", io.BytesIO())
    _hear_of_it(at_the_service)
    with pytest.raises(RefusedError, match="no campaign") as told:
        at_the_service.campaign("other")
    assert (told.value.status, told.value.code) == (404, "not_found")
    assert "vernacular_" not in repr(at_the_service)


def _hear_of_it(service: Client) -> None:
    made = service.add_webhook("mood", "https://news.example/here", kinds=["gate.decided"])
    number = made["number"]
    assert made["secret"].startswith("whsec_")
    assert service.webhook("mood", number)["state"] == "running"
    assert service.change_webhook("mood", number, state="stopped")["state"] == "stopped"
    assert service.turn_webhook_secret("mood", number)["secret"] != made["secret"]
    sent = service.ping_webhook("mood", number)
    assert [one["id"] for one in service.deliveries("mood", number)] == [sent["id"]]
    service.remove_webhook("mood", number)
    assert not list(service.webhooks("mood"))


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


def test_every_operation_has_its_method() -> None:
    """A path is asked for by some method of the client, whatever the operation is called."""
    source = Path(client.__file__).read_text()
    for path in json.loads(FILE.read_text())["paths"]:
        last = path.removeprefix("/api/v1/").split("/")
        words = [one for one in last if not one.startswith("{")]
        assert words[-1] in source, path
