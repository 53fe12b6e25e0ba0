"""Several real processes on one database: nothing leased twice, nothing lost with a killed one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from config.env import ROOT
from tests import template


class Home:
    """An installation of its own, driven by processes."""

    def __init__(self, var: Path, database: str) -> None:
        self.environment = os.environ | {
            "VERNACULAR_VAR_DIR": str(var),
            "VERNACULAR_DATABASE_URL": database,
            "VERNACULAR_SCORING_SHARD": "40",
            "VERNACULAR_LEASE_SECONDS": "2",
            "VERNACULAR_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.learning.worker", *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *words: str) -> Any:
        return result(self.start(*words))


def result(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], scope="module"
)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    url = ""
    if request.param == "postgres":
        url = _own_database(request.getfixturevalue("postgres"))
    var = tmp_path_factory.mktemp("home")
    if not url:
        template.place(var / template.NAME)
    home = Home(var, url)
    home.call("prepare", "400")
    return home


def _own_database(server: str) -> str:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS selection")
        connection.execute("CREATE DATABASE selection")
    return server.replace("/postgres?", "/selection?")


def test_the_database_keeps_what_served_whoever_asks(home: Home) -> None:
    told = home.call("tamper")
    assert (set(told["refused"]), len(told["refused"]) >= 10) == ({True}, True)
    assert (told["left"], told["changes"]) == (["The first version."], 1)


def test_scoring_goes_on_where_a_killed_worker_left_it(home: Home) -> None:
    worker = home.start("score", "11")
    worker.communicate(timeout=200)
    assert worker.returncode == -signal.SIGKILL
    left = home.call("report")
    assert left["predictions"] == 40
    assert left["shards"].count("running") == 1

    home.call("score")
    after = home.call("report")
    assert after["predictions"] == 401
    assert set(after["shards"]) == {"done"}
    assert sorted(after["attempts"])[-2:] == [1, 2]


def test_eight_processes_at_once_never_lease_one_text_twice(home: Home, tmp_path: Path) -> None:
    if home.call("report")["predictions"] < 401:
        home.call("score")
    killed = home.start("choose_and_die")
    lost = json.loads(killed.communicate(timeout=200)[0])
    assert killed.returncode == -signal.SIGKILL
    left = home.call("report")
    assert (left["first"], left["debts"]) == ([""], [])
    start = tmp_path / "start"
    racers = [home.start("race", "3", str(start)) for _ in range(8)]
    while len(list(tmp_path.iterdir())) < 8:
        assert all(racer.poll() is None for racer in racers)
        time.sleep(0.1)
    start.touch()
    won = [result(racer) for racer in racers]
    seen = home.call("report")
    assert sum(won) == len(seen["rounds"]) >= 3
    assert [number for number, _ in seen["rounds"]] == list(range(1, len(seen["rounds"]) + 1))
    assert {status for _, status in seen["rounds"]} == {"closed"}
    assert seen["first"] == lost
    assert seen["twice"] == 0
    assert seen["got"] == seen["picks"] == [24] * len(seen["rounds"])
    assert all(abs(debt) < 1 for debt in seen["debts"])
