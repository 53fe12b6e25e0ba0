"""``compare_generators``: have people choose blindly between what two generators wrote."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from learning.actions.generators import generator_named
from training.actions.blind import Comparison, Written, compare_generators, read_outputs
from training.actions.comparing_generators import Sides, put_files_to_people
from training.management.choosing import complaints, tables


class Command(BaseCommand):
    """Before a generator takes another one's place."""

    help = (
        "Make a campaign that asks speakers which of two outputs is better, without saying who wrote"
        " which: manage.py compare_generators SLUG --candidate new=new.jsonl --champion old=old.jsonl"
        " --licence CC0-1.0. Both files hold language, source and output of the same prompts, which"
        " neither generator has learned from. Where NAME is that of a registered generator, such as"
        " our-assistant@2, the verdict is kept and may let it serve. Then: manage.py run_campaign SLUG,"
        " and when people have answered: manage.py judge_generators SLUG."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What is compared, and what the campaign is called."""
        parser.add_argument("slug", help="short name of the campaign to be made")
        for side in ("candidate", "champion"):
            parser.add_argument(f"--{side}", required=True, metavar="NAME=FILE")
        parser.add_argument("--licence", required=True, help="of the outputs, an SPDX identifier")
        parser.add_argument("--title", default="", help="what people see")
        parser.add_argument(
            "--right",
            type=Path,
            help="how people would say it (language, source, output): shown as chrF",
        )
        parser.add_argument(
            "--answers", type=int, default=1, help="how many people choose on each pair"
        )

    def handle(self, **options: Any) -> None:
        """Read, make, and say what comes next."""
        candidate, champion = (written_of(options[side]) for side in ("candidate", "champion"))
        right = written_of(f"right={options['right']}") if options["right"] else None
        sides = Sides(candidate, champion, right)
        with tables(), complaints():
            made = _made(sides, options)
        slug, brought = made.campaign.slug, made.brought
        self.stdout.write(
            f"Created {slug!r} with {brought.rows_kept} pairs, the sides drawn by lot."
            f" Left out: {made.same} with equal outputs, {made.alone} that only one of them wrote"
            f" for, {made.learned} whose better outputs people gave before, {brought.rows_refused}"
            f" refused.\nNext: manage.py run_campaign {slug}, and when people have answered:"
            f" manage.py judge_generators {slug} --candidate {candidate.system!r}"
            f" --champion {champion.system!r}."
        )


def _made(sides: Sides, options: dict[str, Any]) -> Comparison:
    """Keep who is compared where both are registered; else only their names."""
    candidate, champion = (
        generator_named(side.system) for side in (sides.candidate, sides.champion)
    )
    usual = {
        "slug": options["slug"],
        "licence": options["licence"],
        "answers_per_item": options["answers"],
        "title": options["title"],
    }
    if candidate and champion:
        return put_files_to_people(candidate, champion, sides=sides, now=timezone.now(), **usual)
    return compare_generators(
        candidate=sides.candidate, champion=sides.champion, now=timezone.now, **usual
    )


def written_of(told: str) -> Written:
    """Read what one system wrote, from NAME=FILE."""
    name, equals, path = told.partition("=")
    if not (name.strip() and equals and path.strip()):
        raise CommandError(f"{told!r} is not of the form NAME=FILE.")
    file = Path(path.strip())
    try:
        with file.open("rb") as opened, complaints():
            return read_outputs(opened, filename=file.name, system=name)
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror}.") from error
