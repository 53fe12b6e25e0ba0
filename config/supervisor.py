"""A small group of processes in the foreground; standard library only.

They start in order, each when those it needs are ready; they write their own log files; they stop
in reverse order, each with its own grace. One that dies is started again, three times at most. A
guard process (:mod:`config.guard`) ends them all when this one is killed outright.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

GUARD = Path(__file__).resolve().parent / "guard.py"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STEADY_S = 300.0
LOOK_EVERY_S = 0.2
LOG_LIMIT = 20_000_000


class ProcessFailedError(Exception):
    """A process did not start, or died too often; the message names its log."""


@dataclass
class Process:
    """One program to run: how it starts, how one sees that it is ready, how long it may take."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], bool] | None = None
    ready_s: float = 60.0
    grace_s: float = 10.0
    needs: Sequence[str] = ()
    restarts: int = 3
    cwd: Path | None = None
    before: Callable[[], object] | None = None
    popen: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    up: bool = False
    deaths: int = 0
    started: float = 0.0
    again_at: float = 0.0
    looked_at: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether it runs at this moment."""
        return self.popen is not None and self.popen.poll() is None


class Supervisor:
    """Starts, watches and stops processes; use it from the main thread."""

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        log_dir: Path,
        out: TextIO | None = None,
        logs: bool = True,
        keep_open: Sequence[int] = (),
        take_signals: bool = True,
    ) -> None:
        self.processes = list(processes)
        self.log_dir = log_dir
        self.out = out
        self.logs = logs
        self.interrupts = 0
        self.closing = False
        self._keep_open = tuple(keep_open)
        self._signals = SIGNALS if take_signals else ()
        self._guard: subprocess.Popen[bytes] | None = None
        self._guard_pipe = -1
        self._told: dict[str, int] = {}
        self._old_handlers: dict[signal.Signals, Any] = {}
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._width = max((len(one.name) for one in processes), default=0)

    def log_path(self, process: Process) -> Path:
        """Where a process writes."""
        return self.log_dir / f"{process.name}.log"

    def say(self, line: str, *, name: str = "system") -> None:
        """Show a line, with the name of who says it, unless nobody wants to see any."""
        if self.out is None:
            return
        try:
            self.out.write(f"{time.strftime('%H:%M:%S')} {name:<{self._width}} | {line}\n")
            self.out.flush()
        except (OSError, ValueError):  # the terminal is gone; the files still have it all
            self.out = None

    def open(self) -> None:
        """Take over the signals and start the guard."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        for number in self._signals:
            self._old_handlers[number] = signal.signal(number, self._on_signal)
        end, self._guard_pipe = os.pipe()
        self._guard = subprocess.Popen(  # noqa: S603 - our own interpreter and file
            [sys.executable, "-S", str(GUARD), str(end)],
            pass_fds=(end, *self._keep_open),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(end)

    def spawn(self, name: str) -> None:
        """Start one process by name, without waiting for it."""
        process = next(one for one in self.processes if one.name == name)
        path = self.log_path(process)
        if process.popen is None and path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        if process.before is not None:
            process.before()
        with path.open("ab") as log:
            self._told.setdefault(name, log.tell())
            process.popen = subprocess.Popen(  # noqa: S603 - commands are written by us
                list(process.command),
                env={"PYTHONUNBUFFERED": "1", **process.environment},
                cwd=process.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._die_with_parent,  # one C call; no lock is taken
            )
        os.write(self._guard_pipe, f"+{process.popen.pid}\n".encode())
        process.up, process.started = False, time.monotonic()

    def start(self) -> None:
        """Start everything, each when what it needs is ready, and wait until all are."""
        while not all(one.up for one in self.processes):
            for process in self.processes:
                if process.popen is None and all(self._is_up(need) for need in process.needs):
                    self.spawn(process.name)
            for process in self.processes:
                if process.popen is not None and not process.up:
                    self._look_whether_ready(process)
            self.show()
            time.sleep(0.05)
            self._heed()

    def poll(self) -> None:
        """Look once at all of them: start the dead again, give up on what dies too often."""
        self._heed()
        self.show()
        now = time.monotonic()
        for process in self.processes:
            if process.alive:
                if process.up:
                    if process.deaths and now - process.started > STEADY_S:
                        process.deaths = 0
                else:
                    self._look_whether_ready(process)
            elif process.again_at == 0.0:
                self._mourn(process, now)
            elif now >= process.again_at:
                process.again_at = 0.0
                self.spawn(process.name)

    def watch(self) -> None:
        """Poll until somebody interrupts or a process is given up."""
        while True:
            self.poll()
            time.sleep(0.25)

    def stop(self) -> None:
        """Stop all in reverse order, each with its grace; then give the signals back."""
        self.closing = True
        began = time.monotonic()
        for process in reversed(self.processes):
            self.stop_one(process)
        self.show()
        if self._guard is not None:
            os.close(self._guard_pipe)
            self._guard.wait()
            self._guard = None
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._old_handlers.clear()
        self.say(f"everything stopped in {time.monotonic() - began:.1f} s")

    def show(self) -> None:
        """Show what the processes have written since the last look."""
        if self.out is None or not self.logs:
            return
        for process in self.processes:
            path = self.log_path(process)
            if process.popen is None or not path.exists():
                continue
            with path.open("rb") as log:
                log.seek(self._told.get(process.name, 0))
                text = log.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._told[process.name] = self._told.get(process.name, 0) + len(whole)
            for line in whole.decode("utf-8", "replace").splitlines():
                self.say(line, name=process.name)

    def _is_up(self, name: str) -> bool:
        return next(one for one in self.processes if one.name == name).up

    def _look_whether_ready(self, process: Process) -> None:
        waited = time.monotonic() - process.started
        if not process.alive:
            if process.deaths:
                return  # a restart that failed again: the next poll counts it
            code = process.popen.returncode if process.popen else None
            raise self._failure(process, f"ended with {code} before it was ready")
        if time.monotonic() - process.looked_at < LOOK_EVERY_S:
            return
        process.looked_at = time.monotonic()
        if process.ready is None or process.ready():
            process.up = True
            self.say(f"{process.name} is ready after {waited:.1f} s")
        elif waited > process.ready_s:
            raise self._failure(process, f"was not ready after {process.ready_s:.0f} s")

    def _mourn(self, process: Process, now: float) -> None:
        code = process.popen.returncode if process.popen else None
        self._bury(process)
        process.up = False
        process.deaths += 1
        if process.deaths > process.restarts:
            raise self._failure(process, f"ended with {code}, {process.deaths} times")
        process.again_at = now + 0.5 * 2**process.deaths
        self.say(
            f"{process.name} ended with {code}; starting it again"
            f" ({process.deaths} of {process.restarts})"
        )

    def _failure(self, process: Process, what: str) -> ProcessFailedError:
        path = self.log_path(process)
        last = path.read_text(errors="replace").splitlines()[-6:] if path.exists() else []
        tail = "\n".join(f"    {line}" for line in last)
        return ProcessFailedError(f"{process.name} {what}. Its last words:\n{tail}\n  Log: {path}")

    def stop_one(self, process: Process) -> None:
        """Ask one process to stop, wait for its grace, then kill it and what it left behind."""
        if process.popen is None:
            return
        if process.alive:
            process.popen.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + process.grace_s
            while self.interrupts < 2 and time.monotonic() < deadline and process.alive:
                self.show()
                time.sleep(0.05)
            if process.popen.poll() is None:
                self.say(f"{process.name} did not stop in time; killing it")
        self._bury(process)

    def _bury(self, process: Process) -> None:
        """Kill whatever is left of the process and of its children, and tell the guard."""
        if process.popen is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.popen.pid, signal.SIGKILL)
        process.popen.wait()
        os.write(self._guard_pipe, f"-{process.popen.pid}\n".encode())

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.interrupts += 1
        # In there a lock may be taken that nobody would give back; the next look heeds it.
        looking = frame is not None and frame.f_code.co_name == "_internal_poll"
        if self.interrupts == 1 and not looking:
            self._heed()

    def _heed(self) -> None:
        """Stop if somebody asked for it, wherever their signal was lost."""
        if self.interrupts and not self.closing:
            raise KeyboardInterrupt

    def _die_with_parent(self) -> None:
        if self._libc is not None:
            self._libc.prctl(1, signal.SIGTERM, 0, 0, 0)
