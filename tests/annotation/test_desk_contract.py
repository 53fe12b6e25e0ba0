"""The same assertions against the stand-in and the real Label Studio, so that neither can lie."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from annotation.errors import DeskRefusedError, OverlayMissingError, TransientError
from annotation.gateways import DeskItem, DeskProject
from annotation.objectives import Choice, classes
from tests.fakes import FakeLabelingDesk, choice

WORD = "a-long-password"
BEGINNING = "1970-01-01T00:00:00.000000Z"
CHOICES = [Choice("admin", "ጥሩ <b> & \"x\" 'y' 🙂 $text"), Choice("dates", "مواعيد")]


def form(*, question: str = 'Què? <1 & "2"> $text 🙂') -> str:
    return classes.desk_config(question=question, choices=CHOICES, rtl=True)


class FakeSide:
    """The stand-in and the people who answer there."""

    def __init__(self) -> None:
        self.desk = FakeLabelingDesk()
        self.project = 0

    def person(self, name: str) -> Any:
        email = f"{name}-{uuid.uuid4().hex[:8]}@example.org"
        return self.desk.create_account(email=email, name=name, password=WORD).user_id

    def wait(self, seconds: float) -> None:
        self.desk.pass_time(seconds)

    def without_overlay(self) -> FakeLabelingDesk:
        self.desk.overlay = False
        return self.desk

    def annotate(self, person: Any, task_id: int, label: str) -> int:
        return self.desk.annotate(task_id, user_id=person, label=label)

    def user_id(self, person: Any) -> int:
        return person

    def edit(self, person: Any, annotation_id: int, label: str) -> None:
        self.desk.edit(annotation_id, label=label)

    def delete(self, person: Any, annotation_id: int) -> None:
        self.desk.delete(annotation_id)

    def asked(self, person: Any, project_id: int) -> str | None:
        task = self.desk.take_next(project_id, user_id=person)
        return task.text if task else None


class RealSide:
    """A real Label Studio, answered by people who come in by our links."""

    def __init__(self, server: Any) -> None:
        self.project, self.team = 0, set[int]()
        from annotation.gateways.label_studio import LabelStudioDesk

        self.server = server
        self.desk = LabelStudioDesk(**server.access)

    def person(self, name: str) -> Any:
        email = f"{name}-of-the-contract@example.org"
        if email not in self.server.known:
            account = self.desk.create_account(email=email, name=name, password=WORD)
            self.server.known[email] = account.user_id
        account = self.server.known[email]
        self.team.add(account)
        self.desk.set_members(self.project, self.team)
        session = httpx.Client(base_url=self.server.url, timeout=30)
        link = self.desk.entry_link(user_id=account, project_id=self.project, email=email)
        assert session.get(link).status_code == 200
        return session

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def without_overlay(self) -> Any:
        """The same desk, where nothing of ours knows the key."""
        return type(self.desk)(**(self.server.access | {"entry_key": "another-key"}))

    def user_id(self, person: Any) -> int:
        return int(person.get("/api/current-user/whoami").json()["id"])

    def annotate(self, person: Any, task_id: int, label: str) -> int:
        body = {"result": choice(label) if label else [], "was_cancelled": not label}
        answer = person.post(f"/api/tasks/{task_id}/annotations/", json={**body, "lead_time": 2.5})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def edit(self, person: Any, annotation_id: int, label: str) -> None:
        body = {"result": choice(label)}
        assert person.patch(f"/api/annotations/{annotation_id}/", json=body).status_code == 200

    def delete(self, person: Any, annotation_id: int) -> None:
        assert person.delete(f"/api/annotations/{annotation_id}/").status_code == 204

    def asked(self, person: Any, project_id: int) -> str | None:
        answer = person.get(f"/api/projects/{project_id}/next")
        return answer.json()["data"]["text"] if answer.status_code == 200 else None


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.label_studio)])
def side(request: pytest.FixtureRequest) -> FakeSide | RealSide:
    if request.param == "fake":
        return FakeSide()
    return RealSide(request.getfixturevalue("label_studio"))


@pytest.fixture
def project(side) -> Iterator[int]:
    number = side.desk.create_project(
        title="x", marker=f"m {uuid.uuid4()}", config=form(), instruction="<p>Read it.</p>"
    )
    side.project = number
    yield number
    side.desk.delete_project(number)


def items(*priorities: float, batch: str = "r1") -> list[DeskItem]:
    return [
        DeskItem(str(uuid.uuid4()), f"text {priority}", priority, batch) for priority in priorities
    ]


def test_the_desk_tells_its_version_and_whose_token_we_use(side):
    assert side.desk.check()
    assert "@" in side.desk.account_of_token().email


def test_a_project_is_found_by_its_marker_and_asks_what_we_sent(side):
    marker = f"marker {uuid.uuid4()}"
    assert side.desk.find_projects(marker) == []
    numbers = [
        side.desk.create_project(
            title="t" * 90, marker=marker, config=form(), instruction="<p>a</p>"
        )
        for _ in range(2)
    ]
    assert side.desk.find_projects(marker) == sorted(numbers)
    assert side.desk.read_project(numbers[0]) == DeskProject(form(), "<p>a</p>", True, marker)
    other = form(question="Another?")
    side.desk.update_project(numbers[0], config=other, instruction="")
    assert side.desk.read_project(numbers[0]) == DeskProject(other, "", True, marker)
    for number in numbers:
        side.desk.delete_project(number)
        side.desk.delete_project(number)
    assert side.desk.read_project(numbers[0]) is None
    assert side.desk.find_projects(marker) == []


def test_pushing_twice_doubles_and_finding_tells(side, project):
    some = items(0.1, 0.2)
    first = side.desk.push(project, some)
    assert list(first) == [item.uid for item in some]
    second = side.desk.push(project, some)
    uids = [item.uid for item in some]
    assert side.desk.find_tasks(project, [*uids, str(uuid.uuid4())]) == {
        uid: [first[uid], second[uid]] for uid in uids
    }
    assert side.desk.task_ids(project) == {*first.values(), *second.values()}
    assert side.desk.push(project, []) == {}


def test_many_uids_are_found_at_once(side, project):
    some = items(*(n / 1000 for n in range(130)))
    pushed = side.desk.push(project, some)
    found = side.desk.find_tasks(project, [item.uid for item in some])
    assert found == {uid: [task_id] for uid, task_id in pushed.items()}


def test_the_lowest_priority_is_asked_first_and_a_new_batch_reorders(side, project):
    pushed = side.desk.push(project, items(0.5, 0.1, 0.9))
    awa, inti = side.person("awa"), side.person("inti")
    assert side.asked(awa, project) == "text 0.1"
    task_ids = list(pushed.values())
    side.desk.push(project, items(0.7, batch="r2"))
    order = {task_ids[0]: 0.8, task_ids[1]: 0.9, task_ids[2]: 0.1}
    side.desk.set_priorities(project, batch="r2", priorities=order)
    assert side.asked(inti, project) == "text 0.9"
    side.annotate(inti, task_ids[2], "admin")
    assert side.asked(inti, project) == "text 0.7"


def test_an_order_without_predictions_is_refused(side, project):
    side.desk.push(project, items(0.5))
    with pytest.raises(DeskRefusedError):
        side.desk.set_priorities(project, batch="nobody-pushed-this", priorities={})


def test_answers_edits_and_deletions_are_told_in_the_order_of_change(side, project):
    tasks = list(side.desk.push(project, items(0.1, 0.2, 0.3)).values())
    awa = side.person("awa")
    number = side.annotate(awa, tasks[1], "admin")
    skipped = side.annotate(awa, tasks[0], "")
    told = side.desk.changed_tasks(project, since=BEGINNING, limit=10)
    assert [task.id for task in told] == [tasks[2], tasks[1], tasks[0]]
    answer = told[1].annotations[0]
    assert (answer.id, answer.task_id, answer.uid) == (number, tasks[1], told[1].uid)
    assert (answer.user_id, answer.skipped) == (side.user_id(awa), False)
    assert answer.lead_seconds == 2.5
    assert classes.parse(answer.result, keys=["admin"]).label == "admin"
    assert (told[2].annotations[0].id, told[2].annotations[0].skipped) == (skipped, True)
    mark = told[2].updated_at
    assert all(len(task.updated_at) == len(BEGINNING) for task in told)
    side.edit(awa, number, "dates")
    changed = side.desk.changed_tasks(project, since=mark, limit=10)[-1]
    assert changed.annotations[0].updated_at > answer.updated_at
    assert classes.parse(changed.annotations[0].result, keys=["dates"]).label == "dates"
    side.delete(awa, number)
    last = side.desk.changed_tasks(project, since=changed.updated_at, limit=10)[-1]
    assert (last.id, last.annotations) == (tasks[1], ())
    assert last.updated_at > changed.updated_at


def test_a_page_is_cut_at_its_limit(side, project):
    side.desk.push(project, items(0.1, 0.2, 0.3))
    page = side.desk.changed_tasks(project, since=BEGINNING, limit=2)
    assert len(page) == 2
    assert len(side.desk.changed_tasks(project, since=page[-1].updated_at, limit=5)) == 2
    assert side.desk.changed_tasks(project, since="2999-01-01T00:00:00.000000Z", limit=5) == []


def test_nothing_is_validated_there(side, project):
    task = next(iter(side.desk.push(project, items(0.1)).values()))
    awa = side.person("awa")
    side.annotate(awa, task, "no-such-label")
    side.annotate(awa, task, "admin")
    told = side.desk.changed_tasks(project, since=BEGINNING, limit=5)[0]
    assert len(told.annotations) == 2


def test_only_unanswered_tasks_are_taken_away(side, project):
    tasks = list(side.desk.push(project, items(0.1, 0.2, 0.3)).values())
    awa = side.person("awa")
    side.annotate(awa, tasks[0], "admin")
    side.annotate(awa, tasks[1], "")
    unknown = max(tasks) + 1000
    assert sorted(side.desk.delete_unanswered(project, [*tasks, unknown])) == [
        *tasks[1:],
        unknown,
    ]
    assert side.desk.task_ids(project) == {tasks[0]}


def test_every_answer_is_told_by_its_task_and_a_task_is_read_whole(side, project):
    first, second, third = side.desk.push(project, items(0.1, 0.2, 0.3)).values()
    side.desk.set_wanted(project, {first: 2})
    for name in ("awa", "inti"):
        side.annotate(side.person(name), first, "admin")
    side.annotate(side.person("awa"), second, "")
    told: dict[int, set[int]] = {}
    while page := side.desk.answer_ids(project, after=max(told, default=0)):
        told |= page
    assert side.desk.answer_ids(project, after=second) == {third: set()}
    assert {task: len(ids) for task, ids in told.items()} == {first: 2, second: 1, third: 0}
    read = side.desk.read_tasks(project, [second, first, 99_999_999])
    assert {task.id: {one.id for one in task.annotations} for task in read} == {
        first: told[first],
        second: told[second],
    }
    swept = side.desk.changed_tasks(project, since=BEGINNING, limit=10)
    assert {task.id: task for task in read}[first] == {task.id: task for task in swept}[first]


def test_a_task_for_two_is_asked_again_and_the_counters_move(side, project):
    tasks = list(side.desk.push(project, items(0.1, 0.2)).values())
    side.desk.set_wanted(project, {tasks[0]: 2})
    awa, inti = side.person("awa"), side.person("inti")
    before = side.desk.counters(project)
    side.annotate(awa, tasks[0], "admin")
    side.annotate(awa, tasks[1], "admin")
    assert side.asked(inti, project) == "text 0.1"
    after = side.desk.counters(project)
    assert (after.tasks, after.annotations) == (2, before.annotations + 2)
    assert after.finished == 1


def test_an_account_is_made_once(side):
    email = f"noor-{uuid.uuid4().hex[:8]}@example.org"
    first = side.desk.create_account(email=email, name="Noor", password=WORD)
    assert side.desk.create_account(email=email, name="Noor", password=WORD * 2) == first
    assert side.desk.list_accounts().count(first) == 1
    with pytest.raises(DeskRefusedError):
        side.desk.create_account(email=f"x{email}", name="", password=WORD[:5])


def test_a_project_that_is_not_there_is_a_refusal(side):
    with pytest.raises(DeskRefusedError):
        side.desk.changed_tasks(99_999_999, since=BEGINNING, limit=5)
    # Here Label Studio answers with a page for people, which says nothing to us.
    with pytest.raises((DeskRefusedError, TransientError)):
        side.desk.push(99_999_999, items(0.1))


def test_exactly_those_who_are_named_become_members(side, project):
    awa, inti = (side.user_id(side.person(name)) for name in ("awa", "inti"))
    assert side.desk.set_members(project, [awa, inti, 99_999_999]) == {awa, inti}
    for _ in range(2):
        assert side.desk.set_members(project, [inti]) == {inti}
    with pytest.raises(DeskRefusedError):
        side.desk.set_members(99_999_999, [awa])


def test_what_is_locked_for_one_is_asked_of_nobody_else_until_it_runs_out(side, project):
    low, mid, high = side.desk.push(project, items(0.1, 0.2, 0.3)).values()
    people = awa, inti = side.person("awa"), side.person("inti")
    her, him = map(side.user_id, people)
    held = {"user_id": her, "seconds": 1800}
    assert side.desk.lock_tasks(project, [low, mid, 99_999_999], **held) == {low, mid}
    assert side.desk.lock_tasks(project, [low, mid], **held) == {low, mid}
    assert side.desk.lock_tasks(project, [low, high], user_id=him, seconds=2) == {high}
    assert side.asked(inti, project) == "text 0.3"
    assert side.desk.lock_tasks(project, [high], **held) == set()
    side.wait(2.2)
    assert side.desk.lock_tasks(project, [high], **held) == {high}
    assert side.asked(inti, project) is None
    side.desk.unlock_tasks(project, [low], user_id=him)
    assert side.asked(inti, project) is None
    side.desk.unlock_tasks(project, [low, 99_999_999], user_id=her)
    assert side.asked(inti, project) == "text 0.1"
    side.annotate(awa, mid, "")
    assert side.desk.lock_tasks(project, [mid, high], **held) == {high}


def test_a_task_for_two_is_locked_for_two(side, project):
    task = next(iter(side.desk.push(project, items(0.1)).values()))
    side.desk.set_wanted(project, {task: 2})
    awa, inti, noor = (side.user_id(side.person(name)) for name in ("awa", "inti", "noor"))
    taken = [side.desk.lock_tasks(project, [task], user_id=u, seconds=60) for u in (awa, inti)]
    assert taken == [{task}, {task}]
    assert side.desk.lock_tasks(project, [task], user_id=noor, seconds=60) == set()


def test_an_answer_of_ours_is_there_once_under_its_id_and_its_person(side, project):
    first, second = side.desk.push(project, items(0.1, 0.2)).values()
    awa = side.person("awa")
    her = side.user_id(awa)
    told = {"unique_id": str(uuid.uuid4()), "user_id": her, "lead_seconds": 4.5}
    skip = {"unique_id": str(uuid.uuid4()), "user_id": her, "lead_seconds": None}
    side.desk.lock_tasks(project, [first], user_id=her, seconds=600)
    numbers = {
        side.desk.submit_answer(project, first, result=choice("admin"), skipped=False, **told)
        for _ in range(3)
    }
    skips = {
        side.desk.submit_answer(project, second, result=[], skipped=True, **skip) for _ in range(2)
    }
    there = side.desk.changed_tasks(project, since=BEGINNING, limit=5)
    answer, skipped = there[0].annotations[0], there[1].annotations[0]
    assert [len(task.annotations) for task in there] == [1, 1]
    assert ({answer.id}, {skipped.id}) == (numbers, skips)
    assert (answer.unique_id, answer.user_id) == (told["unique_id"], her)
    assert (skipped.unique_id, skipped.skipped) == (skip["unique_id"], True)
    assert (answer.lead_seconds, answer.skipped) == (4.5, False)
    assert classes.parse(answer.result, keys=["admin"]).label == "admin"
    assert side.asked(side.person("inti"), project) == "text 0.2"
    with pytest.raises(DeskRefusedError):
        side.desk.submit_answer(project, 99_999_999, result=[], skipped=True, **skip)


def test_a_desk_without_our_overlay_says_so_and_takes_answers_all_the_same(side, project):
    task = next(iter(side.desk.push(project, items(0.1)).values()))
    her = side.user_id(side.person("awa"))
    plain = side.without_overlay()
    with pytest.raises(OverlayMissingError):
        plain.set_members(project, [her])
    with pytest.raises(OverlayMissingError):
        plain.lock_tasks(project, [task], user_id=her, seconds=60)
    with pytest.raises(OverlayMissingError):
        plain.unlock_tasks(project, [task], user_id=her)
    told = {"unique_id": str(uuid.uuid4()), "user_id": her, "lead_seconds": 1.0}
    number = plain.submit_answer(project, task, result=choice("admin"), skipped=False, **told)
    there = plain.changed_tasks(project, since=BEGINNING, limit=5)[0].annotations
    assert [(one.id, one.unique_id) for one in there] == [(number, told["unique_id"])]
