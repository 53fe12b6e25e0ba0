"""Stand-ins for the outside that behave as it does, its bad manners included."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import MappingProxyType
from typing import Any

from annotation.errors import (
    DeskDownError,
    DeskRefusedError,
    OverlayMissingError,
    TransientError,
)
from annotation.gateways import (
    DeskAccount,
    DeskAnnotation,
    DeskCounters,
    DeskItem,
    DeskProject,
    DeskTask,
    DeskText,
)
from annotation.gateways.wire import answer_of


@dataclass
class FakeTask:
    """A task with its predictions by batch and its annotations by number."""

    id: int
    uid: str
    text: str
    updated_at: str
    wanted: int = 1
    predictions: dict[str, float] = field(default_factory=dict)
    annotations: dict[int, DeskAnnotation] = field(default_factory=dict)
    locks: dict[int, datetime] = field(default_factory=dict)

    def others(self, user_id: int, *, now: datetime) -> int:
        """How many other people answered it or hold it; one who does both counts twice."""
        answered = [a for a in self.annotations.values() if not a.skipped]
        held = [user for user, until in self.locks.items() if user != user_id and until > now]
        return len([a for a in answered if a.user_id != user_id]) + len(held)

    def is_done_by(self, user_id: int) -> bool:
        """Whether somebody answered or skipped it."""
        return any(a.user_id == user_id for a in self.annotations.values())


@dataclass
class FakeProject:
    """A project with its tasks by number."""

    id: int
    title: str
    marker: str
    config: str
    instruction: str
    intact: bool = True
    batch: str = ""
    webhooks: list[tuple[str, str]] = field(default_factory=list)
    tasks: dict[int, FakeTask] = field(default_factory=dict)
    members: set[int] = field(default_factory=set)
    since: dict[int, datetime] = field(default_factory=dict)


class FakeLabelingDesk:
    """Label Studio in memory: nothing is validated, nothing is idempotent, time never repeats."""

    def __init__(self) -> None:
        self.projects: dict[int, FakeProject] = {}
        self.accounts: dict[str, DeskAccount] = {
            "admin@example.org": DeskAccount(user_id=1, email="admin@example.org")
        }
        self.away = False
        self.overlay = True
        self.calls: list[str] = []
        self.words: dict[str, str] = {}
        self._numbers = count(1)
        self._users = count(2)
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._failing: dict[str, str] = {}

    # What tests do to it

    def fail_once(self, call: str, *, when: str = "before") -> None:
        """Let the next call of that name fail before, or after, it has taken effect."""
        self._failing[call] = when

    @contextmanager
    def down(self) -> Iterator[None]:
        """Be away for a while."""
        self.away = True
        try:
            yield
        finally:
            self.away = False

    def annotate(self, task_id: int, *, user_id: int | None, label: str = "", **over: Any) -> int:
        """Answer as a person would; without a label, skip."""
        task = self._task(task_id)
        number = next(self._numbers)
        told = DeskAnnotation(
            id=number,
            task_id=task_id,
            uid=task.uid,
            user_id=user_id,
            result=choice(label) if label else [],
            skipped=not label,
            updated_at=self._tick(),
            lead_seconds=2.5,
        )
        task.annotations[number] = replace(told, **over)
        task.updated_at = self._tick()
        return number

    def edit(self, annotation_id: int, *, label: str, **over: Any) -> None:
        """Change an answer."""
        task = self._holder(annotation_id)
        told = task.annotations[annotation_id]
        changed: dict[str, Any] = {
            "result": choice(label),
            "skipped": False,
            "updated_at": self._tick(),
        }
        task.annotations[annotation_id] = replace(told, **(changed | over))
        task.updated_at = self._tick()

    def delete(self, annotation_id: int) -> None:
        """Delete an answer."""
        task = self._holder(annotation_id)
        del task.annotations[annotation_id]
        task.updated_at = self._tick()

    def drop_task(self, task_id: int) -> None:
        """Delete a task with everything in it."""
        for project in self.projects.values():
            project.tasks.pop(task_id, None)

    def queue(self, project_id: int) -> list[str]:
        """The texts still to be asked, in the order in which people get them."""
        project = self.projects[project_id]
        open_tasks = [
            task
            for task in project.tasks.values()
            if len({a.user_id for a in task.annotations.values() if not a.skipped}) < task.wanted
        ]
        # Without a prediction of the present batch there is no order to rely on.
        ranked = sorted(open_tasks, key=lambda t: t.predictions.get(project.batch, float("inf")))
        return [task.text for task in ranked]

    def take_next(self, project_id: int, *, user_id: int) -> FakeTask | None:
        """Open the next task as a person does: their own again, else the first that is free."""
        project = self.projects[project_id]
        free = [
            task
            for task in sorted(
                project.tasks.values(), key=lambda t: t.predictions.get(project.batch, float("inf"))
            )
            if not task.is_done_by(user_id) and task.others(user_id, now=self._now) < task.wanted
        ]
        mine = [task for task in free if task.locks.get(user_id, self._now) > self._now]
        found = next(iter(mine + free), None)
        if found is not None and not mine:
            found.locks[user_id] = self._now + timedelta(seconds=1800)
        return found

    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self._now += timedelta(seconds=seconds)

    # What the protocol asks of it

    def check(self) -> str:
        with self._call("check"):
            return "fake"

    def account_of_token(self) -> DeskAccount:
        with self._call("account_of_token"):
            return self.accounts["admin@example.org"]

    def create_account(self, *, email: str, name: str, password: str) -> DeskAccount:
        with self._call("create_account"):
            if len(password) < 8:
                raise DeskRefusedError("The password is too short.")
            if email not in self.accounts:
                self.accounts[email] = DeskAccount(user_id=next(self._users), email=email)
            return self.accounts[email]

    def list_accounts(self) -> list[DeskAccount]:
        with self._call("list_accounts"):
            return list(self.accounts.values())

    def find_account(self, email: str) -> DeskAccount | None:
        with self._call("find_account"):
            return self.accounts.get(email)

    def create_project(self, *, title: str, marker: str, config: str, instruction: str) -> int:
        with self._call("create_project"):
            number = next(self._numbers)
            self.projects[number] = FakeProject(number, title, marker, config, instruction)
            return number

    def find_projects(self, marker: str) -> list[int]:
        with self._call("find_projects"):
            return sorted(p.id for p in self.projects.values() if p.marker == marker)

    def delete_project(self, project_id: int) -> None:
        with self._call("delete_project"):
            self.projects.pop(project_id, None)

    def read_project(self, project_id: int) -> DeskProject | None:
        with self._call("read_project"):
            project = self.projects.get(project_id)
            if project is None:
                return None
            return DeskProject(project.config, project.instruction, project.intact, project.marker)

    def update_project(self, project_id: int, *, config: str, instruction: str) -> None:
        with self._call("update_project"):
            project = self._project(project_id)
            project.config, project.instruction, project.intact = config, instruction, True

    def ensure_webhook(self, project_id: int, *, url: str, secret: str) -> None:
        with self._call("ensure_webhook"):
            self._project(project_id).webhooks = [(url, secret)]

    def find_tasks(self, project_id: int, uids: Sequence[str]) -> dict[str, list[int]]:
        with self._call("find_tasks"):
            found: dict[str, list[int]] = {}
            for task in self._project(project_id).tasks.values():
                if task.uid in uids:
                    found.setdefault(task.uid, []).append(task.id)
            return found

    def push(self, project_id: int, items: Sequence[DeskItem]) -> dict[str, int]:
        with self._call("push"):
            project = self._project(project_id)
            made: dict[str, int] = {}
            for item in items:
                task = FakeTask(next(self._numbers), item.uid, item.text, self._tick())
                task.predictions[item.batch] = item.priority
                project.tasks[task.id] = task
                made[item.uid] = task.id
                project.batch = project.batch or item.batch
            return made

    def set_priorities(self, project_id: int, *, batch: str, priorities: dict[int, float]) -> None:
        with self._call("set_priorities"):
            project = self._project(project_id)
            for task_id, priority in priorities.items():
                project.tasks[task_id].predictions[batch] = priority
            if not any(batch in task.predictions for task in project.tasks.values()):
                raise DeskRefusedError(f"No prediction has the model version {batch}.")
            project.batch = batch

    def set_wanted(self, project_id: int, wanted: dict[int, int]) -> None:
        with self._call("set_wanted"):
            for task_id, people in wanted.items():
                task = self._project(project_id).tasks[task_id]
                task.wanted, task.updated_at = people, self._tick()

    def delete_unanswered(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        with self._call("delete_unanswered"):
            tasks = self._project(project_id).tasks
            gone = []
            for task_id in task_ids:
                task = tasks.get(task_id)
                if task is None or all(a.skipped for a in task.annotations.values()):
                    tasks.pop(task_id, None)
                    gone.append(task_id)
            return gone

    def counters(self, project_id: int) -> DeskCounters:
        with self._call("counters"):
            tasks = self._project(project_id).tasks.values()
            told = [a for task in tasks for a in task.annotations.values()]
            return DeskCounters(
                tasks=len(tasks),
                annotations=sum(not a.skipped for a in told),
                skipped=sum(a.skipped for a in told),
                finished=len(tasks) - len(self.queue(project_id)),
            )

    def changed_tasks(self, project_id: int, *, since: str, limit: int) -> list[DeskTask]:
        with self._call("changed_tasks"):
            tasks = sorted(self._project(project_id).tasks.values(), key=lambda t: t.updated_at)
            changed = [task for task in tasks if task.updated_at >= since][:limit]
            return [
                DeskTask(t.id, t.uid, t.updated_at, tuple(t.annotations.values())) for t in changed
            ]

    def task_ids(self, project_id: int) -> set[int]:
        with self._call("task_ids"):
            return set(self._project(project_id).tasks)

    def answer_ids(self, project_id: int, *, after: int) -> dict[int, set[int]]:
        with self._call("answer_ids"):
            tasks = self._project(project_id).tasks
            some = sorted(number for number in tasks if number > after)[:2]
            return {number: set(tasks[number].annotations) for number in some}

    def read_tasks(self, project_id: int, task_ids: Sequence[int]) -> list[DeskTask]:
        with self._call("read_tasks"):
            tasks = self._project(project_id).tasks
            wanted = (tasks[number] for number in task_ids if number in tasks)
            return [
                DeskTask(t.id, t.uid, t.updated_at, tuple(t.annotations.values())) for t in wanted
            ]

    def read_texts(self, project_id: int, task_ids: Sequence[int]) -> list[DeskText]:
        with self._call("read_texts"):
            tasks = self._project(project_id).tasks
            wanted = (tasks[number] for number in task_ids if number in tasks)
            return [DeskText(task.id, task.uid, task.text) for task in wanted]

    def set_members(
        self,
        project_id: int,
        user_ids: Collection[int],
        *,
        since: Mapping[int, datetime] = MappingProxyType({}),
    ) -> set[int]:
        with self._overlay_call("set_members"):
            known = {account.user_id for account in self.accounts.values()}
            self._project(project_id).since = dict(since)
            self._project(project_id).members = known.intersection(user_ids)
            return set(self._project(project_id).members)

    def entry_link(
        self,
        *,
        user_id: int,
        project_id: int,
        email: str = "",
        words: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        with self._overlay_call("entry_link"):
            self.words = dict(words)
            return f"http://desk.localhost/go/{user_id}-{project_id}/"

    def lock_tasks(
        self, project_id: int, task_ids: Collection[int], *, user_id: int, seconds: int
    ) -> set[int]:
        with self._overlay_call("lock_tasks"):
            tasks = self._project(project_id).tasks
            locked = {
                task_id
                for task_id in task_ids
                if (task := tasks.get(task_id))
                and not task.is_done_by(user_id)
                and task.others(user_id, now=self._now) < task.wanted
            }
            for task_id in locked:
                tasks[task_id].locks[user_id] = self._now + timedelta(seconds=seconds)
            return locked

    def unlock_tasks(self, project_id: int, task_ids: Collection[int], *, user_id: int) -> None:
        with self._overlay_call("unlock_tasks"):
            tasks = self._project(project_id).tasks
            for task_id in tasks.keys() & set(task_ids):
                tasks[task_id].locks.pop(user_id, None)

    def submit_answer(
        self,
        project_id: int,
        task_id: int,
        *,
        unique_id: str,
        user_id: int,
        result: list[dict[str, Any]],
        lead_seconds: float | None,
        skipped: bool,
    ) -> int:
        with self._call("submit_answer"):
            if task_id not in self._project(project_id).tasks:
                raise DeskRefusedError(f"There is no task {task_id}.")
            task = self._task(task_id)
            task.locks.pop(user_id, None)
            for known in task.annotations.values():
                if known.unique_id == unique_id:
                    return known.id
            named = answer_of(result, unique_id=unique_id, skipped=skipped)["result"]
            told = {"result": named, "skipped": skipped, "lead_seconds": lead_seconds}
            return self.annotate(task_id, user_id=user_id, unique_id=unique_id, **told)

    def revise_answer(
        self,
        annotation_id: int,
        *,
        unique_id: str,
        result: list[dict[str, Any]],
        lead_seconds: float | None,
        skipped: bool,
    ) -> None:
        with self._call("revise_answer"):
            named = answer_of(result, unique_id=unique_id, skipped=skipped)["result"]
            told = {"result": named, "skipped": skipped, "lead_seconds": lead_seconds}
            self.edit(annotation_id, label="", **told)

    # How it does it

    @contextmanager
    def _overlay_call(self, name: str) -> Iterator[None]:
        with self._call(name):
            if not self.overlay:
                raise OverlayMissingError("This desk runs without our overlay.")
            yield

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        self.calls.append(name)
        if self.away:
            raise DeskDownError("The desk is away.")
        when = self._failing.pop(name, "")
        if when == "before":
            raise TransientError("The desk did not take the call.")
        yield
        if when == "after":
            raise TransientError("The desk took the call and did not answer in time.")

    def _tick(self) -> str:
        self._now += timedelta(milliseconds=7)
        return self._now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _project(self, project_id: int) -> FakeProject:
        try:
            return self.projects[project_id]
        except KeyError:
            raise DeskRefusedError(f"There is no project {project_id}.") from None

    def _task(self, task_id: int) -> FakeTask:
        return next(p.tasks[task_id] for p in self.projects.values() if task_id in p.tasks)

    def _holder(self, annotation_id: int) -> FakeTask:
        tasks = [task for project in self.projects.values() for task in project.tasks.values()]
        return next(task for task in tasks if annotation_id in task.annotations)


def choice(label: str) -> list[dict[str, Any]]:
    """An answer as the desk stores it."""
    return [
        {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
    ]
