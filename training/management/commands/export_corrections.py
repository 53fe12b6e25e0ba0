"""``export_corrections``: what people wrote in place of what a model wrote, or preferred of it."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.actions.corrections import records_of
from training.management.choosing import CAMPAIGN, campaign_named, complaints


class Command(BaseCommand):
    """For fine-tuning here or elsewhere."""

    help = (
        "Write the corrections of a campaign of ratings to a new file, one JSON object a line: language,"
        " source, output, corrected, grade, issues, licence; or of a campaign of preferences what was"
        " chosen: language, source, first, second, share. Only of people who agree to training now; none"
        " that was taken back, and none of a text that is gold or says what gold says. Whoever ends their"
        " consent later is in the file all the same: write it anew before each use. teach_generator"
        " learns from it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Of what, where to."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument("file", type=Path, help="a new file, such as corrections.jsonl")

    def handle(self, **options: Any) -> None:
        """Write them row by row."""
        campaign, file = campaign_named(options["campaign"]), Path(options["file"])
        written = 0
        with complaints():
            rows = list(records_of(campaign))
        try:
            # Never over something that is there.
            with file.open("x", encoding="utf-8") as opened:
                for row in rows:
                    opened.write(json.dumps(row, ensure_ascii=False) + "\n")
                    written += 1
        except OSError as error:
            raise CommandError(f"Cannot write {file}: {error}.") from error
        what = "preferences" if campaign.objective == "preferences" else "corrections"
        self.stdout.write(f"{written} {what} are in {file}.")
