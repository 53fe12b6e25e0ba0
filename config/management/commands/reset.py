"""``reset``: remove everything that this installation has written."""

import shutil
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.env import env
from config.stack import AlreadyRunningError, only_one


class Command(BaseCommand):
    """Begin again: database, answers, model versions and secrets go; the environments stay."""

    help = "Remove var/: database, answers, model versions, secrets and logs."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to ask."""
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, **options: Any) -> None:
        """Ask, then remove; refuse while the service runs."""
        var = env().var_dir
        if not var.exists():
            self.stdout.write("There is nothing to remove.")
            return
        if not options["yes"] and not self._is_meant(str(var)):
            raise CommandError("Nothing was removed.")
        try:
            with only_one(var):
                for path in var.iterdir():
                    if path.name != "up.lock":
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
        except AlreadyRunningError as error:
            raise CommandError(f"{error}\nStop it first (Ctrl-C there), then reset.") from error
        self.stdout.write(f"Removed what was in {var}.")

    def _is_meant(self, var: str) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Not a terminal, so nobody can be asked: use --yes.")
        self.stdout.write(f"This removes {var}: every sample, answer and model version in it.")
        return input('Type "yes" to go on: ').strip() == "yes"
