"""``run_campaign``: let a campaign's loop go round."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.actions.campaigns import start_campaign
from annotation.errors import VernacularError
from annotation.models import Campaign


class Command(BaseCommand):
    """Start a draft or a paused campaign; the timetable takes it from there."""

    help = "Start a campaign, or go on with a paused one. `manage.py up` must be running for it to move."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one."""
        parser.add_argument("campaign", help="short name of the campaign")

    def handle(self, **options: Any) -> None:
        """Start it, or say what is missing."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. See: manage.py list_campaigns"
            )
        try:
            start_campaign(campaign)
        except VernacularError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{campaign.slug!r} is running. While `manage.py up` runs, its next round opens within "
            f"seconds. Progress: manage.py inspect_campaign {campaign.slug}"
        )
