"""Known holes in the packages that we pin, asked of a public list (OSV) by pip-audit.

It lives in an environment of its own, made when it is first asked for. Where the list cannot be reached
nothing is known, and that is said: it is no failure, and no clean bill either.
"""

import json
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.installing import LABEL_STUDIO_LOCK, Environment, install

# What is said of a list that could not be asked, among much else.
AWAY = (
    "ConnectionError",
    "ServiceError",
    "ConnectTimeout",
    "Max retries",
    "ProxyError",
    "HTTPError",
)


@dataclass(frozen=True)
class Audited:
    """One list of pins: what is known to be wrong with it, or why nothing is known."""

    pins: str
    looked: bool
    holes: tuple[str, ...] = ()
    why: str = ""


def audit_environment(root: Path) -> Environment:
    """Where pip-audit lives."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return Environment(
        name="pip-audit",
        folder=root / ".venv-audit",
        sets={"audit": project["optional-dependencies"]["audit"]},
        needs_mb=200,
        log=root / "var/log/setup-audit.log",
    )


def audit(root: Path) -> Iterator[Audited]:
    """Look at our own pins, then at Label Studio's."""
    environment = audit_environment(root)
    install(environment)
    accepted = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["audit"]["accepted"]
    program = [str(environment.folder / "bin/pip-audit")]
    for pins in ("constraints.txt", str(LABEL_STUDIO_LOCK)):
        yield _audit(root / pins, name=pins, program=program, accepted=accepted)


def _audit(
    pins: Path, *, name: str, program: Sequence[str], accepted: Mapping[str, str]
) -> Audited:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as plain:
        # Only what is pinned, without the words for some platform: it is looked up, not installed.
        lines = (line.partition(";")[0].strip() for line in pins.read_text().splitlines())
        plain.write("\n".join(line for line in lines if "==" in line and line[0] != "#"))
        plain.flush()
        asked = [
            "--requirement",
            plain.name,
            "--disable-pip",
            "--no-deps",
            "--progress-spinner=off",
        ]
        asked += ["--vulnerability-service=osv", "--format=json", "--timeout=20"]
        done = subprocess.run(  # noqa: S603 - installed above
            [*program, *asked], capture_output=True, text=True, check=False
        )
    try:
        told = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        return Audited(name, looked=False, why=last[:300])
    return Audited(name, looked=True, holes=tuple(_holes(told, accepted=accepted)))


def could_not_look(one: Audited) -> bool:
    """Whether the list was away; anything else that went wrong is a failure."""
    return not one.looked and any(sign in one.why for sign in AWAY)


def _holes(told: Mapping[str, Any], *, accepted: Mapping[str, str]) -> Iterator[str]:
    for package in told.get("dependencies", ()):
        for hole in package.get("vulns", ()):
            if hole["id"] not in accepted and not accepted.keys() & set(hole.get("aliases", ())):
                mended = ", ".join(hole.get("fix_versions", ())) or "no release yet"
                yield f"{package['name']} {package['version']}: {hole['id']}, mended in {mended}"
