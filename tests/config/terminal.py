"""A program in a real terminal of its own, as a person would run it."""

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Terminal:
    """Start a program, read what it shows, press keys, wait for its end."""

    def __init__(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.shown = ""
        self.pid, self._screen = pty.fork()
        if self.pid == 0:  # pragma: no cover - the program itself
            os.chdir(cwd)
            os.execvpe(command[0], list(command), {**os.environ, **(environment or {})})  # noqa: S606

    def wait_for(self, text: str, *, seconds: float = 60.0) -> bool:
        """Whether the text was shown in time."""
        deadline = time.monotonic() + seconds
        while text not in self.shown and time.monotonic() < deadline:
            if not self._read():
                break
        return text in self.shown

    def press_ctrl_c(self) -> None:
        """As the person does it: the terminal sends the signal to all in the foreground."""
        os.write(self._screen, b"\x03")

    def kill(self) -> None:
        """Kill the program outright; it cannot clear up."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self, *, seconds: float = 60.0) -> int:
        """Its exit code."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self._read():
                    pass
                os.close(self._screen)
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"It did not end. It showed:\n{self.shown}")

    def _read(self) -> bool:
        ready, _, _ = select.select([self._screen], [], [], 0.1)
        if not ready:
            return True
        try:
            data = os.read(self._screen, 65536)
        except OSError:
            time.sleep(0.05)
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)
