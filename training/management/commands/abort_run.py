"""``abort_run``: end a training run that should not go on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from training.actions.aborts import abort_run
from training.management.choosing import complaints, run_numbered
from training.models import TrainingRun


class Command(BaseCommand):
    """The same as the button on the run's page."""

    help = "End a training run without a candidate; what people answered is kept for the next."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run."""
        parser.add_argument("run", type=int, help="number of the training run")

    def handle(self, **options: Any) -> None:
        """Abort it, or say why not."""
        run = run_numbered(options["run"])
        with complaints():
            run = abort_run(run, actor=None, now=timezone.now())
        over = run.status == TrainingRun.Status.ABORTED
        self.stdout.write(f"{run} {'is' if over else 'will be'} aborted.")
