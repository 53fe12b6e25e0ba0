"""``export_agreed``: what people agree on, with its texts, as a file for other tools."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.actions.agreed_files import FOLDER, FORMATS, write_agreed
from annotation.errors import VernacularError
from annotation.models import Campaign, Language


class Command(BaseCommand):
    """For the team itself; what may be published is for ``publish_answers`` to say."""

    help = (
        "Write what people agree on, with its texts, to a new file: manage.py export_agreed"
        " mood-of-reviews agreed.parquet. The ending says how: .csv, .jsonl, .parquet, .json (tasks"
        f" for Label Studio); with --format {FOLDER} it is a folder that the library datasets loads."
        " Texts with a known answer stay here. Marks go out by export_marks as CoNLL-U or IOB2, too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Of what, where to."""
        parser.add_argument("campaign", help="the campaign's short name")
        parser.add_argument("file", type=Path, help="a new file or folder")
        parser.add_argument("--language", help="tag of the only language; else all")
        parser.add_argument("--format", choices=FORMATS, help="else by the file's ending")

    def handle(self, **options: Any) -> None:
        """Write it, and say how many texts are in it."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign']!r}.")
        language, tag = None, options["language"]
        if tag:
            language = Language.objects.filter(tag=tag, campaigns__campaign=campaign).first()
            if language is None:
                raise CommandError(f"{campaign.slug!r} has no language {tag!r}.")
        file: Path = options["file"]
        format = options["format"] or file.suffix.lstrip(".")
        try:
            number = write_agreed(campaign, path=file, format=format, language=language)
        except VernacularError as error:
            raise CommandError(f"{error}") from error
        except OSError as error:
            raise CommandError(f"Cannot write {file}: {error}.") from error
        self.stdout.write(f"{number:,} texts and what people say of them are in {file}.")
