"""``export_marks``: the marks that people agree on, as CoNLL-U, IOB2 or JSON Lines."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.actions.marked_files import FORMATS, marked_file
from annotation.errors import VernacularError
from annotation.models import Campaign, Language


class Command(BaseCommand):
    """A file of one language; what may be published is for ``publish_answers`` to say."""

    help = (
        "Write the texts of a language with the marks that people agree on to a new file:"
        " manage.py export_marks CAMPAIGN wo marks.conllu. The ending says how:"
        f" {', '.join(f'.{name}' for name in FORMATS)}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Of what, where to."""
        parser.add_argument("campaign", help="the campaign's short name")
        parser.add_argument("language", help="tag of the language")
        parser.add_argument("file", type=Path, help="a new file")

    def handle(self, **options: Any) -> None:
        """Write it text by text; a file that could not be finished is not left behind."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        language = Language.objects.filter(
            tag=options["language"], campaigns__campaign=campaign
        ).first()
        if campaign is None or language is None:
            what = options["campaign"] if campaign is None else options["language"]
            raise CommandError(f"There is no {what!r} here.")
        file: Path = options["file"]
        try:
            lines = marked_file(campaign, language=language, format=file.suffix.lstrip("."))
        except VernacularError as error:
            raise CommandError(f"{error}") from error
        try:
            with file.open("x", encoding="utf-8", newline="") as opened:
                opened.writelines(lines)
        except OSError as error:
            raise CommandError(f"Cannot write {file}: {error}.") from error
        except VernacularError as error:
            file.unlink(missing_ok=True)
            raise CommandError(f"{error}") from error
        self.stdout.write(f"The marks of {campaign} in {language} are in {file}.")
