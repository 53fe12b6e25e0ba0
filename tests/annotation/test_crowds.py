"""Fifty people over both desks: nothing is handed to more people than wanted, nothing twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.env import ROOT
from tests.annotation.crowd import ITEMS


def own_database(server: str) -> str:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS crowd")
        connection.execute("CREATE DATABASE crowd")
    return server.replace("/postgres?", "/crowd?")


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def test_fifty_people_at_both_desks_get_no_text_too_often_and_lose_no_answer(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = own_database(request.getfixturevalue("postgres")) if database == "postgres" else ""
    told = {
        "VERNACULAR_VAR_DIR": str(tmp_path),
        "VERNACULAR_DATABASE_URL": url,
        "VERNACULAR_QUEUE_SLICE": "15",
        "VERNACULAR_LOG_LEVEL": "ERROR",
    }
    made = subprocess.run(
        [sys.executable, "-m", "tests.annotation.crowd", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | told,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    seen = json.loads(made.stdout.splitlines()[-1])
    assert (seen["failed"], seen["too_many"]) == (0, []), made.stderr
    assert seen["answers"] == seen["wanted"] == seen["at_the_desk"] == ITEMS * 3 // 2
    assert seen["twice"] == 0
    assert 0 < seen["by_light"] < seen["answers"]
    assert seen["states"] == ["answered"]
