"""Simulated annotators at Label Studio: signed in as themselves, over plain HTTP, like a browser.

Each person has a session of their own, asks Label Studio for the next task, and answers it. A
crew is the team of one language; it works while there is something to do, one turn at a time,
so that the languages and not the people of one language compete for the desk.
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from annotation.errors import TransientError, VernacularError
from annotation.gateways.wire import sign_in
from annotation.objectives.classes import FIELD
from annotation.objectives.form import TEXT
from config.demo.characters import Behaviour, Person, behave

logger = logging.getLogger(__name__)

PATIENCE = 6
TIMEOUT = httpx.Timeout(60.0, connect=5.0)


@dataclass(frozen=True)
class Task:
    """What Label Studio hands out: its number, and the text to answer."""

    id: int
    uid: str
    text: str


class Visitor:
    """One person's session at Label Studio; signs in when it is first needed."""

    def __init__(
        self,
        *,
        url: str,
        email: str,
        password: str,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.email = email
        self._password = password
        self._sleep = sleep
        self._session = httpx.Client(base_url=url, timeout=TIMEOUT, transport=transport)
        self._signed_in = False

    def close(self) -> None:
        """Leave."""
        self._session.close()

    def next_task(self, project_id: int) -> Task | None:
        """Take the task that Label Studio finds most useful; None if it has none."""
        answer = self._ask("GET", f"/api/projects/{project_id}/next")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        told = answer.json()
        data = told["data"]
        return Task(id=int(told["id"]), uid=str(data["uid"]), text=str(data[TEXT]))

    def answer(self, task: Task, *, label: str, reading_s: float) -> int | None:
        """Submit an answer; told twice it is stored once, and then it has no number."""
        body = {
            "result": _result(label),
            "lead_time": reading_s,
            "unique_id": self._unique_id(task),
        }
        answer = self._ask("POST", f"/api/tasks/{task.id}/annotations/", json=body)
        return None if answer.status_code == httpx.codes.CONFLICT else int(answer.json()["id"])

    def change(self, annotation_id: int, *, label: str) -> None:
        """Think again."""
        self._ask("PATCH", f"/api/annotations/{annotation_id}/", json={"result": _result(label)})

    def skip(self, task: Task) -> None:
        """Leave the task to others."""
        body = {"result": [], "was_cancelled": True, "unique_id": self._unique_id(task)}
        self._ask("POST", f"/api/tasks/{task.id}/annotations/", json=body)

    def _unique_id(self, task: Task) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.email} {task.uid}"))

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Make one call as a patient person does: what fails for a moment is tried again."""
        for attempt in range(PATIENCE):
            try:
                if not self._signed_in:
                    sign_in(self._session, email=self.email, password=self._password)
                    self._signed_in = True
                answer = self._session.request(method, path, **request)
            except (httpx.TransportError, VernacularError) as error:
                logger.debug("%s: %s %s: %r", self.email, method, path, error)
            else:
                if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT):
                    return answer
                if answer.is_success:
                    return answer
                self._signed_in = answer.status_code != httpx.codes.UNAUTHORIZED
                logger.debug("%s: %s %s: %s", self.email, method, path, answer.status_code)
            self._sleep(0.5 * 2**attempt)
        raise TransientError(
            f"Label Studio did not take what {self.email} did ({method} {path}).",
            remedy="Look at its log.",
        )


def _result(label: str) -> list[dict[str, Any]]:
    choice = {"choices": [label]}
    return [{"from_name": FIELD, "to_name": TEXT, "type": "choices", "value": choice}]


@dataclass
class Counts:
    """What a crew has done so far."""

    answers: int = 0
    skips: int = 0
    repeats: int = 0
    edits: int = 0
    absences: int = 0


@dataclass
class Member:
    """A person at work: their session, and until when they are away with a task in hand."""

    person: Person
    visitor: Visitor
    away_until: float = 0.0
    in_hand: tuple[Task, Behaviour] | None = None


@dataclass
class Crew:
    """The people of one language."""

    project_id: int
    members: Sequence[Member]
    truths: Mapping[str, str]
    labels: Sequence[str]
    seed: int
    clock: Callable[[], float] = time.monotonic
    counts: Counts = field(default_factory=Counts)
    turns: int = 0

    def work(self, *, most: int) -> int:
        """Take up to so many turns; fewer when everybody finds the desk empty."""
        done, idle = 0, set[str]()
        while done < most:
            member = self._whose_turn(idle)
            if member is None:
                break
            if self._turn(member):
                done += 1
            else:
                idle.add(member.person.username)
        return done

    def has_somebody_back(self) -> bool:
        """Whether somebody who was away can answer what they took."""
        now = self.clock()
        return any(member.in_hand and member.away_until <= now for member in self.members)

    def _whose_turn(self, idle: set[str]) -> Member | None:
        """Somebody who came back first; else somebody present, the quick more often."""
        now = self.clock()
        back = [m for m in self.members if m.in_hand and m.away_until <= now]
        if back:
            return back[0]
        here = [m for m in self.members if not m.in_hand and m.person.username not in idle]
        if not here:
            return None
        self.turns += 1
        told = hashlib.sha256(f"{self.seed} {self.project_id} {self.turns}".encode()).digest()
        speeds = np.cumsum([m.person.character.speed for m in here])
        drawn = int.from_bytes(told[:6], "big") / 2**48 * speeds[-1]
        return here[int(np.searchsorted(speeds, drawn, side="right"))]

    def _turn(self, member: Member) -> bool:
        """Let one person do one thing; False if there was nothing for them."""
        if member.in_hand:
            task, behaviour = member.in_hand
            member.in_hand = None
            self._do(member.visitor, task, behaviour)
            return True
        found = member.visitor.next_task(self.project_id)
        if found is None or found.text not in self.truths:
            return False
        behaviour = behave(
            member.person,
            text=found.text,
            truth=self.truths[found.text],
            labels=self.labels,
            seed=self.seed,
        )
        if behaviour.away_s:
            member.in_hand = (found, behaviour)
            member.away_until = self.clock() + behaviour.away_s
            self.counts.absences += 1
        else:
            self._do(member.visitor, found, behaviour)
        return True

    def _do(self, visitor: Visitor, task: Task, behaviour: Behaviour) -> None:
        if behaviour.skips:
            visitor.skip(task)
            self.counts.skips += 1
            return
        label = behaviour.first_label or behaviour.label
        number = visitor.answer(task, label=label, reading_s=behaviour.reading_s)
        self.counts.answers += number is not None
        if behaviour.twice:
            visitor.answer(task, label=label, reading_s=behaviour.reading_s)
            self.counts.repeats += 1
        if behaviour.first_label and number is not None:
            visitor.change(number, label=behaviour.label)
            self.counts.edits += 1
