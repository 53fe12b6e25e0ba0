"""``rollback_generator``: let an earlier generator of a campaign serve again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from learning.actions.generators import generator_named, refuse_unregistered
from learning.models import GeneratorDeployment
from training.actions.generator_promotion import (
    previous_generator,
    rollback_generator,
    undo_generator,
)
from training.management.choosing import CAMPAIGN, campaign_named, complaints


class Command(BaseCommand):
    """One more row in the history, no training."""

    help = (
        "Let a generator serve again that has served before: the one before the present one, or the"
        " one that is numbered. --undo takes the newest move back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign, which generator, and why."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument("number", nargs="?", help="without it, the one before")
        how = parser.add_mutually_exclusive_group(required=True)
        how.add_argument("--reason", help="what went wrong; kept for whoever asks later")
        how.add_argument("--undo", action="store_true", help="take the newest move back instead")

    def handle(self, **options: Any) -> None:
        """Roll back, or say why not."""
        campaign = campaign_named(options["campaign"])
        with complaints():
            if options["undo"]:
                newest = GeneratorDeployment.objects.serving(campaign)
                number = newest.number if newest else 0
                moved = undo_generator(campaign, number=number, actor=None)
            else:
                moved = rollback_generator(
                    campaign,
                    to_version=self._version(campaign, options["number"]),
                    actor=None,
                    reason=options["reason"],
                )
        self.stdout.write(f"{moved.version} serves again.")

    def _version(self, campaign: Any, number: str | None) -> Any:
        if number:
            name = f"{campaign.slug}@{number}"
            return refuse_unregistered(generator_named(name), name=name)
        before = previous_generator(campaign)
        if before is None:
            raise CommandError(f"Nothing has served {campaign.slug!r} before what serves now.")
        return before
