"""``set_recipe``: how a campaign's network is fine-tuned, where it is not as the network advises."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import VernacularError
from annotation.models import Campaign
from training.actions.recipes import set_recipe


class Command(BaseCommand):
    """The recipe of a campaign."""

    help = (
        "Change how a campaign's network is fine-tuned: manage.py set_recipe SLUG method=er"
        " epochs=3; `name=` takes a setting back. Without settings, show them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which campaign, which settings."""
        parser.add_argument("campaign", help="short name of the campaign")
        parser.add_argument("settings", nargs="*", help="name=value; an empty value takes it back")

    def handle(self, **options: Any) -> None:
        """Change it, or say why not; then show it."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. See: manage.py list_campaigns"
            )
        changes = dict(_parsed(one) for one in options["settings"])
        try:
            recipe = set_recipe(campaign, changes=changes)
        except VernacularError as error:
            raise CommandError(str(error)) from error
        for name, value in sorted(recipe.items()):
            self.stdout.write(f"{name}={value}")
        if not recipe:
            self.stdout.write("As the network advises.")


def _parsed(setting: str) -> tuple[str, str | None]:
    name, sign, value = setting.partition("=")
    if not sign:
        raise CommandError(f"{setting!r} is no setting; write it as name=value.")
    return name.strip(), value.strip() or None
