"""``compress``: make what serves smaller or quicker, and let its gate decide."""

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from training.actions.compressions import KNOBS, open_compression, settle
from training.actions.gates import try_to_judge
from training.actions.launching import train
from training.management.choosing import CAMPAIGN, campaign_named, complaints
from training.models import TrainingRun

Status = TrainingRun.Status
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Command(BaseCommand):
    """From the version that serves to a smaller one that may serve, before somebody's eyes."""

    help = (
        "Distil, quantise or prune a campaign's serving version, measure it beside the one it"
        " came from, and hold it to the gate in every language; it serves if that says PASS."
        " A run that waits or was interrupted is taken up where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign, and how."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument("--kind", required=True, choices=[str(kind) for kind in KNOBS])
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="prune: keep; distil: student (layers, starter), layers, temperature, texts,"
            " epochs, lr, batch; may be given more than once",
        )
        parser.add_argument(
            "--later", action="store_true", help="leave it to the worker of heavy tasks"
        )

    def handle(self, **options: Any) -> None:
        """Open the run, do it, judge it, say what came of it."""
        campaign = campaign_named(options["campaign"])
        settings = dict(_parsed(one) for one in options["set"])
        with complaints():
            run = open_compression(campaign, kind=options["kind"], settings=settings)
        self.stdout.write(f"Run {run.pk}: {run.get_kind_display()}, from {run.base}.")
        if options["later"]:
            return
        run = self._done(run)
        self._tell_sizes(run)
        gate = run.gate or try_to_judge(run.pk, now=timezone.now())
        if gate is None:
            run.refresh_from_db()
            raise CommandError(f"Run {run.pk} could not be judged. {run.error}".strip())
        for check in gate.checks.select_related("language"):
            self.stdout.write(
                f"  {check.language.tag}: {check.delta:+.3f} [{check.delta_low:+.3f},"
                f" {check.delta_high:+.3f}] {check.verdict}"
            )
        run = TrainingRun.objects.get(pk=run.pk)
        self.stdout.write(f"{gate.verdict}: {settle(run)}")

    def _done(self, run: TrainingRun) -> TrainingRun:
        leaving: list[int] = []
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            for number in SIGNALS:
                signal.signal(number, lambda got, _frame: leaving.append(got))
            run = train(run.pk, now=timezone.now, should_stop=lambda: bool(leaving))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if run.status != Status.FINISHED:
            raise CommandError(f"Run {run.pk} is {run.get_status_display()}. {run.error}".strip())
        return run

    def _tell_sizes(self, run: TrainingRun) -> None:
        assert run.candidate is not None  # noqa: S101 - a finished run has one
        told = run.candidate.manifest["compression"]
        value, low, high = told["times_as_quick"]
        self.stdout.write(
            f"{run.candidate}: {told['bytes_before']:,} to {told['bytes_after']:,} bytes,"
            f" {told['texts_per_second_before']} to {told['texts_per_second_after']} texts/s:"
            f" {value:.2f} times as quick (95 % {low:.2f} to {high:.2f})"
        )


def _parsed(setting: str) -> tuple[str, str]:
    name, sign, value = setting.partition("=")
    if not sign or not value.strip():
        raise CommandError(f"{setting!r} is no setting; write it as name=value.")
    return name.strip(), value.strip()
