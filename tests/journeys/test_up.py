"""`python3 manage.py up`, as a person runs it: start, use, refuse a second, stop, be killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from config.bootstrap import ROOT
from config.secret_file import ensure_secrets
from config.services import free_port
from tests import template
from tests.config.terminal import Terminal
from tests.servers import processes_of

pytestmark = [pytest.mark.redis, pytest.mark.label_studio]
GONE = 60.0


def listening_addresses(pids: list[int]) -> set[str]:
    """The IPv4 addresses, as the kernel writes them, on which the processes listen."""
    sockets = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(str(handle.readlink()))
            except OSError:
                continue
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    return {
        row[1].partition(":")[0]
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in sockets
    }


def wait_until_gone(var: Path) -> list[int]:
    deadline = time.monotonic() + GONE
    while processes_of(var) and time.monotonic() < deadline:
        time.sleep(0.2)
    return processes_of(var)


@pytest.fixture
def up(tmp_path: Path, label_studio_installed: None) -> Iterator[Terminal]:
    """The service in a terminal, serving; its tables are there already, as when it starts again."""
    template.place(tmp_path / template.NAME)
    port = free_port(20700 + os.getpid() % 300)
    command = [sys.executable, "manage.py", "up", "--quiet", f"--port={port}"]
    command.append(f"--label-studio-port={port + 1}")
    terminal = Terminal(
        command,
        cwd=ROOT,
        environment={"VERNACULAR_VAR_DIR": str(tmp_path), "VERNACULAR_DATABASE_URL": ""},
    )
    try:
        assert terminal.wait_for("Vernacular is serving", seconds=120), terminal.shown
        yield terminal
    finally:
        for pid in processes_of(tmp_path):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue


def test_up_serves_on_loopback_refuses_a_second_and_stops_on_ctrl_c(
    up: Terminal, tmp_path: Path
) -> None:
    told = json.loads((tmp_path / "up.lock").read_text())
    assert httpx.get(f"{told['web']}/healthz", timeout=60).status_code == 200
    assert httpx.get(f"{told['label_studio']}/health", timeout=60).status_code == 200
    assert listening_addresses(processes_of(tmp_path)) == {"0100007F"}

    password = ensure_secrets(tmp_path)["admin_password"]
    assert password in up.shown
    second = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=os.environ | {"VERNACULAR_VAR_DIR": str(tmp_path), "VERNACULAR_DATABASE_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 3
    assert told["web"] in second.stderr

    up.press_ctrl_c()
    assert up.end(seconds=60) == 0
    assert processes_of(tmp_path) == []
    assert (tmp_path / "up.lock").read_text() == ""


def test_nothing_runs_on_when_up_is_killed_and_the_next_up_may_start(
    up: Terminal, tmp_path: Path
) -> None:
    assert len(processes_of(tmp_path)) >= 8
    up.kill()
    up.end()
    assert wait_until_gone(tmp_path) == []
    again = subprocess.run(
        [sys.executable, "manage.py", "up", "--once", "--quiet"],
        cwd=ROOT,
        env=os.environ | {"VERNACULAR_VAR_DIR": str(tmp_path), "VERNACULAR_DATABASE_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Vernacular is serving after" in again.stdout
