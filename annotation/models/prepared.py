"""PostgreSQL is told values apart from what is asked, and so keeps the plan of what it was asked before.

How often something must be asked until its plan is kept, and whether one is at all, the connection says
(``config/postgresql``). To plan a question of a door anew costs more than to answer it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import NotSupportedError
from django.db.backends.postgresql.base import ServerBindingCursor


def ask_prepared(
    connection: Any, *, sql: str, values: Sequence[Any], told: Callable[[Any], Any]
) -> Any:
    """Ask, by the plan that is there from the last time; what is told is read from the cursor.

    A plan that a migration took the ground from ("cached plan must not change result type") is forgotten
    with its connection, and the question asked once more. Within a transaction it fails as that does; to
    roll that back forgets every plan, and the connection serves no further request.
    """
    try:
        return _ask(connection, sql=sql, values=values, told=told)
    except NotSupportedError:
        if connection.in_atomic_block:
            connection.close_at = 0.0
            raise
        connection.close()
        return _ask(connection, sql=sql, values=values, told=told)


def _ask(connection: Any, *, sql: str, values: Sequence[Any], told: Callable[[Any], Any]) -> Any:
    with _cursor(connection) as cursor:
        cursor.execute(sql, values)
        return told(cursor)


@contextmanager
def _cursor(connection: Any) -> Iterator[Any]:
    """One that tells values apart, with the checks, wrappers and errors of Django's own.

    Whoever looks what is asked sees it with its values.
    """
    if connection.queries_logged:
        with connection.cursor() as cursor:
            yield cursor
        return
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        raw = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]  # the stubs know no base
    with connection.make_cursor(raw) as cursor:
        yield cursor
