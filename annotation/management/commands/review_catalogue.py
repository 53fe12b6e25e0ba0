"""``review_catalogue``: what speakers said of translations, back into their gettext catalogue."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.actions.catalogue_reviews import LEAST, review
from annotation.errors import VernacularError
from annotation.models import CampaignLanguage


class Command(BaseCommand):
    """The last step of a review of translations; the first is ``import_samples`` of the same file."""

    help = (
        "Write a PO file anew in which the translations that speakers found wrong are fuzzy, each with"
        " a comment that says so: manage.py review_catalogue strings wo wo.po reviewed.po --wrong bad."
        " Every other byte stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign and language, which file, where to, and what means wrong."""
        parser.add_argument("slug", help="the campaign's short name")
        parser.add_argument("language", help="a language tag of the campaign")
        parser.add_argument("file", type=Path, help="the PO file whose texts were imported")
        parser.add_argument("reviewed", type=Path, help="a new file")
        parser.add_argument(
            "--wrong", action="append", required=True, metavar="KEY",
            help="a label that means that the translation is wrong; may be given again",
        )  # fmt: skip
        parser.add_argument(
            "--least",
            type=float,
            default=LEAST,
            help="how sure people must be together: %(default)s",
        )

    def handle(self, **options: Any) -> None:
        """Read, mark, write, and say how many went which way."""
        home = CampaignLanguage.objects.filter(
            campaign__slug=options["slug"], language__tag=options["language"]
        ).first()
        if home is None:
            raise CommandError(
                f"There is no campaign {options['slug']!r} with the language {options['language']!r}."
            )
        try:
            data = options["file"].read_bytes()
            found = review(home, data=data, wrong=options["wrong"], least=options["least"])
            with options["reviewed"].open("xb") as opened:
                opened.write(found.data)
        except VernacularError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
        self.stdout.write(
            f"{found.wrong} wrong, now fuzzy; {found.right} right; {found.unsure} not clear;"
            f" {found.changed} translated anew since; {found.unasked} not asked about."
            f" {options['reviewed']} is written."
        )
