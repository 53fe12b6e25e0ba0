"""Who comes into which project at Label Studio, over plain HTTP to the overlay that we run there.

The overlay is ``config/desk/overlay``: a folder on Label Studio's path. Whoever runs a Label
Studio of their own may do without it; then answers are still taken, and nobody is let in or
kept out by us.
"""

import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.core import signing

from annotation.errors import DeskRefusedError, OverlayMissingError, TransientError
from annotation.gateways.accounts import AccountsAtTheDesk, desk_settings, translated
from annotation.gateways.wire import (
    NoSuchPageError,
    RefusedKeyError,
    RepeatedError,
    answer_of,
    read_task,
)

# What is signed for one purpose is worth nothing for the other; the overlay names them too.
ENTRY_SALT = "vernacular.entry"
OFFICE_SALT = "vernacular.office"


def open_door(*, timeout: float | None = None) -> "DoorOfTheDesk":
    """The door of the Label Studio that `up` runs, or that was set, with so much patience."""
    told = desk_settings()
    return DoorOfTheDesk(**(told | {"timeout": min(told["timeout"], timeout or told["timeout"])}))


class DoorOfTheDesk(AccountsAtTheDesk):
    """Members, ways in, locks and answers of one Label Studio."""

    @translated()
    def set_members(
        self,
        project_id: int,
        user_ids: Collection[int],
        *,
        since: Mapping[int, datetime] = MappingProxyType({}),
    ) -> set[int]:
        told = {str(user): int(at.timestamp() * 1e6) for user, at in since.items()}
        wanted = {"user_ids": sorted(user_ids), "since": told}
        there = self._overlay(f"projects/{project_id}/members", **wanted)
        return {int(number) for number in there["user_ids"]}

    def entry_link(
        self,
        *,
        user_id: int,
        project_id: int,
        email: str = "",
        words: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        # The moment makes the link work once: Label Studio lets nobody in by an earlier one.
        told = {"user": user_id, "email": email, "project": project_id}
        told |= {"at": time.time_ns() // 1000, "words": dict(words)}
        signed = signing.dumps(told, key=self._key(), salt=ENTRY_SALT, compress=True)
        return f"{self.url}/go/{signed}"

    @translated()
    def lock_tasks(
        self, project_id: int, task_ids: Collection[int], *, user_id: int, seconds: int
    ) -> set[int]:
        wanted = {"task_ids": sorted(task_ids), "user_id": user_id, "seconds": seconds}
        there = self._overlay(f"projects/{project_id}/locks", **wanted)
        return {int(number) for number in there["task_ids"]}

    @translated()
    def unlock_tasks(self, project_id: int, task_ids: Collection[int], *, user_id: int) -> None:
        wanted = {"task_ids": sorted(task_ids), "user_id": user_id}
        self._overlay(f"projects/{project_id}/unlocks", **wanted)

    @translated()
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
        unique_id = str(uuid.UUID(unique_id))
        body = answer_of(result, unique_id=unique_id, skipped=skipped)
        body |= {"completed_by": user_id, "lead_time": lead_seconds}
        path = f"api/tasks/{task_id}/annotations/"
        try:
            number = int(self._raw("POST", path, json=body)["id"])
        except RepeatedError:
            number = self._known_answer(task_id, unique_id=unique_id, user_id=user_id)
        # The answer is there; without the overlay nothing was ever locked, else the lock runs out.
        with suppress(DeskRefusedError):
            self.unlock_tasks(project_id, [task_id], user_id=user_id)
        return number

    @translated()
    def revise_answer(
        self,
        annotation_id: int,
        *,
        unique_id: str,
        result: list[dict[str, Any]],
        lead_seconds: float | None,
        skipped: bool,
    ) -> None:
        body = answer_of(result, unique_id=unique_id, skipped=skipped)
        del body["unique_id"]
        body |= {"lead_time": lead_seconds}
        self._raw("PATCH", f"api/annotations/{annotation_id}/", json=body)

    def _known_answer(self, task_id: int, *, unique_id: str, user_id: int) -> int:
        """The number of the answer that was there before, by its id, or else by its person."""
        # The list of a task's annotations leaves out what was skipped; the task does not.
        told = read_task(self._raw("GET", f"api/tasks/{task_id}/"))
        named = [one for one in told.annotations if one.unique_id == unique_id]
        # Without the overlay Label Studio keeps the id of a skipped task to itself.
        mine = [one for one in told.annotations if one.skipped and one.user_id == user_id]
        for one in named or mine:
            return one.id
        raise TransientError("The desk knows the answer and does not show it.")

    def _overlay(self, path: str, **wanted: Any) -> Any:
        proof = signing.dumps(path, key=self._key(), salt=OFFICE_SALT)
        headers = {"X-Vernacular-Proof": proof}
        try:
            return self._raw("POST", f"vernacular/{path}", json=wanted, headers=headers)
        except NoSuchPageError as error:
            raise OverlayMissingError(
                "This Label Studio runs without our overlay.",
                remedy="Put the folder config/desk on its PYTHONPATH, as the README tells.",
            ) from error
        except RefusedKeyError as error:
            raise OverlayMissingError(
                "This Label Studio's overlay does not take our key.",
                remedy="Give both the same VERNACULAR_LABEL_STUDIO_ENTRY_KEY and the right time.",
            ) from error

    def _key(self) -> str:
        if not self.entry_key:
            raise OverlayMissingError(
                "No key is set for the way into Label Studio.",
                remedy="Set VERNACULAR_LABEL_STUDIO_ENTRY_KEY here and there.",
            )
        return self.entry_key
