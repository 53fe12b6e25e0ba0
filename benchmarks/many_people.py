"""The people of ``benchmarks.many``: each in a thread of their own, at one of the two desks."""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.conf import settings

LABELS = ("admin", "accounts", "dates")
# As the page's script does: with so few left it asks for more, and for so many.
LOW, AHEAD = 8, 25
# As often as a shaky line makes a phone or a hand say the same again.
SAID_TWICE = 0.1
NOTHING_NOW_S = 1.0


@dataclass
class Seen:
    """What one person was handed and has said, and how long each call took."""

    person: int
    desk: str
    handed: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Person(threading.Thread):
    """Somebody who reads, answers, and asks for more until the time is over."""

    desk = ""

    def __init__(self, number: int, *, web: httpx.Client, pace_s: float, until: float) -> None:
        super().__init__(daemon=True)
        self.web, self.pace_s, self.until = web, pace_s, until
        self.seen = Seen(number, self.desk)
        self.rng = random.Random(number)
        self.came: threading.Barrier | None = None

    def run(self) -> None:
        try:
            self.come_in()
        finally:
            if self.came is not None:
                self.came.wait()
        self.until += time.monotonic()
        # Nobody begins at the same moment as fifty others.
        time.sleep(self.rng.uniform(0, self.pace_s))
        while time.monotonic() < self.until:
            some = 0
            for item, place in self.fetch():
                some += 1
                time.sleep(self.rng.expovariate(1 / self.pace_s) if self.pace_s else 0)
                if time.monotonic() > self.until:
                    return
                self.answer(item, place)
            if not some:
                time.sleep(NOTHING_NOW_S)

    def come_in(self) -> None:
        raise NotImplementedError

    def fetch(self) -> Iterator[tuple[str, int]]:
        raise NotImplementedError

    def send(self, item: str, place: int, *, number: str, label: str) -> bool:
        raise NotImplementedError

    def answer(self, item: str, place: int) -> None:
        """Say it until it is taken, now and then once more."""
        number, label = str(uuid.uuid4()), self.rng.choice(LABELS)
        while not self.send(item, place, number=number, label=label):
            if time.monotonic() > self.until + 30:
                return
            time.sleep(0.5)
        self.seen.said[number] = item
        if self.rng.random() < SAID_TWICE:
            self.send(item, place, number=number, label=label)

    def timed(self, what: str, ask: Any, *known: int) -> httpx.Response | None:
        """One call; nothing where the server was away or broke."""
        begun = time.perf_counter()
        try:
            answer: httpx.Response = ask()
        except httpx.HTTPError as error:
            self.seen.failures.append(f"{what}: {type(error).__name__}")
            return None
        self.seen.calls.append((what, time.perf_counter() - begun))
        if answer.status_code >= 400 and answer.status_code not in known:
            self.seen.failures.append(f"{what}: {answer.status_code} {answer.text[:120]}")
            return None
        return answer


class OnThePhone(Person):
    """Answers on the light page, through the door that its script uses."""

    desk = "light"
    mine = ""

    def __init__(self, *told: Any, **more: Any) -> None:
        super().__init__(*told, **more)
        self.there: list[str] = []
        self.done: set[str] = set()

    def come_in(self) -> None:
        assert self.web.get("/answer/mail/wo/", headers={"X-Keep-Page": "1"}).status_code == 200
        self.web.headers["X-CSRFToken"] = self.web.cookies[settings.CSRF_COOKIE_NAME]

    def fetch(self) -> Iterator[tuple[str, int]]:
        if len(self.there) <= LOW:
            self.ask()
        if self.there:
            item = self.there.pop(0)
            self.done.add(item)
            yield item, 0

    def ask(self) -> None:
        told = self.timed(
            "next", lambda: self.web.post("/answer/mail/wo/batch/", json={"most": AHEAD})
        )
        body = told.json() if told else {"items": []}
        self.mine = body.get("person", self.mine)
        items = [str(one["item"]) for one in body["items"]]
        self.seen.handed += items
        self.there = [item for item in items if item not in self.done]

    def send(self, item: str, place: int, *, number: str, label: str) -> bool:
        given = {"uid": number, "item": item, "label": label, "edit": 0, "lead_seconds": 2.0}
        body = {"person": self.mine, "answers": [given]}
        told = self.timed("submit", lambda: self.web.post("/answer/mail/wo/answers/", json=body))
        if told is None:
            return False
        receipt = told.json()["receipts"][0]
        if receipt["outcome"] not in ("stored", "same"):
            self.seen.failures.append(f"submit: {receipt}")
        return True


class AtTheScreen(Person):
    """Presses the button, comes in by the signed link, and answers in Label Studio."""

    desk = "label studio"
    project = 0

    def come_in(self) -> None:
        link = self.web.get("/desk/mail/wo/").headers["location"]
        self.there = httpx.Client(timeout=60, verify=False)
        assert self.there.get(link).status_code == 200
        self.at = link.split("/go/")[0]

    def fetch(self) -> Iterator[tuple[str, int]]:
        address = f"{self.at}/api/projects/{self.project}/next"
        told = self.timed("next", lambda: self.there.get(address), 404)
        if told is not None and told.status_code == 200:
            task = told.json()
            self.seen.handed.append(str(task["data"]["uid"]))
            yield str(task["data"]["uid"]), int(task["id"])

    def send(self, item: str, place: int, *, number: str, label: str) -> bool:
        value = {"choices": [label]}
        result = {"from_name": "label", "to_name": "text", "type": "choices", "value": value}
        body = {"result": [result], "lead_time": 2.0, "unique_id": number}
        address = f"{self.at}/api/tasks/{place}/annotations/"
        told = self.timed("submit", lambda: self.there.post(address, json=body), 409)
        return told is not None
