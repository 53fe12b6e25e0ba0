"""Several real processes on one database: nothing leased twice, nothing lost with a killed one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.env import ROOT
from tests import template

pytestmark = pytest.mark.timeout(600)  # PostgreSQL is migrated from nothing


class Running:
    """A process that was asked for, and how it ended."""

    def __init__(self, home: "Home", at: Path) -> None:
        self.home, self.at = home, at

    @property
    def code(self) -> int | None:
        """Its exit code, minus the signal that ended it; None while it runs."""
        told = self.at.with_suffix(".code")
        return int(told.read_text()) if told.exists() else None

    def end(self) -> int:
        """Wait for it."""
        deadline = time.monotonic() + 500
        while self.code is None:
            assert self.home.parent.poll() is None, "the process they are forked from has ended"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.code

    def said(self) -> Any:
        """What it wrote last."""
        return json.loads(self.at.with_suffix(".out").read_text().splitlines()[-1])

    def result(self) -> Any:
        """What it came to, once it has ended as it should."""
        assert self.end() == 0, self.at.with_suffix(".err").read_text()
        return self.said()


class Home:
    """An installation of its own, driven by processes that are forked from one."""

    def __init__(self, var: Path, database: str) -> None:
        self.folder, self.started = var / "processes", 0
        self.folder.mkdir()
        own = {
            "VERNACULAR_VAR_DIR": str(var),
            "VERNACULAR_DATABASE_URL": database,
            "VERNACULAR_SCORING_SHARD": "40",
            "VERNACULAR_LEASE_SECONDS": "2",
            "VERNACULAR_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        }
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.learning.worker", str(self.folder)],
            cwd=ROOT,
            env=os.environ | own,
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, *words: str) -> Running:
        assert self.parent.stdin is not None
        self.parent.stdin.write(json.dumps(words) + "\n")
        self.parent.stdin.flush()
        self.started += 1
        return Running(self, self.folder / str(self.started - 1))

    def call(self, *words: str) -> Any:
        return self.start(*words).result()


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], scope="module"
)
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    url = ""
    if request.param == "postgres":
        url = _own_database(request.getfixturevalue("postgres"))
    var = tmp_path_factory.mktemp("home")
    if not url:
        template.place(var / template.NAME)
    home = Home(var, url)
    with home.parent:
        home.call("prepare", "400")
        yield home
        os.killpg(home.parent.pid, signal.SIGKILL)  # and whatever a failed test left running


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
    assert home.start("score", "11").end() == -signal.SIGKILL
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
    assert killed.end() == -signal.SIGKILL
    left = home.call("report")
    assert (left["first"], left["debts"]) == ([""], [])
    start = tmp_path / "start"
    racers = [home.start("race", "3", str(start)) for _ in range(8)]
    while len(list(tmp_path.iterdir())) < 8:
        assert all(racer.code is None for racer in racers)
        time.sleep(0.02)
    start.touch()
    won = [racer.result() for racer in racers]
    seen = home.call("report")
    assert sum(won) == len(seen["rounds"]) >= 3
    assert [number for number, _ in seen["rounds"]] == list(range(1, len(seen["rounds"]) + 1))
    assert {status for _, status in seen["rounds"]} == {"closed"}
    assert seen["first"] == killed.said()
    assert seen["twice"] == 0
    assert seen["got"] == seen["picks"] == [24] * len(seen["rounds"])
    assert all(abs(debt) < 1 for debt in seen["debts"])


# The last, since it leaves campaigns of its own in the database.
def test_reports_hold_on_both_databases_walked_alone_and_raced_for_by_two(
    home: Home, tmp_path: Path
) -> None:
    assert home.call("walk_reports", "1", "8") > 12
    home.call("raced_reports", "5")
    start = tmp_path / "start"
    racers = [home.start("race_reports", str(seed), str(start)) for seed in (1, 2)]
    while len(list(tmp_path.iterdir())) < 2:
        assert all(racer.code is None for racer in racers)
        time.sleep(0.02)
    start.touch()
    assert all(0 <= racer.result() <= 40 for racer in racers)
    assert home.call("raced_reports", "0") > 20
