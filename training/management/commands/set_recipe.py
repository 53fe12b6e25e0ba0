"""``set_recipe``: how a campaign's network is fine-tuned, where it is not as the network advises."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.actions.recipes import set_recipe
from training.management.choosing import CAMPAIGN, campaign_named, complaints


class Command(BaseCommand):
    """The recipe of a campaign."""

    help = (
        "Change how a campaign's network is fine-tuned: manage.py set_recipe SLUG method=er"
        " epochs=3; `name=` takes a setting back. Without settings, show them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign, which settings."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument("settings", nargs="*", help="name=value; an empty value takes it back")

    def handle(self, **options: Any) -> None:
        """Change it, or say why not; then show it."""
        campaign = campaign_named(options["campaign"])
        changes = dict(_parsed(one) for one in options["settings"])
        with complaints():
            recipe = set_recipe(campaign, changes=changes)
        for name, value in sorted(recipe.items()):
            self.stdout.write(f"{name}={value}")
        if not recipe:
            self.stdout.write("As the network advises.")


def _parsed(setting: str) -> tuple[str, str | None]:
    name, sign, value = setting.partition("=")
    if not sign:
        raise CommandError(f"{setting!r} is no setting; write it as name=value.")
    return name.strip(), value.strip() or None
