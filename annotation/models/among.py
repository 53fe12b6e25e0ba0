"""``field__among=values``: as ``in``, for thousands of texts, which PostgreSQL is told as one list."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Lookup


class Among(Lookup):
    """One of these texts; of none nothing is."""

    lookup_name = "among"
    prepare_rhs = False

    def __init__(self, lhs: Any, rhs: Iterable[str]) -> None:
        super().__init__(lhs, sorted(rhs))

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Name them one by one."""
        lhs, params = self.process_lhs(compiler, connection)
        marks = ", ".join(["%s"] * len(self.rhs)) or "NULL"
        return f"{lhs} IN ({marks})", (*params, *self.rhs)

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Tell them as an array, of which each is looked up; a table is not read whole beside it."""
        lhs, params = self.process_lhs(compiler, connection)
        return f"{lhs} IN (SELECT unnest(%s::text[]))", [*params, self.rhs]
