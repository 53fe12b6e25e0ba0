"""Judging: no number that judges a model is computed from labels that a model or we made up.

Labels that people's answers were aggregated to flatter whatever helped to make them, and those that
used the model as a prior flatter the model. So whoever judges says so, and the database refuses.
Apps above close what they copied such labels to.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections

from annotation.errors import VernacularError
from annotation.models import Consensus

WITH_MODEL = '"with_model"'
Execute = Callable[[str, Any, bool, dict[str, Any]], Any]

_copies: dict[str, re.Pattern[str]] = {}


def close_copies(*, table: str, column: str) -> None:
    """Close a column that such labels are copied to, whoever judges; its other columns stay open."""
    _copies[table] = re.compile(rf"\b{re.escape(column)}\b")


class CircularEvidenceError(VernacularError):
    """Somebody tried to judge a model by labels that were made with its help."""

    code = "circular_evidence"
    status = 500


@contextmanager
def judging(*, beside_people: bool = False) -> Iterator[None]:
    """Refuse queries of consensus while a model is judged, calibrated or compared.

    ``beside_people`` lets what people alone agreed on be read, for estimates that rest on gold
    and only sharpen it (prediction-powered inference); what used the model stays closed.
    """
    with ExitStack() as stack:
        for connection in connections.all():
            stack.enter_context(
                connection.execute_wrapper(_only_people if beside_people else _none)
            )
        yield


def _none(execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    if Consensus._meta.db_table in sql or _reads_copies(sql):
        raise _refusal()
    return execute(sql, params, many, context)


def _only_people(
    execute: Execute,
    sql: str,
    params: Any,
    many: bool,
    context: dict[str, Any],
) -> Any:
    if (Consensus._meta.db_table in sql and WITH_MODEL in sql) or _reads_copies(sql):
        raise _refusal()
    return execute(sql, params, many, context)


def _reads_copies(sql: str) -> bool:
    return any(table in sql and column.search(sql) for table, column in _copies.items())


def _refusal() -> CircularEvidenceError:
    return CircularEvidenceError(
        "A model was about to be judged by labels that answers were aggregated to.",
        remedy="Judge by gold only; this is a fault of the program and was stopped before it told.",
    )
