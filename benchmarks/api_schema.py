"""The JSON API against its own document, by schemathesis: ``python -m benchmarks.api_schema [--quick]``.

The pages as gunicorn serves them, a campaign with all that four rounds leave, and a key of its admin for every
scope; schemathesis (in the peers' environment) makes calls that the document allows and calls that it
does not, follows its links, and holds every answer against it, by all its checks.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import peer_python
from benchmarks.report import write

ROOT = Path(__file__).resolve().parent.parent
PORT = 18998
# A little under what a key may: calls that are turned away for their pace tell nothing.
PACE = "590/m"


@dataclass(frozen=True)
class Checked:
    """What one run came to."""

    row: str
    operations: int
    calls: int
    failures: int

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {**asdict(self), "met": self.calls > 0 and not self.failures}


def main() -> None:
    """Serve, check, and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten calls each, and writes nothing")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve))
        return
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as secret:
        row = _check(
            Path(folder), secret, examples=10 if options.quick else 60, seconds=options.seconds
        )
    print(f"{row.operations} operations, {row.calls:,} calls, {row.failures} failures")
    if not options.quick:
        write("api_schema", [row])
    sys.exit(bool(row.failures) or not row.calls)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    environment = {**os.environ, "VERNACULAR_VAR_DIR": str(folder), "VERNACULAR_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "benchmarks.api_schema", "--serve", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as server:
        try:
            _wait(f"http://127.0.0.1:{PORT}/healthz")
            yield (folder / "secret").read_text()
        finally:
            server.terminate()


def _wait(url: str) -> None:
    for _ in range(1200):
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"Nothing answers at {url}.")


def _check(folder: Path, secret: str, *, examples: int, seconds: int) -> Checked:
    report = folder / "report.json"
    schemathesis = peer_python().with_name("st")
    command = [
        *(str(schemathesis), "run", str(ROOT / "config/openapi.json")),
        *("--url", f"http://127.0.0.1:{PORT}", "--checks", "all", "--mode", "all"),
        *("--header", f"Authorization:Bearer {secret}", "--max-examples", str(examples)),
        *(
            "--rate-limit",
            PACE,
            "--max-time",
            str(seconds),
            "--continue-on-failure",
            "--seed",
            "1",
            "--no-color",
        ),
        *("--report-json-path", str(report)),
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    print(told.stdout[-12_000:], told.stderr[-2_000:])
    return _row(told.stdout)


def _row(told: str) -> Checked:
    numbers = {
        "calls": re.search(r"([\d,]+) generated", told),
        "failures": re.search(r"(?:generated, )?([\d,]+) found", told),
        "operations": re.search(r"Tested:\s+([\d,]+)", told),
    }
    found = {name: int(one[1].replace(",", "")) if one else 0 for name, one in numbers.items()}
    unique = re.search(r"([\d,]+) unique failures?", told)
    failures = int(unique[1].replace(",", "")) if unique else found["failures"]
    return Checked("schemathesis, all checks", found["operations"], found["calls"], failures)


def serve(folder: Path) -> None:
    """Make the campaign and its key, then become the server; in a process of its own."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    from config.secret_file import ensure_secrets

    ensure_secrets(folder)
    import django

    django.setup()
    from tests import template

    template.place(folder / "vernacular.sqlite3")
    from annotation.actions.keys import create_key
    from annotation.models import Membership, Scope, User
    from tests.rich import make_rich_campaign

    campaign, noor = make_rich_campaign(), User.objects.create(username="noor")
    Membership.objects.create(user=noor, campaign=campaign, role="admin")
    secret = create_key(noor, name="schemathesis", scopes=list(Scope.values))[1]
    (folder / "secret").write_text(secret)
    where = ["--bind", f"127.0.0.1:{PORT}", "--threads", "4", "--log-level", "error"]
    command = [sys.executable, "-m", "gunicorn", "config.wsgi:application", *where]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
