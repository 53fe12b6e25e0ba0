"""``declare_maintenance``: say, before its gate looks, why a run need not make anything better."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from training.actions.maintenance import declare_maintenance
from training.management.choosing import complaints, run_numbered


class Command(BaseCommand):
    """The same as on the run's page."""

    help = (
        "Declare a training run maintenance, with a name and a reason: its gate then asks for no"
        " gain, and for everything else as ever. It must be said before the gate's first look."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run, who, why."""
        parser.add_argument("run", type=int, help="number of the training run")
        parser.add_argument("--name", required=True, help="who declares it")
        parser.add_argument("--reason", required=True, help="why it need not make anything better")

    def handle(self, **options: Any) -> None:
        """Declare it."""
        run = run_numbered(options["run"])
        with complaints():
            said = declare_maintenance(
                run, name=options["name"], reason=options["reason"], now=timezone.now()
            )
        self.stdout.write(f"Run {run.pk} is maintenance, says {said}")
