"""``publish_answers``: the answers whose people agreed to that, as a folder for others to use."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.actions.publication import write_publication
from annotation.errors import VernacularError
from annotation.models import Campaign


class Command(BaseCommand):
    """What the page "Publish answers" gives as one file."""

    help = (
        "Write a campaign's answers to a new folder, without names, with a card that says what they"
        " are: manage.py publish_answers mood-of-reviews published --licence CC-BY-4.0. Only what"
        " people agreed to publish is in it, notes only of those who publish what they write, texts"
        " only where their licence lets them be passed on. Answers to gold stay here. Consent is"
        " read anew each time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign, where to, under which licence."""
        parser.add_argument("slug", help="the campaign's short name")
        parser.add_argument("folder", type=Path, help="a new folder")
        parser.add_argument("--licence", required=True, help="of the answers, as CC-BY-4.0")
        parser.add_argument(
            "--also", action="append", default=[], metavar="LICENCE",
            help="another licence under which texts may be passed on; may be given again",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        """Write it, and say what is in it and what is not."""
        campaign = Campaign.objects.filter(slug=options["slug"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['slug']!r}.")
        try:
            card = write_publication(
                campaign,
                folder=options["folder"],
                licence=options["licence"],
                also=options["also"],
                now=timezone.now(),
            )
        except VernacularError as error:
            raise CommandError(f"{error}") from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
        for tag, row in card["languages"].items():
            self.stdout.write(
                f"{tag}: {row['answers']} answers of {row['people']} people on {row['texts']} texts,"
                f" {row['texts_shown']} of them shown."
            )
        left_out = sum(card["left_out"].values())
        self.stdout.write(f"{left_out} answers stay here; README.md there says why.")
