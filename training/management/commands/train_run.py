"""``manage.py train_run 12``: train an open run, alone or as one of several processes."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from training.actions import runs
from training.management.choosing import complaints, run_numbered
from training.models import TrainingRun


class Command(BaseCommand):
    """Train a run that is open, in this process.

    `torchrun` or `accelerate launch` may start several of it, on several machines too: they
    share the database and the run's folder, and whoever leads writes.
    """

    help = "Train an open run here; torchrun or accelerate launch may start several processes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Ask for the run."""
        parser.add_argument("run", type=int, help="Number of the run, as its page shows it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Train until done, or until asked to go; then a checkpoint is left behind."""
        leaving = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: leaving.set())
        asked = run_numbered(options["run"])
        with complaints():
            run = runs.train(asked.pk, now=timezone.now, should_stop=leaving.is_set)
        self.stdout.write(f"Run {run.pk}: {TrainingRun.Status(run.status).label}.")
