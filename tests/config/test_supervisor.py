"""Processes start in order, stop in reverse, come back, are given up, and leave nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.bootstrap import ROOT
from config.supervisor import ProcessFailedError, Supervisor
from tests.config.group import make
from tests.config.terminal import Terminal

GROUP = (sys.executable, "-m", "tests.config.group")


def start_group(folder: Path, kind: str = "plain") -> Terminal:
    terminal = Terminal([*GROUP, str(folder), kind], cwd=ROOT)
    assert terminal.wait_for("all are up"), terminal.shown
    return terminal


def events(folder: Path) -> list[str]:
    path = folder / "events"
    return path.read_text().splitlines() if path.exists() else []


def pids(folder: Path) -> list[int]:
    """Of all programs and of the child that the first one started."""
    logs = "".join(path.read_text() for path in (folder / "log").glob("*.log"))
    return [int(number) for number in re.findall(r"\d+", logs)]


def living(numbers: list[int]) -> list[int]:
    left = []
    for number in numbers:
        status = Path(f"/proc/{number}/status")
        if status.exists() and "State:\tZ" not in status.read_text():
            left.append(number)
    return left


def wait_until_gone(numbers: list[int], *, seconds: float = 60.0) -> list[int]:
    deadline = time.monotonic() + seconds
    while living(numbers) and time.monotonic() < deadline:
        time.sleep(0.1)
    return living(numbers)


def test_ctrl_c_stops_all_in_reverse_order_and_exits_with_0(tmp_path: Path) -> None:
    terminal = start_group(tmp_path)
    started = pids(tmp_path)
    assert len(living(started)) == 4
    terminal.press_ctrl_c()
    assert terminal.end() == 0
    assert events(tmp_path) == ["third ends", "second ends", "first ends"]
    assert living(started) == []


def test_sigterm_stops_all_as_ctrl_c_does(tmp_path: Path) -> None:
    terminal = start_group(tmp_path)
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == 0
    assert living(pids(tmp_path)) == []


def test_first_ctrl_c_waits_for_the_grace_and_the_second_kills(tmp_path: Path) -> None:
    terminal = start_group(tmp_path, "stubborn")
    terminal.press_ctrl_c()
    deadline = time.monotonic() + 60
    while "second ends" not in events(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    assert living(pids(tmp_path)), "it must not be killed before its grace is over"
    terminal.press_ctrl_c()
    assert terminal.end() == 0
    assert living(pids(tmp_path)) == []


def test_nothing_survives_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    terminal = start_group(tmp_path)
    started = pids(tmp_path)
    assert len(living(started)) == 4
    terminal.kill()
    assert terminal.end() == -signal.SIGKILL
    assert wait_until_gone(started) == []


def test_killed_process_is_started_again(tmp_path: Path) -> None:
    terminal = start_group(tmp_path)
    third = int((tmp_path / "log/third.log").read_text().split()[-1])
    (tmp_path / "third.ready").unlink()
    terminal.shown = ""
    os.kill(third, signal.SIGKILL)
    assert terminal.wait_for("third ended with -9; starting it again (1 of 3)")
    assert terminal.wait_for("third is ready after")
    again = int((tmp_path / "log/third.log").read_text().split()[-1])
    assert again != third
    terminal.press_ctrl_c()
    assert terminal.end() == 0
    assert living(pids(tmp_path)) == []


def test_process_that_keeps_dying_is_given_up_with_its_log_named(tmp_path: Path) -> None:
    supervisor = Supervisor(
        [make(tmp_path, "crashing", kind="crashing")], log_dir=tmp_path, take_signals=False
    )
    supervisor.open()
    try:
        supervisor.start()
        with pytest.raises(ProcessFailedError, match=r"ended with 7, 4 times") as caught:
            supervisor.watch()
    finally:
        supervisor.stop()
    assert str(tmp_path / "crashing.log") in str(caught.value)
    assert (tmp_path / "crashing.log").read_text().count("pid") == 4


def test_process_that_never_gets_ready_stops_the_start(tmp_path: Path) -> None:
    process = make(tmp_path, "slow")
    process.ready, process.ready_s = (lambda: False), 0.5
    supervisor = Supervisor([process], log_dir=tmp_path / "log", take_signals=False)
    supervisor.open()
    try:
        with pytest.raises(ProcessFailedError, match="was not ready after"):
            supervisor.start()
    finally:
        supervisor.stop()
    assert living(pids(tmp_path)) == []


def test_process_that_ends_at_once_tells_its_last_words(tmp_path: Path) -> None:
    process = make(tmp_path, "broken")
    process.command = [sys.executable, "-c", "import no_such_module"]
    supervisor = Supervisor([process], log_dir=tmp_path / "log", take_signals=False)
    supervisor.open()
    try:
        with pytest.raises(ProcessFailedError, match="No module named 'no_such_module'"):
            supervisor.start()
    finally:
        supervisor.stop()


def test_closed_terminal_stops_all(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*GROUP, str(tmp_path), "plain"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as group:
        assert group.stdout is not None
        while "all are up" not in group.stdout.readline():
            pass
        group.stdout.close()  # nobody reads any more
        group.send_signal(signal.SIGHUP)
        assert group.wait(30) == 0
    assert living(pids(tmp_path)) == []


def test_a_signal_that_comes_while_a_process_is_looked_at_is_heeded_at_the_next_look(
    tmp_path: Path,
) -> None:
    def _internal_poll() -> None:  # as the standard library calls it
        os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor([], log_dir=tmp_path / "log")
    supervisor.open()
    try:
        _internal_poll()
        with pytest.raises(KeyboardInterrupt):
            supervisor.poll()
    finally:
        supervisor.stop()
