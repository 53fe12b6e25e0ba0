"""``promote``: let a candidate serve whose gate says PASS."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import VernacularError
from training.actions.promotion import promote
from training.models import GateRun


class Command(BaseCommand):
    """The loop does this by itself; a person may where it could not."""

    help = "Let the candidate of a training run serve, if its gate says PASS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run."""
        parser.add_argument("run", type=int, help="number of the training run")

    def handle(self, **options: Any) -> None:
        """Promote it, or say why not."""
        gate = GateRun.objects.filter(run=options["run"]).first()
        if gate is None:
            raise CommandError(f"Run {options['run']} has not been judged.")
        try:
            deployment = promote(gate)
        except VernacularError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{deployment.version} serves {deployment.campaign.slug!r}.")
