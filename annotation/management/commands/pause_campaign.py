"""``pause_campaign``: stop a campaign's loop, or end the campaign."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.actions.campaigns import finish_campaign, pause_campaign
from annotation.errors import VernacularError
from annotation.models import Campaign


class Command(BaseCommand):
    """Pause by default; ``--finish`` is for good."""

    help = "Pause a campaign: no new round, selection or training; answers still come home."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one, and whether for good."""
        parser.add_argument("campaign", help="short name of the campaign")
        parser.add_argument("--finish", action="store_true", help="end it for good")

    def handle(self, **options: Any) -> None:
        """Pause or finish it."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. See: manage.py list_campaigns"
            )
        try:
            if options["finish"]:
                finish_campaign(campaign)
                self.stdout.write(f"{campaign.slug!r} is finished.")
                return
            pause_campaign(campaign)
        except VernacularError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{campaign.slug!r} is paused. Go on with: manage.py run_campaign {campaign.slug}"
        )
