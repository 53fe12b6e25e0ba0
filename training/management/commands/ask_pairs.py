"""``ask_pairs``: of several systems, have people compare pairs by lot, or those that tell most."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from training.actions.tournaments import ask_pairs
from training.management.choosing import complaints, tables
from training.management.commands.compare_generators import written_of


class Command(BaseCommand):
    """Given again, it goes by what people chose meanwhile."""

    help = (
        "Have people choose blindly between outputs of three systems or more: manage.py ask_pairs SLUG"
        " --system a=a.jsonl --system b=b.jsonl --system c=c.jsonl --count 100 --licence CC0-1.0. Pairs"
        " are drawn by lot. With --choose they are those whose strengths are least sure and most alike"
        " by what people chose so far, and one in five by lot; every one carries the chance that it"
        " had. The page What models wrote shows the strengths with intervals."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who wrote, and how many pairs."""
        parser.add_argument("slug", help="short name of the campaign, made if there is none")
        parser.add_argument("--system", action="append", default=[], metavar="NAME=FILE")
        parser.add_argument("--count", type=int, default=100, help="pairs of outputs more")
        parser.add_argument("--licence", required=True, help="of the outputs, an SPDX identifier")
        parser.add_argument("--answers", type=int, default=1, help="people on each pair")
        parser.add_argument("--choose", action="store_true", help="ask what tells most first")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, **options: Any) -> None:
        """Read, ask, and say so."""
        systems = [written_of(one) for one in options["system"]]
        with tables(), complaints():
            made = ask_pairs(
                slug=options["slug"],
                systems=systems,
                count=options["count"],
                licence=options["licence"],
                choose=options["choose"],
                seed=options["seed"],
                answers_per_item=options["answers"],
                now=timezone.now,
            )
        self.stdout.write(
            f"{made.brought.rows_kept} pairs more are in {made.campaign.slug!r}: {made.chosen} for what"
            f" they tell, {made.audit} by lot. Next: manage.py run_campaign {made.campaign.slug}"
        )
