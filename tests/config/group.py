"""A group of small programs under a supervisor, run as ``python -m tests.config.group FOLDER KIND``.

Each program writes its signals to FOLDER/events, so that a test sees who ended, and when.
"""

import sys
from pathlib import Path

from config.supervisor import Process, ProcessFailedError, Supervisor

PROGRAM = """
import os, signal, subprocess, sys, time
folder, name, kind = sys.argv[1:]
def note(what):
    with open(folder + "/events", "a") as events:
        events.write(f"{name} {what}\\n")
def end(*_):
    note("ends")
    if kind == "stubborn":
        return
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if kind == "parent":
    child = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)"
    print(subprocess.Popen([sys.executable, "-c", child]).pid, flush=True)
print("pid", os.getpid(), flush=True)
if kind == "crashing":
    time.sleep(0.3)
    sys.exit(7)
open(f"{folder}/{name}.ready", "w").close()
while True:
    time.sleep(0.05)
"""


def make(folder: Path, name: str, *, kind: str = "plain", needs: tuple[str, ...] = ()) -> Process:
    """One small program; it is ready when it has written its file."""
    return Process(
        name=name,
        command=[sys.executable, "-c", PROGRAM, str(folder), name, kind],
        environment={},
        ready=(folder / f"{name}.ready").exists if kind != "crashing" else None,
        needs=needs,
        grace_s=300,
    )


def main() -> int:
    """Run the group until a signal or a failure; the exit code tells which."""
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    processes = [
        make(folder, "first", kind="parent"),
        make(folder, "second", kind=kind, needs=("first",)),
        make(folder, "third", needs=("second",)),
    ]
    supervisor = Supervisor(processes, log_dir=folder / "log", out=sys.stdout)
    supervisor.open()
    try:
        supervisor.start()
        supervisor.say("all are up")
        supervisor.watch()
    except KeyboardInterrupt:
        return 0
    except ProcessFailedError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    finally:
        supervisor.stop()
    return 2


if __name__ == "__main__":
    sys.exit(main())
