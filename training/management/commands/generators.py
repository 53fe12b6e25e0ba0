"""``generators``: which networks write for a campaign, where they come from, and which one serves."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from training.actions.generator_story import story_of
from training.management.choosing import CAMPAIGN, campaign_named


class Command(BaseCommand):
    """What the page tells, for a terminal."""

    help = "List the generators of a campaign, what people found of them, and what served when."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign."""
        parser.add_argument("campaign", help=CAMPAIGN)

    def handle(self, **options: Any) -> None:
        """Print them, the newest first."""
        campaign = campaign_named(options["campaign"])
        story = story_of(campaign)
        if not story.rows:
            self.stdout.write(f"{campaign.slug!r} has no generator. Next: register_generator")
        for row in story.rows:
            version = row.version
            told = [f"from {version.base}" if version.base else version.network]
            told += [f"{row.lessons} answers learned"] if row.lessons else []
            told += [f"{row.taken_back} of them taken back since"] if row.taken_back else []
            told += ["serves"] if row.serves else []
            self.stdout.write(f"{version} {version.digest[:12]}: {', '.join(told)}")
        for one in story.comparisons:
            said = one.newest.verdict if one.newest else one.waits
            where = f" in {one.comparison.campaign.slug!r}" if one.comparison.campaign else ""
            self.stdout.write(f"{one.comparison}{where}: {said}")
        for move in story.moves:
            when = move.created_at.strftime("%Y-%m-%d")
            self.stdout.write(f"{move.number}. {when} {move.version} ({move.kind}) {move.reason}")
