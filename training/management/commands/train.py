"""``train``: learn now, in this process, from what people have answered."""

import signal
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from training.actions.asked_runs import run_to_train
from training.actions.launching import train
from training.management.choosing import CAMPAIGN, campaign_named, complaints
from training.models import TrainingRun

Status = TrainingRun.Status
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Command(BaseCommand):
    """The same as the loop's own runs, but at once and before somebody's eyes."""

    help = (
        "Fine-tune a campaign's serving version on what people have answered, now. A run that"
        " waits or was interrupted is taken up where it was; else one is opened, for the round that"
        " collects answers or apart from it. Ctrl-C keeps a checkpoint. What comes of it serves only"
        " after its gate: the loop judges a round's run by itself, others: manage.py gate RUN."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign, and how."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting of the recipe for this run only, such as method=er or epochs=2; may be"
            " given more than once; an unknown name is answered with all that there are",
        )
        parser.add_argument(
            "--apart", action="store_true", help="leave the round as it is: a trial of its own"
        )

    def handle(self, **options: Any) -> None:
        """Open or take up the run, train it, say what came of it."""
        campaign = campaign_named(options["campaign"])
        settings = dict(_parsed(one) for one in options["set"])
        with complaints():
            run = run_to_train(
                campaign, settings=settings, apart=options["apart"], now=timezone.now()
            )
        self.stdout.write(
            f"Run {run.pk}: {run.snapshot.samples} samples, {run.snapshot.fresh_samples} of them"
            f" new, from {run.base}."
        )
        leaving: list[int] = []
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            for number in SIGNALS:
                signal.signal(number, lambda got, _frame: leaving.append(got))
            run = train(run.pk, now=timezone.now, should_stop=self._watch(run.pk, leaving))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self._tell(run)

    def _watch(self, run_id: int, leaving: list[int]) -> Callable[[], bool]:
        """Return what the loop asks at every step; it shows the way on, at most once a second."""
        told = [time.monotonic(), -1]

        def should_stop() -> bool:
            if time.monotonic() - told[0] >= 1:
                told[0] = time.monotonic()
                row = TrainingRun.objects.filter(pk=run_id)
                step, steps = row.values_list("step", "steps_total").get()
                if step != told[1] and steps:
                    told[1] = step
                    self.stdout.write(f"  step {step} of {steps} ({100 * step // steps} %)")
            return bool(leaving)

        return should_stop

    def _tell(self, run: TrainingRun) -> None:
        if run.status == Status.FINISHED and run.candidate:
            self.stdout.write(
                self.style.SUCCESS(
                    f"{run.candidate} after {run.step} steps. Next: manage.py gate {run.pk}"
                )
            )
        elif run.status == Status.QUEUED and run.failed_launches:
            raise CommandError(run.error)
        elif run.status == Status.QUEUED:
            self.stdout.write(
                f"Stopped; a checkpoint is kept. Take it up: manage.py train {run.campaign.slug}"
            )
        elif run.status == Status.RUNNING:
            raise CommandError(
                f"Another worker has run {run.pk} since {run.started_at:%H:%M} and is alive."
            )
        else:
            raise CommandError(f"Run {run.pk} is {run.get_status_display()}. {run.error}".strip())


def _parsed(setting: str) -> tuple[str, str]:
    name, sign, value = setting.partition("=")
    if not sign or not value.strip():
        raise CommandError(f"{setting!r} is no setting; write it as name=value.")
    return name.strip(), value.strip()
