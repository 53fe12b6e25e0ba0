"""From a bare checkout to a running ``manage.py``; standard library only.

Decides from the command line which environments are needed, makes them side by side with visible
progress, and starts ``manage.py`` again inside ``.venv``.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from config.installing import (
    Environment,
    SetupError,
    install,
    interrupt,
    is_complete,
    label_studio_environment,
    project_environment,
    stamped,
)
from config.running import addresses_of_up
from config.secret_file import ensure_secrets

ROOT = Path(__file__).resolve().parent.parent
SERVE = ("demo", "up", "setup")
DEVELOP = ("test", "check_all")
# These choose addresses themselves, or must not speak to a service that runs.
OWN = (*SERVE, *DEVELOP, "reset", "doctor")
HELP = """\
Vernacular: models learn, in every language, what their speakers teach.

  python3 manage.py demo        set everything up and run the whole loop on a demo campaign
  python3 manage.py up          run the service: pages, Label Studio, workers
  python3 manage.py test        run the tests (-k NAME, -x ... are passed on to pytest)
  python3 manage.py check_all   format, lint, types, import contracts, migrations
  python3 manage.py setup       only install and prepare, run nothing
  python3 manage.py doctor      look for what is wrong, and say how to mend it
  python3 manage.py reset       remove everything this installation has written (var/)
  python3 manage.py help        every command;  help NAME tells about one

The first time takes some minutes and needs the network; later nothing is downloaded."""


def enter(argv: Sequence[str]) -> bool:
    """Make what the command needs and continue inside ``.venv``; False when all is said."""
    os.umask(0o077)  # people's answers and our secrets are nobody else's on this machine
    command = argv[1] if len(argv) > 1 else ""
    if command in ("", "-h", "--help"):
        sys.stdout.write(HELP + "\n")
        return False
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        prepare(command, telemetry="--telemetry" in argv)
    except SetupError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        interrupt()
        sys.exit("Interrupted; the next start begins this step again.")
    except PermissionError as error:
        sys.exit(
            f"Cannot write {error.filename}.\n  What to do: give yourself the folder (root is not"
            " needed), or clone it somewhere in your home."
        )
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if command not in OWN:
        os.environ.update(addresses_of_up(_var()))
    if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        python = str(ROOT / ".venv/bin/python")
        os.execv(python, [python, str(ROOT / "manage.py"), *argv[1:]])  # noqa: S606
    return True


def prepare(command: str, *, telemetry: bool = False) -> None:
    """Bring the environments and the secrets of this installation into being."""
    wanted = needed(command, telemetry=telemetry)
    install_all([one for one in wanted if not is_complete(one)])
    if command in SERVE:
        ensure_secrets(_var())


def _var() -> Path:
    return Path(os.environ.get("VERNACULAR_VAR_DIR") or ROOT / "var")


def needed(command: str, *, telemetry: bool = False) -> list[Environment]:
    """The environments that a command cannot do without; what somebody once asked for, stays."""
    ours = project_environment(ROOT, dev=command in DEVELOP)
    if telemetry or "telemetry" in stamped(ours):
        ours = project_environment(ROOT, dev=command in DEVELOP, telemetry=True)
    wanted = [ours]
    desk = label_studio_environment(ROOT)
    if command in SERVE and not os.environ.get("VERNACULAR_LABEL_STUDIO_URL"):
        wanted.append(desk)
    if command == "test" and (os.environ.get("REQUIRE_ALL") == "1" or desk.python.exists()):
        wanted.append(desk)
    return wanted


def install_all(environments: Sequence[Environment]) -> None:
    """Install side by side; the first failure is told when all have ended."""
    if not environments:
        return
    names = " and ".join(one.name for one in environments)
    say(f"Installing {names} (once; some minutes, then never again) ...")
    started = time.monotonic()
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=_install_one, args=(one, failures, started), daemon=True)
        for one in environments
    ]
    for thread in threads:
        thread.start()
    _show_progress(threads, environments, started)
    if failures:
        raise failures[0]
    say(f"Installed in {time.monotonic() - started:.0f} s.")


def _install_one(environment: Environment, failures: list[BaseException], started: float) -> None:
    try:
        install(environment)
    except (SetupError, OSError) as error:
        failures.append(error)
    else:
        say(f"  {environment.name}: ready after {time.monotonic() - started:.0f} s")


def _show_progress(
    threads: Sequence[threading.Thread], environments: Sequence[Environment], started: float
) -> None:
    """One line that counts the seconds on a terminal; a line every 20 s in a log."""
    live = sys.stdout.isatty()
    told = 0
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        seconds = int(time.monotonic() - started)
        busy = [
            one.name for one, thread in zip(environments, threads, strict=True) if thread.is_alive()
        ]
        if busy and (live or seconds >= told + 20):
            told = seconds
            line = f"  {seconds:4d} s  {', '.join(busy)}"
            sys.stdout.write(f"\r\x1b[K{line}" if live else f"{line}\n")
            sys.stdout.flush()
    if live:
        sys.stdout.write("\r\x1b[K")


def say(line: str) -> None:
    """Tell the person at the terminal."""
    clear = "\r\x1b[K" if sys.stdout.isatty() else ""
    sys.stdout.write(f"{clear}{line}\n")
    sys.stdout.flush()
