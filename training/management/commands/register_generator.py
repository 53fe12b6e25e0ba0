"""``register_generator``: a network that writes gets a number in a campaign."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from learning.actions.generators import first_generator, serving_generator
from training.actions.taught_generators import register_taught
from training.actions.teaching import MANIFEST
from training.management.choosing import CAMPAIGN, campaign_named, complaints


class Command(BaseCommand):
    """Registered twice it keeps its number."""

    help = (
        "Store a generator in the weights storage and give it a number in a campaign of ratings or preferences:"
        " a checkpoint by its name or path, the first of which serves at once, or a folder that"
        " teach_generator made from CAMPAIGN@NUMBER, a candidate that serves when people have passed it."
        " From then on CAMPAIGN@NUMBER names it, CAMPAIGN@serving the one that serves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where, which, and how a source is put to it."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument(
            "network", help="name or path of a checkpoint, or a folder of teach_generator"
        )
        parser.add_argument("--from", dest="home", default="", help="language of the sources: en")
        parser.add_argument(
            "--prompt", default="", help="such as 'Translate to {language}: {source}'"
        )
        parser.add_argument("--code", action="append", default=[], metavar="TAG=CODE")

    def handle(self, **options: Any) -> None:
        """Register it, and say what comes next."""
        from learning.networks.asking import Manners

        campaign = campaign_named(options["campaign"])
        taught = Path(options["network"])
        codes = dict(map(_code, options["code"]))
        asked = (options["prompt"], options["home"], codes)
        with complaints():
            if (taught / MANIFEST).is_file():
                version = register_taught(campaign, folder=taught)
            else:
                manners = Manners(*asked) if any(asked) else None
                version = first_generator(campaign, name=options["network"], manners=manners)
        if serving_generator(campaign) == version:
            self.stdout.write(f"{version} serves.")
        else:
            self.stdout.write(
                f"Registered {version}; {version.lessons.count()} answers of people taught it."
                f" Next: compare_generators, or the page of the generators of {campaign.slug!r}."
            )


def _code(told: str) -> tuple[str, str]:
    tag, equals, code = told.partition("=")
    if not (tag.strip() and equals and code.strip()):
        raise CommandError(f"--code {told!r} is not of the form TAG=CODE, such as wo=wol_Latn.")
    return tag.strip(), code.strip()
