"""``drop_adapters``: languages without their adapters, as a candidate for the gate."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from training.actions.merges import drop_adapters
from training.management.choosing import CAMPAIGN, campaign_named, complaints


class Command(BaseCommand):
    """For a language whose adapter turned out to be of no use."""

    help = (
        "Take the adapters of some languages away from the serving version, so that they are"
        " answered as before: a candidate that serves only after its gate."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument("--languages", nargs="+", required=True, help="tags, such as: jv su")

    def handle(self, **options: Any) -> None:
        """Drop them, or say why not."""
        with complaints():
            run = drop_adapters(
                campaign_named(options["campaign"]),
                languages=options["languages"],
                now=timezone.now(),
            )
        self.stdout.write(f"{run.candidate} of run {run.pk}. Next: manage.py gate {run.pk}")
