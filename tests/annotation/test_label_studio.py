"""The round trip through a real Label Studio, with people who sign in as anybody would."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.entry import keep_members
from annotation.actions.intake import sweep, take_stock
from annotation.actions.people import ensure_annotator
from annotation.actions.queue import push_items
from annotation.errors import DeskRefusedError, OverlayMissingError, TransientError
from annotation.gateways.door import DoorOfTheDesk
from annotation.gateways.label_studio import LabelStudioDesk
from annotation.models import (
    Annotation,
    AnnotationRevision,
    CampaignLanguage,
    DeskEvent,
    Item,
    QuarantinedAnswer,
)
from tests.fakes import choice
from tests.make import make_campaign, make_item, make_language, make_sample

WORD = "a-long-password"


def gateway(server: Any, **over: Any) -> LabelStudioDesk:
    return LabelStudioDesk(**(server.access | over))


class Person:
    """Somebody at the desk, in a session of their own."""

    def __init__(self, server: Any, email: str) -> None:
        self.http = httpx.Client(base_url=server.url, timeout=30)
        page = self.http.get("/user/login/")
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"email": email, "password": WORD, "csrfmiddlewaretoken": token}
        answer = self.http.post("/user/login/", data=form, headers={"Referer": str(page.url)})
        assert answer.status_code == 302

    def answer(self, task_id: int | None, label: str) -> int:
        body = {"result": choice(label), "lead_time": 1.5}
        answer = self.http.post(f"/api/tasks/{task_id}/annotations/", json=body)
        assert answer.status_code == 201
        return int(answer.json()["id"])

    def edit(self, number: int, label: str) -> None:
        answer = self.http.patch(f"/api/annotations/{number}/", json={"result": choice(label)})
        assert answer.status_code == 200

    def delete(self, number: int) -> None:
        assert self.http.delete(f"/api/annotations/{number}/").status_code == 204


@pytest.fixture
def desk(label_studio) -> LabelStudioDesk:
    return gateway(label_studio)


@pytest.fixture
def home(request: pytest.FixtureRequest, desk: LabelStudioDesk) -> Iterator[CampaignLanguage]:
    live = "live_server" in request.fixturenames
    request.getfixturevalue("transactional_db" if live else "db")
    home = CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",)))
    for priority in (0.1, 0.2, 0.3):
        make_item(make_sample(home.campaign), priority=priority, batch="r1")
    yield home
    for number in CampaignLanguage.objects.exclude(desk_project_id=None).values_list(
        "desk_project_id", flat=True
    ):
        desk.delete_project(number)


@pytest.fixture
def awa(home, desk, label_studio) -> Person:
    username = f"awa{timezone.now():%H%M%S%f}"
    ensure_annotator(
        username=username, name="Awa", language=make_language("wo"), desk=desk, password=WORD
    )
    return Person(label_studio, f"{username}@vernacular.localhost")


def push(home, desk):
    done = push_items(home, desk=desk, now=timezone.now())
    home.refresh_from_db()
    keep_members(home, desk=desk, now=timezone.now())
    return done


def by_admin(server: Any, method: str, path: str, **request: Any) -> httpx.Response:
    headers = {"Authorization": f"Token {server.token}"}
    return httpx.request(method, f"{server.url}{path}", headers=headers, timeout=30, **request)


def fetch(home, desk):
    return sweep(home, desk=desk, now=timezone.now())


def pushed(home) -> list[Item]:
    return list(home.items.order_by("priority"))


@pytest.mark.label_studio
def test_an_answer_goes_out_and_comes_home_with_its_past(home, desk, awa, label_studio):
    assert push(home, desk).pushed == 3
    first, second, third = pushed(home)
    number = awa.answer(first.desk_task_id, "admin")
    awa.answer(second.desk_task_id, "no-such-label")
    result = fetch(home, desk)
    assert (result.stored, result.quarantined) == (1, 1)
    assert QuarantinedAnswer.objects.get().reason == "unknown_label"
    awa.edit(number, "dates")
    assert fetch(home, desk).revised == 1
    assert Annotation.objects.get().label.key == "dates"
    assert fetch(home, desk).revised == 0
    awa.delete(number)
    assert fetch(home, desk).tombstoned == 1
    states = list(AnnotationRevision.objects.values_list("state", flat=True))
    assert states == ["answered", "answered", "deleted"]
    third_number = awa.answer(third.desk_task_id, "admin")
    fetch(home, desk)
    assert Annotation.objects.get(desk_annotation_id=third_number).state == "answered"
    gone = by_admin(label_studio, "DELETE", f"/api/tasks/{third.desk_task_id}/")
    assert gone.status_code == 204
    assert take_stock(home, desk=desk, now=timezone.now()).tombstoned == 1
    third.refresh_from_db()
    assert third.state == Item.State.WITHDRAWN


@pytest.mark.label_studio
def test_a_push_that_the_desk_took_though_we_heard_nothing_is_not_doubled(home, desk, monkeypatch):
    prepare_desk(home, desk=desk)
    plain = desk.push

    def push_and_hear_nothing(project_id, items):
        plain(project_id, items)
        raise TransientError("timed out")

    with monkeypatch.context() as patch:
        patch.setattr(desk, "push", push_and_hear_nothing)
        with pytest.raises(TransientError):
            push(home, desk)
    assert push(home, desk).adopted == 3
    home.refresh_from_db()
    assert desk.counters(home.desk_project_id).tasks == 3


@pytest.mark.label_studio
def test_the_form_keeps_its_shape_there_and_is_mended_when_somebody_changed_it(
    home, desk, label_studio
):
    prepared = prepare_desk(home, desk=desk)
    path = f"/api/projects/{prepared.desk_project_id}/"
    assert not DeskEvent.objects.exists()
    prepare_desk(home, desk=desk)
    assert not DeskEvent.objects.exists()
    ours = desk.read_project(prepared.desk_project_id)
    assert ours.intact
    other = {"sampling": "Uniform sampling", "expert_instruction": "<p>x</p>"}
    assert by_admin(label_studio, "PATCH", path, json=other).status_code == 200
    assert not desk.read_project(prepared.desk_project_id).intact
    prepare_desk(home, desk=desk)
    assert desk.read_project(prepared.desk_project_id) == ours
    assert DeskEvent.objects.get().action == "PROJECT_REPAIRED"


@pytest.mark.label_studio
def test_one_webhook_is_there_whatever_happens_to_it(home, desk, label_studio):
    project = prepare_desk(home, desk=desk).desk_project_id

    def hooks() -> list[Any]:
        return list(by_admin(label_studio, "GET", f"/api/webhooks/?project={project}").json())

    assert len(hooks()) == 1
    for url in ("http://127.0.0.1:9/hooks/1/", "http://localhost:9/hooks/1/"):
        for _ in range(2):
            desk.ensure_webhook(project, url=url, secret="s")  # noqa: S106 - of a test
    mine = [hook for hook in hooks() if hook["url"].endswith(":9/hooks/1/")]
    assert [hook["url"] for hook in mine] == ["http://localhost:9/hooks/1/"]
    assert mine[0]["headers"] == {"Authorization": "Bearer s"}
    assert mine[0]["send_payload"] is False


@pytest.mark.label_studio
def test_a_token_that_somebody_switched_off_is_switched_on_again(desk, label_studio):
    headers = {"Authorization": f"Token {label_studio.token}"}
    off = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": False}
    address = f"{label_studio.url}/api/jwt/settings"
    assert httpx.post(address, headers=headers, json=off, timeout=30).status_code < 300
    assert httpx.get(f"{label_studio.url}/api/projects/", headers=headers).status_code == 401
    assert desk.check()
    assert gateway(label_studio).check()
    assert gateway(label_studio, token="0" * 40).check()


@pytest.mark.label_studio
def test_a_token_that_cannot_be_mended_is_a_refusal_that_says_what_to_do(label_studio):
    stranger = gateway(label_studio, token="0" * 40, password=WORD * 2)
    with pytest.raises(DeskRefusedError, match="password"):
        stranger.check()


@pytest.mark.label_studio
def test_the_desk_being_away_loses_nothing(home, desk, awa, label_studio):
    push(home, desk)
    first = pushed(home)[0]
    away = gateway(label_studio, url=f"http://127.0.0.1:{_free_port()}", timeout=2.0)
    with pytest.raises(TransientError):
        fetch(home, away)
    awa.answer(first.desk_task_id, "admin")
    with pytest.raises(TransientError):
        fetch(home, away)
    assert fetch(home, desk).stored == 1


@pytest.mark.label_studio
def test_real_nudges_reach_the_door_and_three_of_them_store_one_answer(
    home, desk, awa, live_server, settings, monkeypatch
):
    asked: list[int] = []
    monkeypatch.setattr("annotation.views.webhook.sweep_soon", asked.append)
    settings.ENV = settings.ENV.model_copy(
        update={"web_url": live_server.url, "webhook_secret": "the-secret"}
    )
    prepare_desk(home, desk=desk)
    push(home, desk)
    task = pushed(home)[0].desk_task_id
    number = awa.answer(task, "admin")
    awa.edit(number, "dates")
    awa.edit(number, "admin")
    names = list(DeskEvent.objects.order_by("pk").values_list("action", flat=True))
    assert names == ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_UPDATED"]
    assert asked
    assert set(asked) == {home.pk}
    for _ in range(3):
        fetch(home, desk)
    assert Annotation.objects.get().label.key == "admin"
    assert AnnotationRevision.objects.count() == 1


class Nonsense(threading.Thread):
    """A server that answers every call with a page for people, or closes without a word."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(daemon=True)
        self.reply = reply
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                peer.sendall(self.reply)


def reply(status: str, body: str, *, kind: str = "text/html") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}"
    return f"{head}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    "answer",
    [
        reply("200 OK", "<html>Please sign in</html>"),
        reply("404 Not Found", "<html>Nothing here</html>"),
        reply("502 Bad Gateway", "<html>Bad gateway</html>"),
        reply("500 Server Error", '{"detail": "database is locked"}', kind="application/json"),
        reply("429 Too Many", '{"detail": "slow down"}', kind="application/json"),
        reply("200 OK", '{"another": "service"}', kind="application/json"),
        reply("200 OK", "[]", kind="application/json"),
        b"",
        b"\x00\x01 not HTTP at all\r\n",
    ],
    ids=["page", "no page", "gateway", "locked", "busy", "other service", "list", "hush", "noise"],
)
def test_whatever_is_not_label_studios_interface_is_a_passing_trouble(answer):
    server = Nonsense(answer)
    desk = LabelStudioDesk(url=server.url, token="0" * 40, email="a@b.c", password=WORD, timeout=5)
    for call in (
        desk.check,
        lambda: desk.changed_tasks(1, since="", limit=5),
        lambda: desk.find_projects("m"),
        lambda: desk.counters(1),
        lambda: desk.task_ids(1),
        lambda: desk.account_of_token(),
    ):
        with pytest.raises(TransientError):
            call()
    server.socket.close()


def test_a_label_studio_without_our_overlay_or_key_is_known_as_such():
    server = Nonsense(reply("404 Not Found", "<html>Nothing here</html>"))
    access = {"url": server.url, "token": "0" * 40, "email": "a@b.c", "password": WORD}
    door = DoorOfTheDesk(**access, entry_key="ours", timeout=5)
    calls = (
        lambda: door.set_members(1, [2]),
        lambda: door.lock_tasks(1, [2], user_id=3, seconds=60),
        lambda: door.unlock_tasks(1, [2], user_id=3),
        lambda: DoorOfTheDesk(**access).entry_link(user_id=1, project_id=1),
    )
    for call in calls:
        with pytest.raises(OverlayMissingError):
            call()
    server.socket.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
