"""The labelling desk we wish for; :mod:`annotation.gateways.label_studio` is the one we have.

Everything the house asks of a desk is here. Times are the desk's own ISO 8601 strings with
microseconds; they order its events, our clock never does. Calls raise ``TransientError`` when
the desk is away, slow or answers nonsense, and ``DeskRefusedError`` when it says no.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol


@dataclass(frozen=True)
class DeskItem:
    """One item as it is put to the desk; a lower priority is asked earlier."""

    uid: str
    text: str
    priority: float
    batch: str
    data: dict[str, str] = field(default_factory=dict)
    suggestion: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class DeskAnnotation:
    """One answer as the desk tells it; nothing in it is validated."""

    id: int
    task_id: int
    uid: str
    user_id: int | None
    result: Any
    skipped: bool
    updated_at: str
    lead_seconds: float | None
    unique_id: str = ""


@dataclass(frozen=True)
class DeskTask:
    """A task that changed, with every annotation that it holds now."""

    id: int
    uid: str
    updated_at: str
    annotations: tuple[DeskAnnotation, ...]


@dataclass(frozen=True)
class DeskText:
    """A task by what it asks: its number, our uid, and the text as it is shown."""

    id: int
    uid: str
    text: str


@dataclass(frozen=True)
class DeskCounters:
    """Cheap numbers that move whenever a project changed."""

    tasks: int
    annotations: int
    skipped: int
    finished: int


@dataclass(frozen=True)
class DeskProject:
    """What a project asks now, whose it is, and whether its own settings are as we made them."""

    config: str
    instruction: str
    intact: bool
    marker: str


@dataclass(frozen=True)
class DeskAccount:
    """A person's account at the desk."""

    user_id: int
    email: str


class DeskAccounts(Protocol):
    """Who may sign in where items are answered."""

    def create_account(self, *, email: str, name: str, password: str) -> DeskAccount:
        """Create a person's account, or return the one that the address already has."""

    def list_accounts(self) -> list[DeskAccount]:
        """Return every account."""

    def find_account(self, email: str) -> DeskAccount | None:
        """Return the account that an address has, if it has one."""


class DeskDoor(DeskAccounts, Protocol):
    """Who comes into which project, and what is kept for whom: spoken by the web as well.

    All of it but the last two needs our overlay at the desk; a desk without it raises
    ``OverlayMissingError``.
    """

    def set_members(
        self,
        project_id: int,
        user_ids: Collection[int],
        *,
        since: Mapping[int, datetime] = MappingProxyType({}),
    ) -> set[int]:
        """Let exactly these accounts into a project; return those of them that are there.

        Whoever came in by a link that was signed before their moment in ``since`` is out.
        """

    def entry_link(
        self,
        *,
        user_id: int,
        project_id: int,
        email: str = "",
        words: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Return a link that lets this person, once and for ten minutes, into the project.

        With the address it works only as long as the account is still that person's; ``words``
        is what the desk's own pages say to them.
        """

    def lock_tasks(
        self, project_id: int, task_ids: Collection[int], *, user_id: int, seconds: int
    ) -> set[int]:
        """Keep tasks for one person; return those that now are.

        Left out is what enough others hold or have answered, what this person has answered
        or skipped, and what is not in the project. Asking again holds for longer.
        """

    def unlock_tasks(self, project_id: int, task_ids: Collection[int], *, user_id: int) -> None:
        """Give back what was kept for this person."""

    def submit_answer(  # noqa: PLR0913 - an answer as it is
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
        """Put down somebody's answer and return its number; told twice, it is there once."""

    def revise_answer(
        self,
        annotation_id: int,
        *,
        unique_id: str,
        result: list[dict[str, Any]],
        lead_seconds: float | None,
        skipped: bool,
    ) -> None:
        """Have an answer that was put down say something else."""


class LabelingDesk(DeskDoor, Protocol):
    """Where items are answered."""

    def check(self) -> str:
        """Return the desk's version; raise if it is away or refuses our token."""

    def create_project(self, *, title: str, marker: str, config: str, instruction: str) -> int:
        """Create a project that asks the lowest priority first and return its number."""

    def find_projects(self, marker: str) -> list[int]:
        """Return the numbers of the projects created with that marker, oldest first."""

    def delete_project(self, project_id: int) -> None:
        """Take a project away; one already gone is no error."""

    def read_project(self, project_id: int) -> DeskProject | None:
        """Return what the project asks now, or nothing if the desk has it no more."""

    def update_project(self, project_id: int, *, config: str, instruction: str) -> None:
        """Give a project another configuration, and our own settings back."""

    def ensure_webhook(self, project_id: int, *, url: str, secret: str) -> None:
        """Have exactly one webhook of ours on the project."""

    def find_tasks(self, project_id: int, uids: Sequence[str]) -> dict[str, list[int]]:
        """Return the task numbers of those uids that the project already holds."""

    def push(self, project_id: int, items: Sequence[DeskItem]) -> dict[str, int]:
        """Add items, all or none, and return uid to task number. Not idempotent by itself."""

    def set_priorities(self, project_id: int, *, batch: str, priorities: dict[int, float]) -> None:
        """Give open tasks new priorities under a new batch name and make it the order."""

    def set_wanted(self, project_id: int, wanted: dict[int, int]) -> None:
        """Say of tasks how many people are to answer each; without a word it is one."""

    def delete_unanswered(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        """Take away those tasks that nobody answered; return which of all are now gone."""

    def counters(self, project_id: int) -> DeskCounters:
        """Return the project's cheap numbers."""

    def changed_tasks(self, project_id: int, *, since: str, limit: int) -> list[DeskTask]:
        """Return up to ``limit`` tasks changed at or after ``since``, oldest change first."""

    def task_ids(self, project_id: int) -> set[int]:
        """Return every task number in the project."""

    def answer_ids(self, project_id: int, *, after: int) -> dict[int, set[int]]:
        """Return the next task numbers above one, in order, each with the numbers of its answers.

        A task of so many answers that some are left out has zero among them. Nothing ends the list.
        """

    def read_tasks(self, project_id: int, task_ids: Sequence[int]) -> list[DeskTask]:
        """Return those tasks as they are now, of those that are there."""

    def read_texts(self, project_id: int, task_ids: Sequence[int]) -> list[DeskText]:
        """Return what those tasks ask, of those that are there."""

    def account_of_token(self) -> DeskAccount:
        """Return whose token we use."""
