"""``rollback``: let an earlier version of a campaign serve again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import VernacularError
from annotation.models import Campaign
from learning.models import ModelVersion
from training.actions.promotion import rollback


class Command(BaseCommand):
    """One more row in the history, no training; the next prediction is the old version's."""

    help = "Let a version serve again that has served before."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign, which version, and why."""
        parser.add_argument("campaign", help="short name of the campaign")
        parser.add_argument("version", type=int, help="number of the version, as in v3")
        parser.add_argument("--reason", required=True, help="what went wrong")

    def handle(self, **options: Any) -> None:
        """Roll back, or say why not."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. See: manage.py list_campaigns"
            )
        version = ModelVersion.objects.filter(campaign=campaign, number=options["version"]).first()
        if version is None:
            raise CommandError(f"{campaign.slug!r} has no version {options['version']}.")
        try:
            rollback(campaign, to_version=version, actor=None, reason=options["reason"])
        except VernacularError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{version} serves {campaign.slug!r} again.")
