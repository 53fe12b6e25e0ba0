"""What a person who came in by the link can do at a real Label Studio, found out by trying."""

import json
import secrets
import sqlite3
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotation.errors import OverlayMissingError
from annotation.gateways import DeskItem
from annotation.gateways.label_studio import LabelStudioDesk
from annotation.gateways.wire import MissingError, NoSuchAccountError
from annotation.objectives import Choice, classes
from config.desk_service import DATABASE
from tests.fakes import choice
from tests.servers import HOME

pytestmark = pytest.mark.label_studio
FORM = classes.desk_config(
    question="Which?", choices=[Choice("admin", "a"), Choice("dates", "d")], rtl=False
)
NEXT = "/api/dm/actions?id=next_task&project="


@dataclass
class House:
    """One Label Studio: Awa's project, Inti in it too, and a project that is none of theirs."""

    desk: LabelStudioDesk
    url: str
    token: str
    database: Path
    mine: int = 0
    other: int = 0
    tasks: dict[int, list[int]] = field(default_factory=dict)
    awa: int = 0
    inti: int = 0
    lee: int = 0

    def project(self) -> int:
        number = self.desk.create_project(
            title="gate", marker=f"m {uuid.uuid4()}", config=FORM, instruction=""
        )
        items = [DeskItem(str(uuid.uuid4()), f"t {n}", n / 10, "r1") for n in range(6)]
        self.tasks[number] = list(self.desk.push(number, items).values())
        return number

    def person(self, name: str) -> int:
        email = f"{name}-{secrets.token_hex(4)}@example.org"
        word = secrets.token_urlsafe(12)
        return self.desk.create_account(email=email, name=name, password=word).user_id

    def come_in(self, account: int, project: int = 0) -> httpx.Client:
        session = httpx.Client(base_url=self.url, timeout=60)
        link = self.desk.entry_link(user_id=account, project_id=project or self.mine)
        assert session.get(link).status_code == 200
        return session

    def admin(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Token {self.token}"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **request)


@pytest.fixture(scope="module")
def house(label_studio: Any) -> Iterator[House]:
    desk = LabelStudioDesk(**label_studio.access)
    database = Path(label_studio.process.cwd) / DATABASE
    house = House(desk, label_studio.url, label_studio.token, database)
    house.mine, house.other = house.project(), house.project()
    house.awa, house.inti, house.lee = (house.person(name) for name in ("awa", "inti", "lee"))
    desk.set_members(house.mine, [house.awa, house.inti])
    desk.set_members(house.other, [house.lee])
    yield house
    for number in (house.mine, house.other):
        desk.delete_project(number)


@pytest.fixture(scope="module")
def awa(house: House) -> httpx.Client:
    return house.come_in(house.awa)


@pytest.fixture(scope="module")
def inti(house: House) -> httpx.Client:
    return house.come_in(house.inti)


def test_all_that_a_labeller_needs_is_there_and_nobody_gets_anothers_task(house, awa, inti):
    """Two people, two tasks, also when the page asks for a selection of its table."""
    first = awa.post(f"{NEXT}{house.mine}", json={"project": house.mine}).json()
    table = {"ordering": [], "selectedItems": {"all": True, "excluded": []}}
    table["filters"] = {"conjunction": "and", "items": []}
    second = inti.post(f"{NEXT}{house.mine}", json=table).json()
    assert [first["data"]["text"], second["data"]["text"]] == ["t 0", "t 1"]
    assert awa.get(f"/api/projects/{house.mine}/next").json()["id"] == first["id"]
    # Whoever opens a text and leaves holds it for half an hour, not for a day.
    assert 1700 < seconds_held(house, first["id"]) <= 1800
    draft = awa.post(f"/api/tasks/{first['id']}/drafts", json={"result": choice("admin")})
    assert draft.status_code == 201
    said = {"result": choice("admin"), "draft_id": draft.json()["id"], "lead_time": 2.0}
    made = awa.post(f"/api/tasks/{first['id']}/annotations/?project={house.mine}", json=said)
    assert (made.status_code, made.json()["completed_by"]) == (201, house.awa)
    number = made.json()["id"]
    changed = awa.patch(f"/api/annotations/{number}/", json={"result": choice("x")})
    assert changed.json()["completed_by"] == house.awa
    skipped = {"result": [], "was_cancelled": True}
    third = awa.get(f"/api/projects/{house.mine}/next").json()["id"]
    assert third not in (first["id"], second["id"])
    assert awa.post(f"/api/tasks/{third}/annotations/", json=skipped).status_code == 201
    page = awa.get(f"/projects/{house.mine}/data?labeling=1")
    assert (page.status_code, HOME in page.text) == (200, True)
    assert awa.delete(f"/api/annotations/{number}/").status_code == 204


CLOSED = [
    ("GET", "/api/projects/"),
    ("POST", "/api/projects/"),
    ("GET", "/api/projects/counts/"),
    ("GET", "/api/projects/{other}/"),
    ("GET", "/api/projects/{other}/next"),
    ("GET", "/projects/{other}/data?labeling=1"),
    ("GET", "/projects/{mine}/settings/"),
    ("GET", "/projects/{mine}/data/export"),
    ("GET", "/projects/{mine}/data/import"),
    ("PATCH", "/api/projects/{mine}/"),
    ("DELETE", "/api/projects/{mine}/"),
    ("POST", "/api/projects/{mine}/import"),
    ("GET", "/api/projects/{mine}/tasks/"),
    ("DELETE", "/api/projects/{mine}/tasks/"),
    ("GET", "/api/projects/{mine}/export?exportType=JSON"),
    ("GET", "/api/projects/{mine}/exports/"),
    ("POST", "/api/projects/{mine}/exports/"),
    ("POST", "/api/projects/{mine}/import/predictions"),
    ("GET", "/api/projects/{mine}/annotators/"),
    ("GET", "/api/tasks/{foreign}/"),
    ("POST", "/api/tasks/{foreign}/annotations/"),
    ("POST", "/api/tasks/{foreign}/drafts"),
    ("PATCH", "/api/tasks/{task}/"),
    ("DELETE", "/api/tasks/{task}/"),
    ("POST", "/api/tasks/"),
    ("GET", "/api/tasks?project={other}"),
    ("GET", "/api/tasks?project={mine}&query={filters}"),
    ("GET", "/api/dm/views?project={other}"),
    ("POST", "/api/dm/views?project={mine}"),
    ("GET", "/api/dm/project?project={other}"),
    ("GET", "/api/dm/project"),
    ("POST", "/api/dm/actions?id=delete_tasks&project={mine}"),
    ("POST", "/api/dm/actions?id=predictions_to_annotations&project={mine}"),
    ("POST", "/api/dm/actions?id=next_task&project={other}"),
    ("POST", "/api/dm/actions?id=next_task&project={mine}&query={filters}"),
    ("GET", "/api/users"),
    ("GET", "/api/users?project={other}"),
    ("GET", "/api/users/1/"),
    ("PATCH", "/api/users/1/"),
    ("PATCH", "/api/users/{awa}/"),
    ("POST", "/api/users"),
    ("GET", "/api/invite"),
    ("POST", "/api/invite/reset-token"),
    ("GET", "/api/organizations/"),
    ("GET", "/api/organizations/1/memberships"),
    ("GET", "/api/webhooks/?project={mine}"),
    ("POST", "/api/webhooks/"),
    ("GET", "/api/current-user/token"),
    ("POST", "/api/current-user/reset-token/"),
    ("POST", "/api/token/"),
    ("GET", "/api/token/"),
    ("GET", "/api/jwt/settings"),
    ("POST", "/api/jwt/settings"),
    ("GET", "/user/account/"),
    ("GET", "/organization/"),
    ("POST", "/api/ml/"),
    ("GET", "/api/storages/?project={mine}"),
    ("POST", "/api/storages/localfiles"),
    ("GET", "/api/predictions/?project={mine}"),
    ("POST", "/api/predictions/"),
    ("GET", "/api/templates/"),
    ("GET", "/docs/api/schema/json/"),
    ("GET", "/admin/"),
    ("POST", "/vernacular/projects/{mine}/members"),
    ("POST", "/vernacular/projects/{mine}/locks"),
]
FILTERS = json.dumps({"filters": {"conjunction": "and", "items": [{"filter": "x"}]}})


def test_all_else_is_closed_by_session_and_by_token(house, awa):
    """Whatever the address, the slash at its end, or how somebody shows who they are."""
    names = {"mine": house.mine, "other": house.other, "awa": house.awa, "filters": FILTERS}
    names |= {"task": house.tasks[house.mine][5], "foreign": house.tasks[house.other][0]}
    open_ones = []
    for method, path in CLOSED:
        address = path.format(**names)
        for variant in {address, address.replace("/?", "?").removesuffix("/")}:
            body = {} if method == "GET" else {"json": {"result": [], "project": house.mine}}
            answer = awa.request(method, variant, **body)
            if answer.status_code != 403:
                open_ones.append((method, variant, answer.status_code))
    assert open_ones == []
    assert house.desk.counters(house.mine).tasks == 6


def test_nobody_speaks_for_another_or_reads_what_others_did(house, awa, inti):
    task = house.tasks[house.mine][4]
    his = inti.post(f"/api/tasks/{task}/annotations/", json={"result": choice("admin")}).json()[
        "id"
    ]
    draft = inti.post(f"/api/tasks/{task}/drafts", json={"result": choice("admin")}).json()["id"]
    path = f"/api/tasks/{task}/annotations/"
    answer = {"result": choice("admin")}
    forged = [
        awa.post(path, json={**answer, "completed_by": house.inti}),
        awa.post(path, json={**answer, "ground_truth": True}),
        awa.post(path, content=f"completed_by={house.inti}", headers=FORM_TYPE),
        awa.post(path, data={"completed_by": str(house.inti)}, files={"x": b""}),
        awa.patch(f"/api/annotations/{his}/", json=answer),
        awa.delete(f"/api/annotations/{his}/"),
        awa.get(f"/api/annotations/{his}/"),
        awa.get(f"/api/drafts/{draft}/"),
        awa.patch(f"/api/drafts/{draft}/", json=answer),
        awa.delete(f"/api/drafts/{draft}/"),
        awa.post(f"/api/tasks/{task}/annotations/{his}/drafts", json=answer),
        awa.post(f"{NEXT}{house.mine}", json={"filters": {"items": [{"filter": "x"}]}}),
    ]
    assert [one.status_code for one in forged] == [403] * len(forged)
    assert awa.get(f"/api/tasks/{task}/annotations/").json() == []
    assert awa.get(f"/api/tasks/{task}/drafts").json() == []
    shown = awa.get(f"/api/tasks/{task}/?project={house.mine}").json()
    assert (shown["annotations"], shown["drafts"], shown["predictions"]) == ([], [], [])
    rows = awa.get(f"/api/tasks?project={house.mine}&page_size=100&fields=all").json()["tasks"]
    assert all(not row["annotations"] and not row["drafts"] for row in rows)
    assert [u["id"] for u in awa.get(f"/api/users?project={house.mine}").json()] == [house.awa]


FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_token_opens_something_only_for_whoever_runs_label_studio(house, awa):
    """Even one that was made for an annotator, by whatever way it came to be."""
    tokens = house.admin("GET", "/api/current-user/token").json()
    assert tokens["token"] == house.token
    theirs = _token_of(house, house.awa)
    for headers in ({"Authorization": f"Token {theirs}"}, {"X-Api-Key": theirs}):
        for path in (f"/api/projects/{house.mine}/", "/api/current-user/whoami", "/api/token/"):
            refused = httpx.get(house.url + path, headers=headers, timeout=60)
            assert refused.status_code == 403, path
        # A session that is open beside it makes no difference.
        assert awa.get("/api/current-user/whoami", headers=headers).status_code == 403
    assert house.admin("GET", "/api/users").status_code == 200
    assert house.admin("GET", f"/api/projects/{house.other}/").status_code == 200


def _token_of(house: House, account: int) -> str:
    """Label Studio makes one for every account; here only its database tells it."""
    return _asked(house, "SELECT key FROM authtoken_token WHERE user_id = ?", account)


def seconds_held(house: House, task: int) -> float:
    """How long a task is kept for whoever opened it."""
    until = _asked(house, "SELECT expire_at FROM tasks_tasklock WHERE task_id = ?", task)
    return (datetime.fromisoformat(until).replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()


def _asked(house: House, query: str, number: int) -> str:
    with closing(sqlite3.connect(house.database)) as connection:
        return str(connection.execute(query, [number]).fetchone()[0])


def test_a_link_opens_once_for_ten_minutes_and_says_the_way_home_after_that(
    house, monkeypatch: pytest.MonkeyPatch
):
    link = house.desk.entry_link(user_id=house.inti, project_id=house.mine)
    with httpx.Client(timeout=60) as his, httpx.Client(timeout=60) as thief:
        door = his.get(link)
        assert (door.status_code, f"/projects/{house.mine}/data?labeling=1" in door.text) == (
            200,
            True,
        )
        assert "dm:labelstream:mode" in his.get(f"{house.url}/vernacular/files/door.js").text
        assert "sessionid" not in his.cookies
        refused = thief.get(link)
        assert (refused.status_code, HOME in refused.text) == (403, True)
        # Back and reload are no second use; and nobody else's session helps.
        assert his.get(link).status_code == 200
        gone = his.get(f"{house.url}/logout")
        assert (gone.status_code, gone.headers["location"]) == (302, HOME)
        assert his.get(f"{house.url}/projects/{house.mine}/data").status_code == 403
        assert his.get(link).status_code == 403
        monkeypatch.setattr("time.time", lambda now=time.time: now() - 601)
        old = house.desk.entry_link(user_id=house.inti, project_id=house.mine)
        monkeypatch.undo()
        others = [
            old,
            link[:-1] + ("A" if link[-1] != "A" else "B"),
            house.desk.entry_link(user_id=house.inti, project_id=house.other),
            house.desk.entry_link(user_id=house.inti, project_id=house.mine, email="x@example.org"),
            house.desk.entry_link(user_id=99_999_999, project_id=house.mine),
            stranger(house).entry_link(user_id=house.inti, project_id=house.mine),
        ]
        answers = [thief.get(one) for one in others]
        assert [(one.status_code, HOME in one.text) for one in answers] == [(403, True)] * 6
        assert thief.get(f"{house.url}/api/current-user/whoami").status_code == 401


def stranger(house: House) -> LabelStudioDesk:
    """Somebody who knows neither our key nor our password."""
    return LabelStudioDesk(url=house.url, token="0" * 40, email="", password="", entry_key="guess")


def test_whoever_runs_label_studio_shows_a_password_and_whoever_leaves_is_out(house):
    link = house.desk.entry_link(user_id=1, project_id=house.mine)
    asked = httpx.get(link, timeout=60)
    assert (asked.status_code, "/user/login/" in asked.headers["location"]) == (302, True)
    noor = house.person("noor")
    house.desk.set_members(house.mine, [house.awa, house.inti, noor])
    session = house.come_in(noor)
    taken = session.get(f"/api/projects/{house.mine}/next").json()["id"]
    house.desk.set_members(house.mine, [house.awa, house.inti])
    assert session.get(f"/api/projects/{house.mine}/next").status_code == 403
    assert session.post(f"/api/tasks/{taken}/annotations/", json={"result": []}).status_code == 403
    # What she held is free for others at once.
    assert house.desk.lock_tasks(house.mine, [taken], user_id=house.inti, seconds=60) == {taken}


def test_who_asks_at_the_same_moment_gets_a_text_of_their_own(house):
    """Label Studio's own queue gave one text to two of eight, on SQLite."""
    people = [house.awa, house.inti, house.lee]
    number = house.project()
    house.desk.set_members(number, people)
    sessions = [house.come_in(one, number) for one in people]
    for _ in range(6):
        with ThreadPoolExecutor(len(people)) as crowd:
            asked = list(crowd.map(lambda one: one.get(f"/api/projects/{number}/next"), sessions))
        assert len({one.json()["id"] for one in asked}) == len(people)
        change(house, "DELETE FROM tasks_tasklock")
    house.desk.delete_project(number)


def test_a_lock_that_is_older_than_its_task_keeps_it_from_nobody(house):
    """SQLite gives the numbers of deleted tasks out again."""
    number = house.project()
    house.desk.set_members(number, [house.awa, house.inti])
    task = house.tasks[number][0]
    row = "INSERT INTO tasks_tasklock (task_id, user_id, expire_at, created_at) VALUES (?, ?, ?, ?)"
    change(house, row, task, house.awa, "2099-01-01 00:00:00", "2020-01-01 00:00:00")
    assert house.desk.lock_tasks(number, [task], user_id=house.inti, seconds=9) == {task}
    house.desk.unlock_tasks(number, [task], user_id=house.inti)
    change(house, row, task, house.awa, "2099-01-01 00:00:00", "2020-01-01 00:00:00")
    session = house.come_in(house.inti, number)
    at = f"/api/projects/{number}/next"
    assert session.get(at).json()["id"] != task
    house.desk.set_members(number, [house.awa, house.inti])
    change(house, "DELETE FROM tasks_tasklock WHERE user_id = ?", house.inti)
    assert session.get(at).json()["id"] == task
    house.desk.delete_project(number)


def change(house: House, statement: str, *told: object) -> None:
    """What no address of Label Studio's does."""
    with closing(sqlite3.connect(house.database)) as connection, connection:
        connection.execute(statement, told)


def test_what_is_not_there_is_told_apart_from_a_missing_overlay(house):
    lock = partial(house.desk.lock_tasks, seconds=60)
    with pytest.raises(NoSuchAccountError, match="Nobody here has the account 99999999"):
        lock(house.mine, [], user_id=99_999_999)
    with pytest.raises(MissingError, match="no project 99999999"):
        lock(99_999_999, [], user_id=house.awa)
    with pytest.raises(MissingError):
        house.desk.set_members(99_999_999, [house.awa])
    for kind in (MissingError, NoSuchAccountError):
        assert not issubclass(kind, OverlayMissingError)


def test_a_visit_ends_with_the_personal_link_behind_it_and_a_new_one_opens_again(house):
    moussa = house.person("moussa")
    team = [house.awa, house.inti, moussa]
    house.desk.set_members(house.mine, team)
    hers, his = house.come_in(house.inti), house.come_in(moussa)
    at = f"/api/projects/{house.mine}/next"
    house.desk.set_members(house.mine, team, since={moussa: datetime.now(UTC)})
    assert (his.get(at).status_code, hers.get(at).status_code) == (403, 200)
    assert his.get("/api/current-user/whoami").status_code == 401
    assert house.come_in(moussa).get(at).status_code == 200
    house.desk.set_members(house.mine, [house.awa, house.inti])


def test_the_overlays_pages_speak_as_the_link_was_told_to(house):
    words = {
        "lang": "ar",
        "dir": "rtl",
        "go_on": "إلى النصوص",
        "used": "استُعمل <هذا>",
        "home": "بيتي",
    }
    link = house.desk.entry_link(user_id=house.inti, project_id=house.mine, words=words)
    door = httpx.get(link, timeout=60).text
    assert ('<html lang="ar" dir="rtl">' in door, "إلى النصوص" in door) == (True, True)
    refused = httpx.get(link, timeout=60).text
    assert ('<html lang="ar" dir="rtl">' in refused, "استُعمل &lt;هذا&gt;" in refused) == (
        True,
        True,
    )
    assert ("بيتي" in refused, "Nothing that you have answered" in refused) == (True, True)
    # Who came by no link is spoken to by what the door left with the browser.
    closed = httpx.get(f"{house.url}/projects/{house.mine}/data", timeout=60).text
    assert ('data-word="come_in"' in closed, "words.js" in closed) == (True, True)
