"""``merge_adapters``: one adapter made of several, as a candidate for the gate."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from training.actions.merges import merge_adapters
from training.management.choosing import CAMPAIGN, campaign_named, complaints


class Command(BaseCommand):
    """For a language with few answers and well-taught relatives."""

    help = (
        "Merge the LoRA adapters of some languages of the serving version and give the result to"
        " these or to others; or, with --plain, add it into the encoder itself, for all languages: no"
        " adapters are left, and it can be made smaller. A candidate that serves only after its gate."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose adapters, how, for whom."""
        parser.add_argument("campaign", help=CAMPAIGN)
        parser.add_argument("--languages", nargs="+", required=True, help="tags, such as: jv su id")
        parser.add_argument(
            "--weights", nargs="+", type=float, help="one a language; without them, equal parts"
        )
        parser.add_argument(
            "--how",
            default="svd",
            help="svd (default), linear, ties, dare_linear, dare_ties, magnitude_prune, or one of"
            " the last four with _svd",
        )
        parser.add_argument(
            "--density", type=float, default=0.5, help="share of values that pruning ways keep"
        )
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument(
            "--into", nargs="+", default=[], help="tags that get it; without them, those merged"
        )
        whose.add_argument(
            "--plain", action="store_true", help="every language gets it, and no adapter is left"
        )

    def handle(self, **options: Any) -> None:
        """Merge them, or say why not."""
        from training.methods.merging import Merge  # torch is not for the service's own start

        campaign, languages = campaign_named(options["campaign"]), options["languages"]
        with complaints():
            merged = Merge(
                tuple(languages),
                tuple(options["weights"] or [1 / len(languages)] * len(languages)),
                options["how"],
                density=options["density"],
                seed=campaign.seed,
                plain=options["plain"],
            )
            run = merge_adapters(campaign, merged=merged, into=options["into"], now=timezone.now())
        self.stdout.write(f"{run.candidate} of run {run.pk}. Next: manage.py gate {run.pk}")
