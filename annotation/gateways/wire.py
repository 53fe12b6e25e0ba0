"""The shapes that Label Studio speaks in: what goes over the wire, what comes back, what it refuses."""

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from annotation.errors import DeskRefusedError, TransientError
from annotation.gateways import DeskAnnotation, DeskItem, DeskTask

# Predictions carry the order only: with this off nobody is shown what the model thinks.
PROJECT_SETTINGS: dict[str, Any] = {
    "sampling": "Uncertainty sampling",
    "show_collab_predictions": False,
    "skip_queue": "REQUEUE_FOR_OTHERS",
    "maximum_annotations": 1,
    "enable_empty_annotation": False,
    "show_skip_button": True,
    "show_instruction": True,
}
EVENTS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_DELETED",
)
UNSURE = {408, 429}
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class TokenRefusedError(DeskRefusedError):
    """The desk does not take our token."""

    code = "desk_token_refused"


class MissingError(DeskRefusedError):
    """The desk has nothing under that number."""

    code = "desk_missing"


class NoSuchPageError(TransientError):
    """Nothing speaks to programs under that address: another server, or no overlay of ours."""


class RepeatedError(DeskRefusedError):
    """The desk has this answer already."""

    code = "desk_repeated"


class RefusedKeyError(DeskRefusedError):
    """The overlay at the desk does not take what we signed."""

    code = "desk_key_refused"


class NoSuchAccountError(DeskRefusedError):
    """Nobody at the desk has that account."""

    code = "desk_account_missing"


KINDS: dict[int, type[DeskRefusedError]] = {409: RepeatedError, 412: RefusedKeyError}
# What only our overlay says.
GONE, NOBODY = 410, 422


def refusal(status: int, body: object) -> TransientError | DeskRefusedError:
    if status == httpx.codes.NOT_FOUND and isinstance(body, str):
        return NoSuchPageError("Label Studio has nothing under that address.")
    if not isinstance(body, dict | list) or status >= 500 or status in UNSURE or status < 400:
        return TransientError(f"Label Studio could not answer just now (status {status}).")
    detail = json.dumps(body, ensure_ascii=False)
    if isinstance(body, dict):
        detail = str(body.get("validation_errors") or body.get("detail") or detail)
    detail = detail[:300]
    if status == httpx.codes.UNAUTHORIZED:
        return TokenRefusedError(
            f"Label Studio refused our token: {detail}",
            remedy="Check the token, e-mail and password of its admin in the settings.",
        )
    if status == NOBODY:
        return NoSuchAccountError(
            f"Label Studio knows nobody of ours under that number: {detail}",
            remedy="Add the person again on the people page; they answer on the light page meanwhile.",
        )
    if status in (httpx.codes.NOT_FOUND, GONE):
        return MissingError(
            f"Label Studio has it no more: {detail}",
            remedy="It may have been deleted there; it is made again when needed.",
        )
    return KINDS.get(status, DeskRefusedError)(
        f"Label Studio said no (status {status}): {detail}",
        remedy="Repeating it will not help; look at the detail.",
    )


def body_of(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return response.text[:300]


def csrf_of(page: httpx.Response) -> str:
    match = CSRF.search(page.text)
    if page.status_code != httpx.codes.OK or match is None:
        raise DeskRefusedError(
            f"The desk did not show its form (status {page.status_code}).",
            remedy="Check that its address leads to Label Studio itself.",
        )
    return match.group(1)


def sign_in(session: httpx.Client, *, email: str, password: str) -> None:
    page = session.get("/user/login/")
    form = {
        "email": email,
        "password": password,
        "csrfmiddlewaretoken": csrf_of(page),
        "persist_session": "on",
    }
    headers = {"Referer": str(page.url)}
    answer = session.post("/user/login/", data=form, headers=headers)
    if answer.status_code != httpx.codes.FOUND:
        raise DeskRefusedError(
            "Label Studio refused our token and our password.",
            remedy="Give the e-mail and password of its admin in the settings.",
        )


def title_of(title: str) -> str:
    """Label Studio takes 3 to 50 characters."""
    return title[:50].ljust(3, "·")


def task_of(item: DeskItem) -> dict[str, Any]:
    return {
        "data": {**item.data, "uid": item.uid, "text": item.text},
        "predictions": [
            {"model_version": item.batch, "score": item.priority, "result": item.suggestion}
        ],
    }


def answer_of(result: list[dict[str, Any]], *, unique_id: str, skipped: bool) -> dict[str, Any]:
    """An answer of ours; its first region bears its id too, for a desk that hides the other."""
    named = [{**region, "id": unique_id} if i == 0 else region for i, region in enumerate(result)]
    return {"result": named, "was_cancelled": skipped, "unique_id": unique_id}


def unique_id_of(annotation: dict[str, Any]) -> str:
    """The id under which an answer was made, as far as the desk tells it."""
    result = annotation["result"]
    regions = result if isinstance(result, list) else []
    named = (region.get("id") for region in regions[:1] if isinstance(region, dict))
    for told in (annotation.get("unique_id"), *named):
        try:
            return str(uuid.UUID(str(told)))
        except ValueError:
            continue
    return ""


def comparable(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, list) else value


def read_task(task: dict[str, Any]) -> DeskTask:
    uid = str((task.get("data") or {}).get("uid", ""))
    return DeskTask(
        id=int(task["id"]),
        uid=uid,
        updated_at=_moment(task["updated_at"]),
        annotations=tuple(
            _read_annotation(annotation, task_id=int(task["id"]), uid=uid)
            for annotation in task["annotations"]
        ),
    )


def _read_annotation(annotation: dict[str, Any], *, task_id: int, uid: str) -> DeskAnnotation:
    user = annotation["completed_by"]
    lead = annotation["lead_time"]
    return DeskAnnotation(
        id=int(annotation["id"]),
        task_id=task_id,
        uid=uid,
        user_id=user.get("id") if isinstance(user, dict) else user,
        result=annotation["result"],
        skipped=bool(annotation["was_cancelled"]),
        updated_at=_moment(annotation["updated_at"]),
        lead_seconds=float(lead) if isinstance(lead, int | float) else None,
        unique_id=unique_id_of(annotation),
    )


def _moment(text: str) -> str:
    """The same moment with all six digits: Label Studio leaves them out when they are zero."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
