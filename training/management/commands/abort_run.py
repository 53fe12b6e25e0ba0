"""``abort_run``: end a training run that should not go on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.errors import VernacularError
from training.actions.aborts import abort_run
from training.models import TrainingRun


class Command(BaseCommand):
    """The same as the button on the run's page."""

    help = "End a training run without a candidate; what people answered is kept for the next."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run."""
        parser.add_argument("run", type=int, help="number of the training run")

    def handle(self, **options: Any) -> None:
        """Abort it, or say why not."""
        run = TrainingRun.objects.filter(pk=options["run"]).first()
        if run is None:
            raise CommandError(f"There is no training run {options['run']}.")
        try:
            run = abort_run(run, actor=None, now=timezone.now())
        except VernacularError as error:
            raise CommandError(str(error)) from error
        over = run.status == TrainingRun.Status.ABORTED
        self.stdout.write(f"{run} {'is' if over else 'will be'} aborted.")
