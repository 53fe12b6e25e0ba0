"""Questions that doors ask many times a second: put into SQL once, and from then on only asked.

To build a QuerySet and put it into SQL takes a processor ten times what asking the database does. A
question here is a QuerySet as everywhere, written as a function of what it is about; each thread keeps
what became of it with the places where values belong, and PostgreSQL keeps its plan
(:mod:`annotation.models.prepared`).
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import local
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, models
from django.db.models.sql import UpdateQuery

# What stands for a value until there is one: no text, number or moment of anybody's.
STAND_INS: dict[type, Callable[[int], Any]] = {
    int: lambda number: 1_999_999_000 + number,
    str: lambda number: f"\x01 {number}",
    UUID: lambda number: UUID(int=1_999_999_000 + number),
    datetime: lambda number: datetime(2, 2, 2, microsecond=number, tzinfo=UTC),
}
Row = Sequence[Any]
# So many forms of one question a thread keeps, those asked last; lists no longer than LONG share them.
MOST, LONG = 32, 1024


class _Made(NamedTuple):
    """What became of a question: its SQL, where which value belongs, and how rows are read."""

    compiler: Any
    sql: str
    # A value of its own, or the name of what is told and its place if that is a list.
    places: Sequence[tuple[str, int] | Any]
    converters: Any


class _Place(NamedTuple):
    name: str
    at: int
    kind: type


class Often:
    """A QuerySet as a function of values by name, each an int, str, UUID or datetime.

    ``[int]`` stands for a list of them that something is to be ``in``; it is filled up with its last
    to 1, 2, 4, 8 ... values, so that few lengths are put into SQL. With ``change`` it is an update,
    whose new values may be among those that are told.
    """

    def __init__(
        self,
        ask: Callable[..., "models.QuerySet[Any, Any]"],
        *,
        change: Callable[..., dict[str, Any]] | None = None,
        **kinds: Any,
    ) -> None:
        self.ask, self.change, self.kinds, self.kept = ask, change, kinds, local()

    def rows(self, **told: Any) -> list[Row]:
        """Ask, and return every row."""
        made = self._made(told)
        found: list[Row] = _asked(
            made.sql, _filled(made.places, told), told=lambda cursor: cursor.fetchall()
        )
        if not made.converters:
            return found
        return list(made.compiler.apply_converters(found, made.converters))

    def first(self, **told: Any) -> Row | None:
        """Ask, and return the first row if there is one."""
        found = self.rows(**told)
        return found[0] if found else None

    def do(self, **told: Any) -> int:
        """Change what is to be changed; return how many rows."""
        made = self._made(told)
        return int(_asked(made.sql, _filled(made.places, told), told=lambda one: one.rowcount))

    def _made(self, told: dict[str, Any]) -> _Made:
        lengths = tuple(_wide(told[name]) for name, kind in self.kinds.items() if _is_list(kind))
        kept: dict[Any, _Made] = self.kept.__dict__
        held = kept.pop(lengths, None)
        if held is None or held.compiler.connection is not connections["default"]:
            held = self._put(told)
            while len(kept) >= MOST:
                del kept[next(iter(kept))]
        kept[lengths] = held
        return held

    def _put(self, told: dict[str, Any]) -> _Made:
        """Put the question into SQL with stand-ins, and find where those went."""
        given: dict[str, Any] = {}
        places: dict[Any, _Place] = {}
        for name, kind in self.kinds.items():
            one = kind[0] if _is_list(kind) else kind
            many = _wide(told[name]) if _is_list(kind) else 1
            made = [STAND_INS[one](len(places) + n) for n in range(many)]
            places |= {_as_told(one, m): _Place(name, n, kind) for n, m in enumerate(made)}
            given[name] = made if _is_list(kind) else made[0]
        query = self.ask(**given).query
        if self.change is not None:
            update: Any = query.chain(UpdateQuery)
            update.add_update_values(self.change(**given))
            query = update
        compiler = query.get_compiler(using="default")
        sql, params = compiler.as_sql()
        found = [places.get(one, one) if _can_stand_in(one) else one for one in params]
        missing = {p.name for p in places.values()} - {
            p.name for p in found if isinstance(p, _Place)
        }
        if missing:
            raise ValueError(f"{missing} were not found again in: {sql}")
        select = [] if self.change else [one[0] for one in compiler.select[: compiler.col_count]]
        return _Made(compiler, sql, found, compiler.get_converters(select))


def _wide(values: Sequence[Any]) -> int:
    """How many places a list is given."""
    many = len(values)
    return 1 << (many - 1).bit_length() if 0 < many <= LONG else many


def _is_list(kind: Any) -> bool:
    return isinstance(kind, list)


def _can_stand_in(value: object) -> bool:
    return isinstance(value, (int, str, UUID, datetime)) and not isinstance(value, bool)


def _as_told(kind: type, value: Any) -> Any:
    """A value as this database is told it."""
    connection = connections["default"]
    if kind is datetime:
        return connection.ops.adapt_datetimefield_value(value)
    if kind is UUID and not connection.features.has_native_uuid_field:
        return value.hex
    return value


def _filled(places: Sequence[Any], told: dict[str, Any]) -> list[Any]:
    filled = []
    for one in places:
        if isinstance(one, _Place):
            listed = _is_list(one.kind)
            value = told[one.name]
            if listed:  # what is past its end is its last once more: IN (a, b, b) is IN (a, b)
                value = value[min(one.at, len(value) - 1)]
            filled.append(_as_told(one.kind[0] if listed else one.kind, value))  # type: ignore[index]
        else:
            filled.append(one)
    return filled


def _asked(sql: str, values: Sequence[Any], *, told: Callable[[Any], Any]) -> Any:
    """Ask with all that Django puts around a cursor; what is told of it, read from the cursor."""
    connection = connections["default"]
    if connection.vendor == "postgresql":
        from annotation.models.prepared import ask_prepared

        return ask_prepared(connection, sql=sql, values=values, told=told)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return told(cursor)


def store_rows(rows: Sequence[models.Model]) -> None:
    """Insert rows that have no number yet, of one model, and give them theirs: ``bulk_create`` in short."""
    if not rows:
        return
    connection, model = connections["default"], type(rows[0])
    fields = [one for one in model._meta.local_concrete_fields if not one.primary_key]
    columns = [
        [one.get_db_prep_save(one.pre_save(row, True), connection=connection) for row in rows]
        for one in fields
    ]
    values: list[Any] = columns
    if connection.vendor == "postgresql":
        sql = _insert_columns(model, connection)
    else:
        sql = _insert(model, len(rows), connection.ops.quote_name)
        values = [value for row in zip(*columns, strict=True) for value in row]
    numbers = _asked(sql, values, told=lambda cursor: cursor.fetchall())
    for row, (number,) in zip(rows, numbers, strict=True):
        row.pk = number
        row._state.adding, row._state.db = False, "default"


def _insert_columns(model: type[models.Model], connection: Any) -> str:
    """The same words for however many rows: each column is told as one list, and the plan is kept.

    Lists have no length of words, or what is too long would be cut and not refused.
    """
    fields = [one for one in model._meta.local_concrete_fields if not one.primary_key]
    quote = connection.ops.quote_name
    names = ", ".join(quote(one.column) for one in fields)
    kinds = (re.sub(r"\(.*\)", "", str(one.db_type(connection))) for one in fields)
    lists = ", ".join(f"%s::{kind}[]" for kind in kinds)
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    return f"INSERT INTO {table} ({names}) SELECT * FROM UNNEST({lists}) RETURNING {key}"  # noqa: S608 - names of ours


def _insert(model: type[models.Model], many: int, quote: Callable[[Any], str]) -> str:
    fields = [one.column for one in model._meta.local_concrete_fields if not one.primary_key]
    names, row = ", ".join(map(quote, fields)), f"({', '.join(['%s'] * len(fields))})"
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    return f"INSERT INTO {table} ({names}) VALUES {', '.join([row] * many)} RETURNING {key}"  # noqa: S608 - names of ours
