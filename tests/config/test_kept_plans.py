"""PostgreSQL plans a busy question once for each connection, and a stale plan is forgotten."""

from collections.abc import Iterator
from typing import Any

import dj_database_url
import psycopg
import pytest
from django.db import NotSupportedError, transaction
from django.db.utils import ConnectionHandler

from annotation.models.prepared import ask_prepared
from config.postgresql.base import ASKED


@pytest.fixture
def line(postgres: str, django_db_blocker, monkeypatch) -> Iterator[Any]:
    """A connection as the service makes it, to a database of one small table."""
    told = dj_database_url.parse(postgres, engine="config.postgresql", conn_health_checks=True)
    handler = ConnectionHandler({"default": told})
    monkeypatch.setattr("django.db.transaction.connections", handler)
    with django_db_blocker.unblock():
        connection = handler["default"]
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS word")
            cursor.execute("CREATE TABLE word AS SELECT 7 AS number")
        yield connection
        connection.close()


def ask(line: Any) -> list[Any]:
    sql = "SELECT * FROM word WHERE number::text <> %s"
    return list(ask_prepared(line, sql=sql, values=["x"], told=lambda one: one.fetchall()))


def plans(line: Any) -> int:
    with line.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        return int(cursor.fetchone()[0])


def change_the_table(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as other:
        other.execute("ALTER TABLE word ALTER number TYPE text USING number::text || '!'")


@pytest.mark.parametrize(("keeps", "kept"), [(True, 1), (False, 0)])
def test_what_is_asked_often_is_planned_once_unless_a_pooler_forbids_it(
    line, settings, keeps: bool, kept: int
) -> None:
    settings.DATABASE_KEEPS_PLANS = keeps
    line.close()
    for _ in range(ASKED + 2):
        assert ask(line) == [(7,)]
    assert plans(line) == kept


def test_a_plan_that_a_migration_made_stale_is_made_anew_and_nobody_notices(line, postgres) -> None:
    for _ in range(ASKED + 2):
        ask(line)
    change_the_table(postgres)
    assert ask(line) == [("7!",)]


def test_within_a_transaction_a_stale_plan_fails_once_and_the_line_is_not_used_on(
    line, postgres
) -> None:
    for _ in range(ASKED + 2):
        ask(line)
    change_the_table(postgres)
    with pytest.raises(NotSupportedError), transaction.atomic():
        ask(line)
    assert plans(line) == 0
    assert ask(line) == [("7!",)]
    line.close_if_unusable_or_obsolete()
    assert line.connection is None
