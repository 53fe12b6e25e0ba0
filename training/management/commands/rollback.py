"""``rollback``: let an earlier version of a campaign serve again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from learning.models import Deployment
from training.actions.promotion import previous_version, rollback, undo
from training.management.choosing import CAMPAIGN, campaign_named, complaints, version_named


class Command(BaseCommand):
    """One more row in the history, no training; the next answer is the old version's."""

    help = (
        "Let a version serve again that has served before: the one before the present one, or the"
        " one that is named. Every process answers with it at its next call. --undo takes the newest"
        " move back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign, which version, and why."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument(
            "version", nargs="?", help="number of the version, as in v3; without it, the one before"
        )
        how = parser.add_mutually_exclusive_group(required=True)
        how.add_argument("--reason", help="what went wrong; kept for whoever asks later")
        how.add_argument("--undo", action="store_true", help="take the newest move back instead")

    def handle(self, **options: Any) -> None:
        """Roll back, or say why not."""
        campaign = campaign_named(options["campaign"])
        if options["undo"]:
            newest = Deployment.objects.serving(campaign)
            with complaints():
                moved = undo(campaign, number=newest.number if newest else 0, actor=None)
            self.stdout.write(f"{moved.version} serves {campaign.slug!r} again.")
            return
        name = options["version"]
        version = version_named(campaign, name=str(name)) if name else previous_version(campaign)
        if version is None:
            raise CommandError(f"Nothing has served {campaign.slug!r} before what serves now.")
        with complaints():
            rollback(campaign, to_version=version, actor=None, reason=options["reason"])
        self.stdout.write(f"{version} serves {campaign.slug!r} again.")
