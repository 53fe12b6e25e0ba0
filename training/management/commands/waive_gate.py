"""``waive_gate``: an admin answers for a candidate that its gate held."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.models import User
from training.actions.promotion import promote
from training.actions.waivers import LONGEST_DAYS, grant_waiver
from training.management.choosing import complaints, run_numbered


class Command(BaseCommand):
    """What the gate's page does."""

    help = (
        "Grant a waiver for a training run's candidate that the gate held; BLOCK and VOID cannot be"
        " waived. With --serve the candidate serves at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run, who, why, how long."""
        parser.add_argument("run", type=int, help="number of the training run")
        parser.add_argument("--admin", required=True, help="user name of the admin who grants it")
        parser.add_argument("--name", help="who answers for it; the admin, if left out")
        parser.add_argument("--reason", required=True, help="why it may serve all the same")
        parser.add_argument(
            "--days", type=int, required=True, help=f"how long it holds, 1 to {LONGEST_DAYS}"
        )
        parser.add_argument("--serve", action="store_true", help="promote the candidate as well")

    def handle(self, **options: Any) -> None:
        """Grant it, or say why not."""
        gate = run_numbered(options["run"]).gate
        if gate is None:
            raise CommandError(f"Run {options['run']} has not been judged.")
        admin = User.objects.filter(username=options["admin"]).first()
        if admin is None:
            raise CommandError(f"There is no user {options['admin']!r}.")
        with complaints():
            waiver = grant_waiver(
                gate,
                name=options["name"] or str(admin),
                reason=options["reason"],
                days=options["days"],
                granted_by=admin,
                now=timezone.now(),
            )
            self.stdout.write(
                f"{waiver.name} answers for {gate.candidate} until {waiver.expires_at:%Y-%m-%d}."
            )
            if options["serve"]:
                deployment = promote(gate, actor=admin)
                self.stdout.write(f"{deployment.version} serves.")
