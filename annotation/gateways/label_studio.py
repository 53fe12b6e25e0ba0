"""Label Studio as our desk, spoken to through its own SDK.

Only this module imports the SDK. Its typed calls are used where they exist and keep what we
need; where they drop microseconds or do not exist, the SDK's own HTTP client is used.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from annotation.errors import TransientError
from annotation.gateways import DeskAccount, DeskCounters, DeskItem, DeskProject, DeskTask, DeskText
from annotation.gateways.accounts import desk_settings, translated
from annotation.gateways.door import DoorOfTheDesk
from annotation.gateways.wire import (
    EVENTS,
    PROJECT_SETTINGS,
    MissingError,
    TokenRefusedError,
    body_of,
    comparable,
    read_task,
    refusal,
    task_of,
    title_of,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")

# `include` cuts the annotations inside a task as well as the task.
TASK_FIELDS = (
    "id",
    "data",
    "updated_at",
    "annotations",
    "result",
    "completed_by",
    "was_cancelled",
    "lead_time",
    "unique_id",
)
IDS_PER_PAGE = 1000
# What Label Studio works out for a list of tasks where it is asked for, beside the numbers of answers.
DERIVED = (
    "avg_lead_time",
    "completed_at",
    "annotations_results",
    "predictions_results",
    "predictions_model_versions",
    "predictions_score",
    "annotators",
    "file_upload",
    "draft_exists",
    "storage_filename",
    "state",
)
# Longer lists of numbers it cuts, in the middle of one.
CUT_AT = 500
# With all that was answered a task takes the desk a hundredth of a second.
TASKS_PER_QUERY = 100
# Filters travel in the address; some servers take no line above 4096 bytes.
UIDS_PER_QUERY = 60
IDS_PER_QUERY = 200


def open_desk() -> "LabelStudioDesk":
    """The Label Studio that `up` runs, or that was set."""
    return LabelStudioDesk(**desk_settings())


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the SDK and the network raise into our own errors."""
    try:
        with translated():
            yield
    except ApiError as error:
        raise refusal(error.status_code or 0, error.body) from error


class LabelStudioDesk(DoorOfTheDesk):
    """One Label Studio, under its admin's token."""

    def __init__(self, **told: Any) -> None:
        super().__init__(**told)
        self._connect(self.token)

    def _connect(self, token: str) -> None:
        with _translated():
            self._sdk = LabelStudio(
                base_url=self.url,
                api_key=token,
                httpx_client=httpx.Client(timeout=self.timeout, follow_redirects=True),
                timeout=self.timeout.read,
                max_retries=0,
            )

    # Calls

    def _ask(self, call: Callable[[LabelStudio], T]) -> T:
        """Make one call; when our token is refused, mend that once and ask again."""
        try:
            with _translated():
                return call(self._sdk)
        except TokenRefusedError:
            self._connect(self._fetched_token())
        with _translated():
            return call(self._sdk)

    def _raw(self, method: str, path: str, **request: Any) -> Any:
        """Call an address that the SDK lacks, or whose answer it would round."""

        def call(sdk: LabelStudio) -> Any:
            client = sdk._client_wrapper.httpx_client
            response = client.request(path, method=method, **request)
            if not response.is_success:
                raise ApiError(status_code=response.status_code, body=body_of(response))
            return response.json() if response.content else None

        return self._ask(call)

    # The installation

    @_translated()
    def check(self) -> str:
        version = self._raw("GET", "api/version")
        self.account_of_token()
        return str(version["release"])

    @_translated()
    def account_of_token(self) -> DeskAccount:
        me = self._ask(lambda sdk: sdk.users.whoami())
        return DeskAccount(user_id=int(me.id), email=str(me.email))

    # Projects

    def create_project(self, *, title: str, marker: str, config: str, instruction: str) -> int:
        project = self._ask(
            lambda sdk: sdk.projects.create(
                title=title_of(title),
                description=marker,
                label_config=config,
                expert_instruction=instruction,
                **PROJECT_SETTINGS,
            )
        )
        if project.id is None:
            raise TransientError("The desk made a project and does not name it.")
        return project.id

    @_translated()
    def find_projects(self, marker: str) -> list[int]:
        found: list[int] = []
        page = 1
        while True:
            query = {"include": "id,description", "page": page, "page_size": 100}
            answer = self._raw("GET", "api/projects/", params=query)
            found += [int(p["id"]) for p in answer["results"] if p["description"] == marker]
            if not answer.get("next"):
                return sorted(found)
            page += 1

    def delete_project(self, project_id: int) -> None:
        try:
            self._ask(lambda sdk: sdk.projects.delete(project_id))
        except MissingError:
            return

    @_translated()
    def read_project(self, project_id: int) -> DeskProject | None:
        try:
            project = self._raw("GET", f"api/projects/{project_id}/")
        except MissingError:
            return None
        return DeskProject(
            config=str(project["label_config"]),
            instruction=str(project["expert_instruction"] or ""),
            intact=all(project.get(key) == value for key, value in PROJECT_SETTINGS.items()),
            marker=str(project["description"] or ""),
        )

    @_translated()
    def update_project(self, project_id: int, *, config: str, instruction: str) -> None:
        # `maximum_annotations` would rewrite every task, so it is sent only when it changed.
        present = self._raw("GET", f"api/projects/{project_id}/")
        changed = {k: v for k, v in PROJECT_SETTINGS.items() if present.get(k) != v}
        self._ask(
            lambda sdk: sdk.projects.update(
                project_id, label_config=config, expert_instruction=instruction, **changed
            )
        )

    @_translated()
    def ensure_webhook(self, project_id: int, *, url: str, secret: str) -> None:
        path = url.split("://", 1)[-1].split("/", 1)[-1]
        hooks = self._raw("GET", "api/webhooks/", params={"project": project_id})
        ours = [hook for hook in hooks if str(hook["url"]).endswith(f"/{path}")]
        wanted = {
            "url": url,
            "headers": {"Authorization": f"Bearer {secret}"},
            "send_payload": False,
            "send_for_all_actions": False,
            "actions": sorted(EVENTS),
            "is_active": True,
        }
        for surplus in ours[1:]:
            self._raw("DELETE", f"api/webhooks/{surplus['id']}/")
        if not ours:
            self._raw("POST", "api/webhooks/", json={**wanted, "project": project_id})
        elif any(comparable(ours[0].get(key)) != value for key, value in wanted.items()):
            self._raw("PATCH", f"api/webhooks/{ours[0]['id']}/", json=wanted)

    # Tasks

    @_translated()
    def find_tasks(self, project_id: int, uids: Sequence[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for some in _slices(list(uids), UIDS_PER_QUERY):
            rule = {"filter": "filter:tasks:data.uid", "operator": "in_list", "type": "String"}
            for task in self._tasks(project_id, rule={**rule, "value": some}, include="id,data"):
                uid = str(task["data"].get("uid", ""))
                found.setdefault(uid, []).append(int(task["id"]))
        return {uid: sorted(ids) for uid, ids in found.items()}

    @_translated()
    def push(self, project_id: int, items: Sequence[DeskItem]) -> dict[str, int]:
        if not items:
            return {}
        answer = self._raw(
            "POST",
            f"api/projects/{project_id}/import",
            params={"return_task_ids": "1"},
            json=[task_of(item) for item in items],
        )
        task_ids = answer.get("task_ids") or []
        if len(task_ids) != len(items):
            raise TransientError("The desk did not name every task that it took.")
        return {item.uid: int(task_id) for item, task_id in zip(items, task_ids, strict=True)}

    def set_priorities(self, project_id: int, *, batch: str, priorities: dict[int, float]) -> None:
        predictions = [
            {"task": task_id, "model_version": batch, "score": priority, "result": []}
            for task_id, priority in priorities.items()
        ]
        for some in _slices(predictions, 500):
            self._raw("POST", f"api/projects/{project_id}/import/predictions", json=some)
        self._ask(lambda sdk: sdk.projects.update(project_id, model_version=batch))

    def set_wanted(self, project_id: int, wanted: dict[int, int]) -> None:
        for task_id, people in wanted.items():
            # By itself it goes on holding for done what had its answers under the old number; one
            # that still has enough is asked of nobody all the same.
            said = {"overlap": people, "is_labeled": False}
            self._raw("PATCH", f"api/tasks/{task_id}/", json=said)

    @_translated()
    def delete_unanswered(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        gone: list[int] = []
        for some in _slices(list(task_ids), IDS_PER_QUERY):
            there = {int(t["id"]): t for t in self._selected(project_id, some)}
            idle = [i for i, task in there.items() if not task["total_annotations"]]
            if idle:
                self._raw(
                    "POST",
                    "api/dm/actions",
                    params={"id": "delete_tasks", "project": project_id},
                    json={"selectedItems": {"all": False, "included": idle}},
                )
            gone += [i for i in some if i not in there or i in set(idle)]
        return gone

    @_translated()
    def counters(self, project_id: int) -> DeskCounters:
        project = self._raw("GET", f"api/projects/{project_id}/")
        return DeskCounters(
            tasks=int(project["task_number"] or 0),
            annotations=int(project["total_annotations_number"] or 0),
            skipped=int(project["skipped_annotations_number"] or 0),
            finished=int(project["finished_task_number"] or 0),
        )

    @_translated()
    def changed_tasks(self, project_id: int, *, since: str, limit: int) -> list[DeskTask]:
        rule = {"filter": "filter:tasks:updated_at", "operator": "greater_or_equal"}
        rule |= {"type": "Datetime", "value": since}
        query = {
            "filters": {"conjunction": "and", "items": [rule]},
            "ordering": ["tasks:updated_at"],
        }
        include = ",".join(TASK_FIELDS)
        page = self._page(project_id, query=query, size=limit, include=include, fields="all")
        return [read_task(task) for task in page]

    @_translated()
    def task_ids(self, project_id: int) -> set[int]:
        ids: set[int] = set()
        while page := self._following(project_id, after=max(ids, default=0), include="id"):
            ids |= {int(task["id"]) for task in page}
        return ids

    @_translated()
    def answer_ids(self, project_id: int, *, after: int) -> dict[int, set[int]]:
        # Numbers of answers are put together only where a page of people's would show that column.
        hidden = [f"tasks:{name}" for name in DERIVED]
        page = self._following(
            project_id,
            after=after,
            include="id,annotations_ids",
            more={"hiddenColumns": {"explore": hidden, "labeling": hidden}},
        )
        return {int(task["id"]): _numbers(task["annotations_ids"]) for task in page}

    @_translated()
    def read_tasks(self, project_id: int, task_ids: Sequence[int]) -> list[DeskTask]:
        include = ",".join(TASK_FIELDS)
        return [
            read_task(task)
            for some in _slices(list(task_ids), TASKS_PER_QUERY)
            for task in self._selected(project_id, some, include=include, fields="all")
        ]

    def _following(
        self, project_id: int, *, after: int, include: str, more: dict[str, Any] | None = None
    ) -> list[Any]:
        """The next tasks of a project, in the order of their numbers."""
        rule = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number"}
        query = {
            "filters": {"conjunction": "and", "items": [{**rule, "value": after}]},
            "ordering": ["tasks:id"],
        }
        return self._page(
            project_id, query=query | (more or {}), size=IDS_PER_PAGE, include=include
        )

    @_translated()
    def read_texts(self, project_id: int, task_ids: Sequence[int]) -> list[DeskText]:
        return [
            DeskText(int(task["id"]), str(data.get("uid", "")), str(data.get("text", "")))
            for some in _slices(list(task_ids), IDS_PER_QUERY)
            for task in self._selected(project_id, some, include="id,data")
            if isinstance(data := task["data"], dict)
        ]

    def _tasks(self, project_id: int, *, rule: dict[str, Any], include: str) -> list[Any]:
        query = {"filters": {"conjunction": "and", "items": [rule]}}
        return self._page(project_id, query=query, size=IDS_PER_PAGE, include=include)

    def _selected(
        self,
        project_id: int,
        task_ids: list[int],
        *,
        include: str = "id,total_annotations",
        fields: str = "task_only",
    ) -> list[Any]:
        query = {"selectedItems": {"all": False, "included": task_ids}}
        return self._page(
            project_id, query=query, size=IDS_PER_PAGE, include=include, fields=fields
        )

    def _page(
        self,
        project_id: int,
        *,
        query: dict[str, Any],
        size: int,
        include: str,
        fields: str = "task_only",
    ) -> list[Any]:
        params = {
            "project": project_id,
            "page": 1,
            "page_size": size,
            "include": include,
            "fields": fields,
            "query": json.dumps(query, separators=(",", ":")),
        }
        return list(self._raw("GET", "api/tasks/", params=params)["tasks"])


def _numbers(told: str) -> set[int]:
    """Numbers of answers as Label Studio lists them; zero stands for those that were cut off."""
    return {int(one) for one in re.findall(r"\d+", told)} | ({0} if len(told) >= CUT_AT else set())


def _slices(items: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
