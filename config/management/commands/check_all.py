"""``check_all``: everything that can be checked without running the tests; no network.

With ``--audit`` it also asks a public list whether what we pin has known holes.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.dependency_audit import audit, could_not_look
from config.env import ROOT

APPS = ("config", "annotation", "learning", "training", "tests", "benchmarks", "manage.py")


def _templates() -> list[str]:
    return sorted(str(path) for path in ROOT.glob("*/templates/**/*.html"))


def _sources() -> list[str]:
    folders = (ROOT / name for name in APPS if name != "manage.py")
    found = (path for folder in folders for path in folder.rglob("*.py"))
    return sorted(str(path) for path in found if "migrations" not in path.parts)


def checks() -> list[tuple[str, list[str]]]:
    """Each check with its command; the order is from quick to slow."""
    bin_dir = Path(sys.executable).parent
    python = sys.executable
    templates = _templates()
    found = [
        ("format", [f"{bin_dir}/ruff", "format", "--check", "."]),
        ("lint", [f"{bin_dir}/ruff", "check", "."]),
        ("spelling", [f"{bin_dir}/codespell", *APPS, "README.md", "CHANGELOG.md"]),
        ("django-upgrade", [f"{bin_dir}/django-upgrade", "--check", *_sources()]),
        ("imports", [f"{bin_dir}/lint-imports"]),
        ("migrations", [python, "manage.py", "makemigrations", "--check", "--dry-run"]),
        ("django", [python, "manage.py", "check"]),
        ("types", [python, "-m", "mypy", *(name for name in APPS if name != "tests")]),
    ]
    if templates:
        found.insert(3, ("template format", [f"{bin_dir}/djade", "--check", *templates]))
        found.insert(4, ("template lint", [f"{bin_dir}/djlint", "--lint", "--quiet", *templates]))
    return found


class Command(BaseCommand):
    """Run every check, even when one fails."""

    help = "Check format, lint, templates, imports, migrations and types; with --audit, packages."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """What needs the network is asked for."""
        words = "ask osv.dev whether pinned packages have known holes (needs the network)"
        parser.add_argument("--audit", action="store_true", help=words)

    def handle(self, **options: Any) -> None:
        """Show each check with its time, and what a failed one said; exit 1 if any failed."""
        failed = []
        for name, command in checks():
            began = time.monotonic()
            done = subprocess.run(  # noqa: S603 - our own tools
                command, cwd=ROOT, capture_output=True, text=True, check=False
            )
            verdict = "FAILED" if done.returncode else "ok"
            self.stdout.write(f"{name:<16} {verdict:<7} {time.monotonic() - began:5.1f} s")
            if done.returncode:
                failed.append(name)
                self.stdout.write((done.stdout + done.stderr).strip())
        if options["audit"]:
            failed += self._audit()
        if failed:
            self.stderr.write(f"Failed: {', '.join(failed)}")
            sys.exit(1)
        self.stdout.write("All checks passed.")

    def _audit(self) -> list[str]:
        failed = []
        for one in audit(ROOT):
            wrong = bool(one.holes) or not (one.looked or could_not_look(one))
            verdict = "FAILED" if wrong else "ok" if one.looked else "NOT LOOKED"
            self.stdout.write(f"packages         {verdict:<7} {one.pins}")
            for line in one.holes or ((one.why,) if one.why else ()):
                self.stdout.write(f"  {line}")
            failed += [f"packages of {one.pins}"] if wrong else []
        return failed
