"""Who works while :mod:`benchmarks.chaos` breaks things, and the ledger of all that they sent.

Speakers on the light page come through the proxy, others answer at Label Studio, a program brings files
in by the API, backups are taken. Each of them tries again until it is told that it was heard, and half
of what was heard is said once more: what was sent is known exactly.
"""

import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any

import httpx

from annotation.errors import TransientError, VernacularError
from benchmarks.chaos_stack import ChaosStack

WORDS = {
    "weather": ("rain", "wind", "cloud", "storm", "sun"),
    "food": ("rice", "fish", "bread", "salt", "soup"),
}
LANGUAGES = ("wo", "qu")
SLUG = "chaos"
ROWS = 80
PASSWORD = "an-answer-a-day"
PATIENCE = httpx.Timeout(8.0, connect=3.0)
AWAY = (httpx.TransportError, ValueError, KeyError)


def texts(tag: str, *, count: int, start: int, rng: Random) -> list[tuple[str, str]]:
    """Texts with the label that anybody would give them."""
    made = []
    for number in range(start, start + count):
        label = ("weather", "food")[number % 2]
        words = " ".join(f"{tag}{rng.choice(WORDS[label])}" for _ in range(3))
        made.append((f"{words} {tag}{number}", label))
    return made


def truth_of(text: str) -> str:
    """What a speaker answers."""
    return "weather" if any(word in text for word in WORDS["weather"]) else "food"


@dataclass
class Ledger:
    """What was sent: answers by person and item, files by name, texts as they were handed out."""

    lock: Lock = field(default_factory=Lock)
    answers: dict[tuple[str, str], str] = field(default_factory=dict)
    unheard: set[tuple[str, str]] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    files: dict[str, list[str]] = field(default_factory=dict)
    said_again: int = 0
    tries: int = 0
    backups: list[int] = field(default_factory=list)

    def sends(self, person: str, item: str, label: str) -> None:
        """Somebody is about to send an answer: it may be stored from now on."""
        with self.lock:
            self.answers[person, item] = label
            self.unheard.add((person, item))

    def heard(self, person: str, item: str) -> None:
        """They were told that it is stored: it must be from now on."""
        with self.lock:
            self.unheard.discard((person, item))


class Worker(Thread):
    """Somebody who does one thing after another until told to go, and when they last succeeded."""

    def __init__(self, name: str, *, ledger: Ledger, rest: float, seed: int) -> None:
        super().__init__(daemon=True, name=name)
        self.ledger, self.rest, self.rng = ledger, rest, Random(seed)
        self.leaving, self.done_at, self.broken = Event(), 0.0, ""

    def run(self) -> None:
        """Go on whatever happens; what was begun is finished before leaving, and no more begun.

        What nobody foresaw is told at the end.
        """
        from django.db import Error, connection

        while not self.leaving.wait(self.rest * self.rng.uniform(0.5, 1.5)) or self.owes():
            if self.leaving.is_set():
                time.sleep(0.5)
            try:
                if self.turn():
                    self.done_at = time.monotonic()
            except Error:
                connection.close()
                self.ledger.tries += 1
            except (*AWAY, TransientError, VernacularError):
                self.ledger.tries += 1
            except Exception as error:  # noqa: BLE001 - a speaker must not go silently
                self.broken = repr(error)

    def owes(self) -> bool:
        """Whether something was begun that nobody has heard yet."""
        return False

    def turn(self) -> bool:
        """Do one thing; False if there was nobody to do it with."""
        raise NotImplementedError


class LightSpeaker(Worker):
    """Somebody on the light page; keeps answers until their receipt came, as a phone does."""

    def __init__(self, stack: ChaosStack, *, name: str, tag: str, cookie: str, **own: Any) -> None:
        super().__init__(name, **own)
        self.url = f"{stack.proxy_url}/answer/{SLUG}/{tag}"
        token = uuid.uuid4().hex
        self.client = httpx.Client(
            verify=False,
            timeout=PATIENCE,
            cookies={"vernacular_session": cookie, "vernacular_csrf": token},
            headers={"X-CSRFToken": token, "Referer": f"{stack.proxy_url}/"},
        )
        self.person = ""
        self.pending: list[dict[str, Any]] = []

    def owes(self) -> bool:
        """Whether answers wait on the phone."""
        return bool(self.pending)

    def turn(self) -> bool:
        """Fetch a few texts, answer them, send what is not sent."""
        if not self.pending:
            told = self._post("batch", {"most": 4})
            self.person = told["person"]
            self.pending = [self._answer(one) for one in told["items"]]
        if self.pending:
            self._send()
        return True

    def _answer(self, given: Mapping[str, str]) -> dict[str, Any]:
        label = truth_of(given["text"])
        self.ledger.sends(self.name, given["item"], label)
        number = str(uuid.uuid4())
        self.ledger.numbers.add(number)
        return {"uid": number, "item": given["item"], "label": label, "lead_seconds": 1.0}

    def _send(self) -> None:
        told = {"person": self.person, "answers": self.pending}
        receipts = self._post("answers", told)["receipts"]
        if self.rng.random() < 0.5:
            self.ledger.said_again += len(self.pending)
            self._post("answers", told)
        taken = {one["uid"] for one in receipts if one["outcome"] != "refused"}
        refused = [one for one in receipts if one["outcome"] == "refused"]
        if refused:
            self.broken = f"refused: {refused[0]}"
        for one in self.pending:
            if one["uid"] in taken:
                self.ledger.heard(self.name, one["item"])
        self.pending = []

    def _post(self, door: str, told: Mapping[str, Any]) -> Any:
        answer = self.client.post(f"{self.url}/{door}/", json=told)
        if answer.status_code != 200:
            raise ValueError(f"{answer.status_code}: {answer.text[:200]}")
        return answer.json()


class DeskSpeaker(Worker):
    """Somebody at Label Studio; an answer that was not taken is sent until it is."""

    def __init__(self, stack: ChaosStack, *, name: str, tag: str, **own: Any) -> None:
        from config.demo.crew import Visitor

        super().__init__(name, **own)
        self.tag = tag
        self.task: Any = None
        self.visitor: Any = Visitor(
            url=stack.layout.desk_url,
            email=f"{name}@vernacular.localhost",
            password=PASSWORD,
            sleep=lambda _seconds: self.leaving.wait(0.5),
        )

    def owes(self) -> bool:
        """Whether a task lies open."""
        return self.task is not None

    def turn(self) -> bool:
        """Take a task and answer it, often twice."""
        from annotation.models import CampaignLanguage

        if self.task is None:
            home = CampaignLanguage.objects.get(campaign__slug=SLUG, language__tag=self.tag)
            if home.desk_project_id is None:
                return False
            self.task = self.visitor.next_task(home.desk_project_id)
        if self.task is not None:
            label = truth_of(self.task.text)
            self.ledger.sends(self.name, self.task.uid, label)
            for _ in range(self.rng.choice((1, 2))):
                self.visitor.answer(self.task, label=label, reading_s=1.0)
            self.ledger.heard(self.name, self.task.uid)
            self.task = None
        return True


class Program(Worker):
    """A program that brings files in, each under a key of its own until it is told of it."""

    def __init__(self, stack: ChaosStack, *, key: str, **own: Any) -> None:
        super().__init__("program", **own)
        self.client = httpx.Client(
            base_url=f"{stack.proxy_url}/api/v1/campaigns/{SLUG}",
            verify=False,
            timeout=PATIENCE,
            headers={"Authorization": f"Bearer {key}"},
        )
        self.number = 0
        self.file: tuple[str, bytes] | None = None

    def owes(self) -> bool:
        """Whether a file was not heard of."""
        return self.file is not None

    def turn(self) -> bool:
        """Send a file; the same again until it was heard, and often once more after."""
        if self.file is None:
            self.file = self._next()
        name, body = self.file
        for _ in range(self.rng.choice((1, 2))):
            answer = self.client.post(
                "/imports",
                params={"filename": name, "default": "licence=CC0-1.0"},
                content=body,
                headers={"Idempotency-Key": name},
            )
            if answer.status_code != 202:
                raise ValueError(f"{answer.status_code}: {answer.text[:200]}")
        self.file = None
        return True

    def _next(self) -> tuple[str, bytes]:
        tag = LANGUAGES[self.number % len(LANGUAGES)]
        start = 100_000 + self.number * ROWS
        self.number += 1
        made = texts(tag, count=ROWS, start=start, rng=self.rng)
        lines = [f"{text},{tag},{tag}-{start + n}" for n, (text, _) in enumerate(made)]
        name = f"part-{self.number}.csv"
        self.ledger.files[name] = [text for text, _ in made]
        return name, "\n".join(["text,language,id", *lines]).encode()


class Backups(Worker):
    """Somebody who takes a backup now and then; one that fails is tried again the next time."""

    def __init__(self, folder: Path, **own: Any) -> None:
        super().__init__("backups", **own)
        self.folder = folder
        self.wanted, self.going = Event(), Event()

    def turn(self) -> bool:
        """Take one if somebody wants it."""
        if not self.wanted.is_set():
            return True
        self.going.set()
        command = [sys.executable, "manage.py", "backup", str(self.folder), "--keep", "2"]
        with (self.folder.parent / "log/backup.log").open("ab") as log:
            try:
                code = subprocess.run(command, stdout=log, stderr=log, timeout=180).returncode
            except subprocess.TimeoutExpired:
                code = 124
        self.ledger.backups.append(code)
        self.wanted.clear()
        self.going.clear()
        return code == 0
