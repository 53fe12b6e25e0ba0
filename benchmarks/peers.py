"""The other libraries, in an environment of their own: ``python -m benchmarks.peers``.

scikit-activeml, small-text and modAL at the versions that the extra ``peers`` pins, with NumPy,
SciPy, scikit-learn and torch at ours. ``.venv-peers`` is made once; then nothing is fetched.
"""

import tomllib
from pathlib import Path

from config.installing import Environment, install

ROOT = Path(__file__).resolve().parent.parent


def peer_environment(root: Path = ROOT) -> Environment:
    """Say what the environment holds."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return Environment(
        name="other libraries to compare with",
        folder=root / ".venv-peers",
        sets={"peers": project["optional-dependencies"]["peers"]},
        constraints=root / "constraints.txt",
        needs_mb=2000,
        log=root / "var/log/setup-peers.log",
    )


def peer_python() -> Path:
    """Return the interpreter of the peers' environment, made where it is not there yet."""
    environment = peer_environment()
    install(environment)
    return environment.python


if __name__ == "__main__":
    print(peer_python())
