"""``export_version``: a version as a folder for people elsewhere."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from training.actions.exports import export_version
from training.management.choosing import (
    CAMPAIGN,
    add_version,
    campaign_named,
    complaints,
    version_named,
)


class Command(BaseCommand):
    """With its model card."""

    help = (
        "Write a version to a new folder: safetensors, tokenizer, a model card (README.md, card.json)"
        " and the temperatures that make its confidence honest. An encoder opens there with plain"
        " transformers."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which version, where to."""
        parser.add_argument("campaign", help=CAMPAIGN)
        add_version(parser)
        parser.add_argument("folder", type=Path, help="a folder that is not there yet")

    def handle(self, **options: Any) -> None:
        """Write it, or say why not."""
        campaign = campaign_named(options["campaign"])
        version = version_named(campaign, name=options["version"])
        with complaints():
            export_version(version, folder=options["folder"])
        self.stdout.write(f"{version} is in {options['folder']}; begin with README.md there.")
