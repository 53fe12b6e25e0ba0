"""The other libraries, in an environment of their own: ``python -m benchmarks.peers``.

scikit-activeml, small-text, modAL, crowd-kit, sklearn-crfsuite, seqeval, choix, evalica, girth and sacreBLEU at the
versions that the extra
``peers`` pins, with NumPy, SciPy, scikit-learn and torch at ours; Avalanche has one more environment. Each is made once; then
nothing is fetched.
"""

import tomllib
from pathlib import Path

from config.installing import ALONE, Environment, install

ROOT = Path(__file__).resolve().parent.parent


def peer_environment(root: Path = ROOT) -> Environment:
    """Say what the environment of the selection libraries holds."""
    return Environment(
        name="other libraries to compare with",
        folder=root / ".venv-peers",
        sets={"peers": _extra(root, "peers")},
        constraints=root / "constraints.txt",
        needs_mb=2000,
        log=root / "var/log/setup-peers.log",
    )


def continual_environment(root: Path = ROOT) -> Environment:
    """Say what the environment of Avalanche holds."""
    return Environment(
        name="Avalanche",
        folder=root / ".venv-avalanche",
        sets={
            "peers-continual": _extra(root, "peers-continual"),
            ALONE: _extra(root, "peers-continual-alone"),
        },
        constraints=root / "constraints.txt",
        needs_mb=2500,
        log=root / "var/log/setup-avalanche.log",
    )


def _extra(root: Path, name: str) -> list[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return list(project["optional-dependencies"][name])


def peer_python(environment: Environment | None = None) -> Path:
    """Return the interpreter of the peers' environment, made where it is not there yet."""
    environment = environment or peer_environment()
    install(environment)
    return environment.python


if __name__ == "__main__":
    print(peer_python())
