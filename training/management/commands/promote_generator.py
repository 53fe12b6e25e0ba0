"""``promote_generator``: let a generator serve that people passed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from learning.actions.generators import generator_named, refuse_unregistered
from training.actions.generator_promotion import promote_generator
from training.management.choosing import complaints
from training.models import BlindComparison


class Command(BaseCommand):
    """No metric opens this gate, and no option goes past it."""

    help = (
        "Let a registered generator serve if people passed it in every language when it was compared"
        " with the one that serves: manage.py promote_generator our-assistant@2"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which generator."""
        parser.add_argument("generator", help="CAMPAIGN@NUMBER")

    def handle(self, **options: Any) -> None:
        """Promote it, or say why not."""
        name = options["generator"]
        with complaints():
            version = refuse_unregistered(generator_named(name), name=name)
            found = BlindComparison.objects.filter(candidate=version).order_by("-pk").first()
            if found is None:
                raise CommandError(f"Nobody has compared {version}. Next: compare_generators")
            moved = promote_generator(found)
        self.stdout.write(f"{moved.version} serves.")
