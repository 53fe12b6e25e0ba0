"""Fill one virtual environment with pinned packages, once; standard library only.

A stamp, written last, says what an environment holds. While it fits, nothing is called and no
network is needed. A killed installation leaves a marker and is begun again from nothing.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from config.quick_install import quickly

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
RUNNING: "list[subprocess.Popen[str]]" = []
ALONE = "alone"
LABEL_STUDIO_LOCK = Path("docker/label-studio.lock")


class SetupError(Exception):
    """Set-up cannot go on: what happened, and what the person can do about it."""

    def __init__(self, cause: str, *, remedy: str) -> None:
        super().__init__(cause)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{super().__str__()}\n  What to do: {self.remedy}"


@dataclass(frozen=True)
class Environment:
    """A virtual environment: where it lies, and the package sets it must hold.

    What is in the set ``ALONE`` comes last and without what it asks for: packages that would
    pull in gigabytes nobody needs.
    """

    name: str
    folder: Path
    sets: Mapping[str, Sequence[str]]
    constraints: Path | None = None
    needs_mb: int = 1000
    log: Path = field(default=Path("setup.log"))
    quick: bool = True

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """What says that the environment is complete."""
        return self.folder / ".stamp.json"

    @property
    def unfinished(self) -> Path:
        """What says that an installation was begun and never ended."""
        return self.folder / ".unfinished"


def project_environment(root: Path, *, dev: bool, telemetry: bool = False) -> Environment:
    """Our own packages, as ``pyproject.toml`` and ``constraints.txt`` of the checkout name them."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    sets = {"project": project["dependencies"]}
    extras = {"dev": dev, "telemetry": dev or telemetry}
    for name in (name for name, asked in extras.items() if asked):
        sets[name] = project["optional-dependencies"][name]
    return Environment(
        name="Vernacular's packages",
        folder=root / ".venv",
        sets=sets,
        constraints=root / "constraints.txt",
        needs_mb=2500,
        log=root / "var/log/setup-vernacular.log",
    )


def label_studio_environment(root: Path) -> Environment:
    """Label Studio's packages, which cannot live beside ours."""
    lines = (root / LABEL_STUDIO_LOCK).read_text().splitlines()
    return Environment(
        name="Label Studio",
        folder=root / ".venv-labelstudio",
        sets={"label-studio": [line for line in lines if line and not line.startswith("#")]},
        needs_mb=1100,
        log=root / "var/log/setup-label-studio.log",
    )


def digests(environment: Environment) -> dict[str, str]:
    """One digest for each package set: what a stamp must say."""
    pins = environment.constraints.read_text() if environment.constraints else ""
    return {
        name: hashlib.sha256(json.dumps([PYTHON, pins, *wanted]).encode()).hexdigest()
        for name, wanted in environment.sets.items()
    }


def stamped(environment: Environment) -> dict[str, str]:
    """What the stamp says; nothing when there is none, or when the interpreter is gone."""
    if not environment.python.exists():
        return {}
    try:
        return dict(json.loads(environment.stamp.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def is_complete(environment: Environment) -> bool:
    """Whether every wanted set is installed as it is pinned today."""
    have = stamped(environment)
    return all(have.get(name) == digest for name, digest in digests(environment).items())


def install(environment: Environment) -> bool:
    """Make the environment complete; False when it already was."""
    if is_complete(environment):
        return False
    environment.log.parent.mkdir(parents=True, exist_ok=True)
    with _alone(environment):
        if is_complete(environment):  # whoever held the lock has done it
            return False
        _check_space(environment)
        _make(environment)
        environment.unfinished.touch()
        code = _pip(environment)
        tail = environment.log.read_text(errors="replace")
        if code:
            if code > 0 and "No space left" not in tail:
                environment.unfinished.unlink()
            raise explain(tail, code=code, environment=environment)
        environment.stamp.write_text(json.dumps(stamped(environment) | digests(environment)))
        environment.unfinished.unlink()
    return True


@contextmanager
def _alone(environment: Environment) -> Iterator[None]:
    with Path(f"{environment.folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_space(environment: Environment) -> None:
    free = shutil.disk_usage(environment.folder.parent).free // 2**20
    if free < environment.needs_mb and not environment.python.exists():
        raise SetupError(
            f"The disk is nearly full: {environment.name} needs {environment.needs_mb} MB,"
            f" {free} MB are free under {environment.folder.parent}.",
            remedy="Free some space, or move this folder to a larger disk, and start again.",
        )


def _make(environment: Environment) -> None:
    python = environment.folder / f"lib/python{PYTHON}"
    if environment.python.exists() and python.is_dir() and not environment.unfinished.exists():
        return
    shutil.rmtree(environment.folder, ignore_errors=True)
    module = "venv"
    if importlib.util.find_spec("ensurepip") is None:
        module = "virtualenv"
        if importlib.util.find_spec("virtualenv") is None:
            raise _no_venv()
    base = getattr(sys, "_base_executable", sys.executable) or sys.executable
    made = subprocess.run(  # noqa: S603 - our own interpreter
        [base, "-m", module, str(environment.folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        shutil.rmtree(environment.folder, ignore_errors=True)
        said = (made.stdout + made.stderr).strip()
        raise (
            _no_venv()
            if "ensurepip" in said
            else explain(said, code=made.returncode, environment=environment)
        )


def _no_venv() -> SetupError:
    return SetupError(
        f"This Python ({sys.executable}) cannot make virtual environments: ensurepip is missing.",
        remedy=(
            f"On Debian or Ubuntu: sudo apt install python{PYTHON}-venv. Without root: install"
            " uv (https://docs.astral.sh/uv/), run `uv python install 3.12`, and start manage.py"
            " with that Python; or `python3 -m pip install --user virtualenv` if pip is there."
        ),
    )


def _pip(environment: Environment) -> int:
    """Install the sets, then those that come alone; return the first exit code that is not 0."""
    together = [line for name, lines in environment.sets.items() if name != ALONE for line in lines]
    alone = environment.sets.get(ALONE, ())
    code = _pip_install(environment, wanted=together, mode="w")
    return code or (
        _pip_install(environment, wanted=alone, mode="a", options=["--no-deps"]) if alone else 0
    )


def _pip_install(
    environment: Environment, *, wanted: Sequence[str], mode: str, options: Sequence[str] = ()
) -> int:
    """By uv if that goes well, else by pip: its words are those that :func:`explain` knows."""
    arguments = ["-r", "/dev/stdin", *options]
    if environment.constraints:
        arguments += ["-c", str(environment.constraints)]
    # What uv is set to is not what pip is set to: the quicker one is told that, and nothing beside it.
    others = {name: one for name, one in os.environ.items() if not name.startswith("UV_")}
    with environment.log.open(mode) as log:

        def run(command: Sequence[str], variables: Mapping[str, str]) -> int:
            with subprocess.Popen(  # noqa: S603 - the environment's own pip, or uv that it brought
                command,
                stdin=subprocess.PIPE,
                text=True,
                cwd=environment.folder.parent,
                env={**others, **variables},
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as at_work:
                RUNNING.append(at_work)
                at_work.communicate("\n".join(wanted))
                RUNNING.remove(at_work)
                return at_work.returncode

        quick = (
            quickly(environment.python, arguments=arguments, run=run) if environment.quick else None
        )
        if quick is not None:
            return quick
        pip = [str(environment.python), "-m", "pip", "install", "--no-compile", "--quiet"]
        pip += ["--disable-pip-version-check", "--no-input"]
        return run([*pip, *arguments], {})


def interrupt() -> None:
    """End every pip that still runs; what it left is begun again the next time."""
    for pip in list(RUNNING):
        pip.terminate()


CAUSES = (
    (
        r"No space left on device|Errno 28",
        "The disk is full.",
        "Free some space (about 4 GB in all) and start again.",
    ),
    (
        r"name resolution|NewConnectionError|Network is unreachable|Max retries|NameResolution"
        r"|ConnectTimeout|ReadTimeout|Connection (refused|reset|aborted)|ProxyError"
        r"|Failed to establish a new connection",
        "The package index cannot be reached.",
        "Check the network (and a proxy: pip reads HTTPS_PROXY and pip.conf) and start again;"
        " once installed, no network is needed.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "The package index's certificate is not trusted here.",
        "Tell pip which certificates to trust: pip config set global.cert /path/to/ca.pem.",
    ),
    (
        r"Permission denied|Read-only file system",
        "This folder cannot be written.",
        "Give yourself the folder (root is not needed), or clone it somewhere in your home.",
    ),
    (
        r"ResolutionImpossible|No matching distribution found",
        "A pinned package does not exist for this Python or this machine.",
        "Use Python 3.11 or 3.12 on Linux x86_64 or macOS, or point pip at an index that has it.",
    ),
    (
        r"Failed (to build|building)|command '.*(gcc|cc|clang).*' failed",
        "A package had to be compiled, and that failed.",
        "Use Python 3.11 or 3.12, for which ready-made packages exist, or install a C compiler.",
    ),
)


def explain(said: str, *, code: int, environment: Environment) -> SetupError:
    """Turn what pip said into a cause and a remedy, with its last lines."""
    last = "\n".join(f"    {line}" for line in said.strip().splitlines()[-8:])
    found = next(((why, how) for sign, why, how in CAUSES if re.search(sign, said)), None)
    cause, remedy = found or ("pip failed.", f"Read {environment.log} and start again.")
    return SetupError(
        f"Installing {environment.name} failed (exit code {code}). {cause}\n{last}\n"
        f"  The whole of it: {environment.log}",
        remedy=remedy,
    )
