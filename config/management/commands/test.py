"""``test``: run the whole test suite with pytest."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand

from config.env import ROOT


class Command(BaseCommand):
    """Everything after ``test`` goes to pytest as it is."""

    help = "Run the tests; what follows is passed to pytest. REQUIRE_ALL=1: a missing part fails."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Take the arguments before Django reads them: they are pytest's."""
        os.chdir(ROOT)
        self.handle(arguments=argv[2:])

    def handle(self, **options: Any) -> None:
        """Run pytest in this process and exit as it does."""
        import pytest

        sys.exit(pytest.main(["-ra", *_side_by_side(options["arguments"]), *options["arguments"]]))


def _side_by_side(arguments: list[str]) -> list[str]:
    """One process a core, up to four, and one that mostly waits; not where somebody chose."""
    chosen = any(word.startswith(("-n", "--numprocesses", "--pdb", "-s")) for word in arguments)
    cores = min(os.cpu_count() or 1, 4)
    return [] if chosen or cores == 1 else ["-n", str(cores + 1), "--dist", "loadscope"]
