"""``worker_alive``: whether a part that works out of sight was seen lately; for health checks."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from annotation.actions.health import QUEUES, TIMETABLE, Health
from training.actions.health import report

NAMES = {TIMETABLE: "Timetable", **{queue: f"Worker of queue {queue}" for queue in QUEUES}}


class Command(BaseCommand):
    """One word and an exit code: 0 if it was, 1 if it was not."""

    help = (
        "End with 0 if the worker of a queue, or the timetable, was seen in the last two minutes."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one."""
        parser.add_argument("part", choices=sorted(NAMES))

    def handle(self, **options: Any) -> None:
        """Look it up as the page Health does; one at long work counts as seen."""
        found = next(p for p in report(timezone.now()) if p.name == NAMES[options["part"]])
        self.stdout.write(f"{found.name}: {found.detail}")
        sys.exit(0 if found.health is Health.GOOD else 1)
