"""Auditing: what a request of somebody who leads found, what it left, and which tables it wrote.

Nothing is asked of the doors: what an address names is looked at before and after, and every
statement that writes is counted by its table. Secrets and whatever somebody typed are named, not told:
of words only those that we have chosen ourselves, and how campaigns and languages are set up.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models

from annotation.models import AuditEntry, User

LONGEST = 200
HIDDEN = "•••"
_SECRET = re.compile(
    r"password|digest|token|secret|sealed|key$|email|letters_to|content|payload|url$"
)
# How these are set up is for everybody who leads to know; all other words may be a speaker's.
_SET_UP = {"campaign", "campaignlanguage", "language", "label"}
_WRITES = re.compile(r'\s*(INSERT|UPDATE|DELETE)\s+(?:OR \w+ )?(?:INTO |FROM )?"?(\w+)"?', re.I)
_PLACE = {"INSERT": 0, "UPDATE": 1, "DELETE": 2}
# Written by every request that comes along, whatever it is about.
_ALWAYS = {"django_session", "annotation_auditentry"}
State = dict[str, Any]


class _Words(str):
    """What somebody may have typed: it counts as a change, and is not told."""

    __slots__ = ()


class Tally:
    """Counts the statements that write, by table: new, changed, removed."""

    def __init__(self) -> None:
        self.wrote: dict[str, list[int]] = {}

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        """Run a statement, and count it."""
        found = _WRITES.match(sql)
        if found and found[2] not in _ALWAYS:
            self.wrote.setdefault(found[2], [0, 0, 0])[_PLACE[found[1].upper()]] += 1
        return execute(sql, *rest)


@contextmanager
def tallied() -> Iterator[Tally]:
    """Count what is written inside."""
    tally = Tally()
    with connection.execute_wrapper(tally):
        yield tally


def state_of(rows: Iterable[models.Model | None]) -> State:
    """What rows say now, field by field, as it may be told."""
    return {
        f"{row._meta.model_name} {row.pk}.{field.attname}": _told(field, row)
        for row in rows
        if row is not None
        for field in row._meta.concrete_fields
    }


def moved(before: State, after: State) -> dict[str, list[Any]]:
    """What is otherwise than it was: from what, to what; a secret that moved says only that."""
    return {
        name: [_shown(name, before.get(name)), _shown(name, after.get(name))]
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def record(  # noqa: PLR0913 - who, what, where, and from what to what
    action: str,
    *,
    actor: User | None,
    campaign: str = "",
    key: int | None = None,
    named: Mapping[str, Any] | None = None,
    changed: Mapping[str, Any] | None = None,
    wrote: Mapping[str, list[int]] | None = None,
    request_id: str = "",
) -> AuditEntry:
    """Write one entry; there is no way to change or remove it."""
    return AuditEntry.objects.create(
        action=action[:80],
        actor=actor,
        key=key,
        campaign=campaign[:80],
        named={name: _short(value) for name, value in (named or {}).items()},
        changed=dict(changed or {}),
        wrote=dict(wrote or {}),
        request_id=request_id[:64],
    )


def _told(field: "models.Field[Any, Any]", row: models.Model) -> Any:
    value = getattr(row, field.attname)
    if isinstance(value, bool | int | float | None):
        return value
    typed = isinstance(field, models.CharField | models.TextField | models.JSONField)
    ours = field.choices or row._meta.model_name in _SET_UP
    return _plain(value) if ours or not typed else _Words(_plain(value))


def _plain(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return f"{len(value)} bytes"
    return value if isinstance(value, str) else json.dumps(value, cls=DjangoJSONEncoder)


def _shown(name: str, value: Any) -> Any:
    told = not (_SECRET.search(name.rpartition(".")[2]) or isinstance(value, _Words))
    return _short(value) if told or value in (None, "") else HIDDEN


def _short(value: Any) -> Any:
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return value  # numbers of rows, as many as there are
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
