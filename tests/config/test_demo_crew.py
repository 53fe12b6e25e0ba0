"""Simulated people: who they are, and how they behave at Label Studio."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from annotation.errors import TransientError
from config.demo.characters import (
    ADVERSARIAL,
    AVERAGE,
    CAREFUL,
    CARELESS,
    Behaviour,
    Character,
    Person,
    behave,
    team_of,
)
from config.demo.crew import Crew, Member, Visitor
from config.demo.material import LANGUAGES

LABELS = ("a", "b", "c", "d")
TEXTS = {f"text {number}": LABELS[number % 4] for number in range(400)}


def person(character: Character, name: str = "sim") -> Person:
    return Person(name, name, "wo", character)


def behaviours(character: Character) -> list[tuple[str, Behaviour]]:
    return [
        (truth, behave(person(character), text=text, truth=truth, labels=LABELS, seed=1))
        for text, truth in TEXTS.items()
    ]


def share_right(character: Character) -> float:
    told = behaviours(character)
    return sum(behaviour.label == truth for truth, behaviour in told) / len(told)


def test_people_are_as_reliable_as_they_are_said_to_be() -> None:
    assert share_right(CAREFUL) == pytest.approx(0.94, abs=0.04)
    assert share_right(AVERAGE) == pytest.approx(0.86, abs=0.05)
    assert share_right(CARELESS) < 0.65
    assert share_right(ADVERSARIAL) < 0.1


def test_the_adversarial_turns_answers_and_the_careless_has_a_habit() -> None:
    turned = [LABELS[(LABELS.index(truth) + 1) % 4] for truth, _ in behaviours(ADVERSARIAL)]
    said = [behaviour.label for _, behaviour in behaviours(ADVERSARIAL)]
    assert sum(a == b for a, b in zip(turned, said, strict=True)) > 0.9 * len(said)
    habit = Counter(behaviour.label for _, behaviour in behaviours(CARELESS))
    assert habit.most_common(1)[0][0] == LABELS[0]


def test_now_and_then_people_skip_leave_repeat_and_change_their_mind() -> None:
    told = [behaviour for _, behaviour in behaviours(AVERAGE)]
    for happened in (
        sum(one.skips for one in told),
        sum(one.away_s > 0 for one in told),
        sum(one.twice for one in told),
        sum(bool(one.first_label) for one in told),
    ):
        assert 1 <= happened <= 0.1 * len(told)


def test_behaviour_depends_on_person_text_and_seed_alone() -> None:
    def once(seed: int, name: str = "sim") -> list[Behaviour]:
        return [
            behave(person(AVERAGE, name), text=text, truth=truth, labels=LABELS, seed=seed)
            for text, truth in TEXTS.items()
        ]

    assert once(1) == once(1)
    assert once(1) != once(2)
    assert once(1) != once(1, "another")


def test_the_demo_has_one_careless_and_one_adversarial_person() -> None:
    everybody = [who for tag in LANGUAGES for who in team_of(tag)]
    assert len({who.username for who in everybody}) == len(everybody)
    characters = Counter(
        who.character for who in everybody if who.character in (CARELESS, ADVERSARIAL)
    )
    assert characters == {CARELESS: 1, ADVERSARIAL: 1}
    assert all(len(team_of(tag)) >= 2 for tag in LANGUAGES)


@dataclass
class TinyLabelStudio:
    """As much of Label Studio as an annotator's browser meets."""

    texts: list[str]
    taken: dict[int, str] = field(default_factory=dict)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)
    broken: int = 0
    conflicts: int = 0

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._session = ""

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.broken:
            self.broken -= 1
            return httpx.Response(500, text="<html>database is locked</html>")
        path = request.url.path
        if path == "/user/login/":
            return self._login(request)
        session = re.search(r"sessionid=([^;]+)", request.headers.get("Cookie", ""))
        if session is None:
            return httpx.Response(401, json={"detail": "no session"})
        email = session[1]
        if path.endswith("/next"):
            return self._next(email)
        if found := re.fullmatch(r"/api/tasks/(\d+)/annotations/", path):
            return self._annotate(int(found[1]), json.loads(request.content), email)
        if found := re.fullmatch(r"/api/annotations/(\d+)/", path):
            self.answers[int(found[1])] |= json.loads(request.content)
            return httpx.Response(200, json={"id": int(found[1])})
        return httpx.Response(404, text="<html></html>")

    def _login(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            page = '<input type="hidden" name="csrfmiddlewaretoken" value="x">'
            return httpx.Response(200, text=page)
        form = parse_qs(request.content.decode())
        self.logins.append(form["email"][0])
        cookie = f"sessionid={form['email'][0]}; Path=/"
        return httpx.Response(302, headers={"Set-Cookie": cookie, "Location": "/"})

    def _next(self, email: str) -> httpx.Response:
        done = {a["task"] for a in self.answers.values()}
        for number, text in enumerate(self.texts):
            if number not in done and self.taken.get(number, email) == email:
                self.taken[number] = email
                return httpx.Response(
                    200, json={"id": number, "data": {"uid": f"uid-{number}", "text": text}}
                )
        return httpx.Response(404, json={"detail": "There are no tasks"})

    def _annotate(self, task: int, body: dict[str, Any], email: str) -> httpx.Response:
        if any(a["unique_id"] == body["unique_id"] for a in self.answers.values()):
            self.conflicts += 1
            return httpx.Response(409, json={"detail": "exists"})
        number = next(self._numbers)
        self.answers[number] = {**body, "task": task, "by": email}
        return httpx.Response(201, json={"id": number})


def crew(desk: TinyLabelStudio, *characters: Character, clock: Any = None) -> Crew:
    members = [
        Member(
            person(character, f"sim-{number}"),
            Visitor(
                url="http://desk",
                email=f"sim-{number}@example.org",
                password="secret-secret",  # noqa: S106 - nobody's
                transport=desk.transport(),
                sleep=lambda _: None,
            ),
        )
        for number, character in enumerate(characters)
    ]
    over = {"clock": clock} if clock else {}
    return Crew(project_id=7, members=members, truths=TEXTS, labels=LABELS, seed=3, **over)


PLAIN = Character(right=1.0, skips=0.0, late=0.0, twice=0.0, edits=0.0)


def test_a_crew_answers_all_there_is_as_separate_people() -> None:
    desk = TinyLabelStudio(list(TEXTS)[:30])
    team = crew(desk, PLAIN, PLAIN)
    assert team.work(most=100) == 30
    assert team.work(most=100) == 0
    said = {a["task"]: a["result"][0]["value"]["choices"] for a in desk.answers.values()}
    assert said == {number: [TEXTS[text]] for number, text in enumerate(desk.texts)}
    assert {a["by"] for a in desk.answers.values()} == {"sim-0@example.org", "sim-1@example.org"}
    assert sorted(desk.logins) == ["sim-0@example.org", "sim-1@example.org"]
    assert team.counts.answers == 30


def test_a_crew_stops_after_its_turns() -> None:
    desk = TinyLabelStudio(list(TEXTS)[:30])
    assert crew(desk, PLAIN).work(most=4) == 4
    assert len(desk.answers) == 4


def test_what_is_sent_twice_is_stored_once() -> None:
    desk = TinyLabelStudio(list(TEXTS)[:10])
    team = crew(desk, Character(right=1.0, skips=0.0, late=0.0, twice=1.0, edits=0.0))
    team.work(most=100)
    assert (len(desk.answers), desk.conflicts, team.counts.answers) == (10, 10, 10)


def test_whoever_thinks_again_ends_with_the_second_thought() -> None:
    desk = TinyLabelStudio(list(TEXTS)[:10])
    team = crew(desk, Character(right=1.0, skips=0.0, late=0.0, twice=0.0, edits=1.0))
    team.work(most=100)
    said = {a["task"]: a["result"][0]["value"]["choices"] for a in desk.answers.values()}
    assert said == {number: [TEXTS[text]] for number, text in enumerate(desk.texts)}
    assert team.counts.edits == 10


def test_skipping_gives_no_label() -> None:
    desk = TinyLabelStudio(list(TEXTS)[:5])
    crew(desk, Character(right=1.0, skips=1.0, late=0.0, twice=0.0, edits=0.0)).work(most=5)
    assert all(a["was_cancelled"] and a["result"] == [] for a in desk.answers.values())


def test_whoever_is_away_keeps_a_task_and_answers_it_on_return() -> None:
    now = [0.0]
    desk = TinyLabelStudio(list(TEXTS)[:6])
    late = Character(right=1.0, skips=0.0, late=1.0, twice=0.0, edits=0.0)
    team = crew(desk, late, PLAIN, clock=lambda: now[0])
    team.work(most=100)
    assert not team.has_somebody_back()
    assert len(desk.answers) == 5
    now[0] = 100.0
    assert team.has_somebody_back()
    team.work(most=1)
    assert len(desk.answers) == 6
    assert desk.answers[6]["by"] == "sim-0@example.org"
    assert not team.has_somebody_back()


def test_a_moment_of_trouble_is_waited_out() -> None:
    desk = TinyLabelStudio(list(TEXTS)[:3], broken=3)
    assert crew(desk, PLAIN).work(most=100) == 3


def test_lasting_trouble_is_told() -> None:
    desk = TinyLabelStudio(list(TEXTS)[:3], broken=1000)
    with pytest.raises(TransientError, match="sim-0@example"):
        crew(desk, PLAIN).work(most=100)
