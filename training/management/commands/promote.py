"""``promote``: let a candidate serve whose gate lets it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.actions.promotion import promote
from training.management.choosing import complaints, run_numbered
from training.models import GateRun


class Command(BaseCommand):
    """The loop does this by itself; a person may where it could not."""

    help = (
        "Let the candidate of a training run serve, if its newest gate says PASS, or HOLD and a"
        " waiver holds that has not run out. From then on every process answers with it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run."""
        parser.add_argument("run", type=int, help="number of the training run")

    def handle(self, **options: Any) -> None:
        """Promote it, or say why not."""
        run = run_numbered(options["run"])
        gate = GateRun.objects.filter(run=run).order_by("-pk").first()
        if gate is None:
            raise CommandError(f"Run {run.pk} has not been judged. Next: manage.py gate {run.pk}")
        with complaints():
            deployment = promote(gate)
        self.stdout.write(f"{deployment.version} serves {deployment.campaign.slug!r}.")
