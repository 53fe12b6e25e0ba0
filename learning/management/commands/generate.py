"""``generate``: what a generator writes for a file of sources, with how sure it is of each output."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import VernacularError
from annotation.models import Campaign
from learning.actions.generating import Done, generate, open_for_writing, refused_of, sources_of
from learning.actions.generators import folder_of, generator_named
from learning.actions.grading import Grader, grader_of

NUMBERS: dict[str, tuple[type, str]] = {
    "beams": (int, "search over so many beams; 1, token by token, is the usual"),
    "samples": (int, "draw so many outputs beside it, and tell how much they disagree"),
    "temperature": (float, "of what is drawn: below 1 the likelier, above 1 the rarer"),
    "likeliest": (int, "draw from so many of the likeliest tokens"),
    "share": (float, "draw from the likeliest tokens that make up this share of the chance"),
    "longest": (int, "tokens of an output at most"),
    "seed": (int, "the same seed draws the same"),
}


class Command(BaseCommand):
    """Goes on where it was killed; asked again, it says that all is there."""

    help = (
        "Have a generator write an output for each row of a file with the columns source and language"
        " (JSON Lines, CSV or TSV), into a file of JSON Lines: language, source, output,"
        " log_probability (the mean of the output's tokens), and with --samples disagreement (0: all"
        " alike, 1: nothing in common), with --grade CAMPAIGN grade (what its network thinks that people"
        " would rate it). Rows that cannot be asked lie in NAME.refused.jsonl with"
        " the reason. A run that was stopped or killed goes on where it was: give the same command again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which generator, from what, to where, and how."""
        parser.add_argument(
            "network",
            help="name or path of a checkpoint, a stored network's folder, or CAMPAIGN@serving",
        )
        parser.add_argument("file", type=Path, help="sources: .jsonl, .csv or .tsv")
        parser.add_argument(
            "out", type=Path, help="outputs: a .jsonl file, new or to be gone on with"
        )
        parser.add_argument("--column", default="", help="the sources' column, if not source")
        parser.add_argument(
            "--language", default="", help="of the outputs where no row says it: wo"
        )
        parser.add_argument("--from", dest="home", default="", help="language of the sources: en")
        parser.add_argument(
            "--prompt", default="", help="such as 'Translate to {language}: {source}'"
        )
        parser.add_argument(
            "--code",
            action="append",
            default=[],
            metavar="TAG=CODE",
            help="what the generator calls a language: wo=wol_Latn; may be given more than once",
        )
        parser.add_argument(
            "--grade",
            default="",
            metavar="CAMPAIGN",
            help="a campaign of ratings, whose network grades",
        )
        parser.add_argument("--draw", action="store_true", help="draw the output itself, too")
        for name, (kind, told) in NUMBERS.items():
            parser.add_argument(f"--{name}", type=kind, metavar="N", help=told)

    def handle(self, **options: Any) -> None:
        """Open, write, and say what came of it."""
        file, out = options["file"], options["out"]
        if out.suffix != ".jsonl":
            raise CommandError(f"Outputs are JSON Lines: name the file {out.stem}.jsonl.")
        try:
            with file.open("rb") as opened:
                done = self._done(opened, options)
        except VernacularError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Cannot read {file} or write {out}: {error.strerror}.") from error
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped; {out} keeps what was written. Give the same command again."
            ) from None
        self._end_of_progress()
        there = f", {done.before:,} were there before" if done.before else ""
        self.stdout.write(f"{done.written:,} outputs written to {out}{there}.")
        if done.refused:
            self.stdout.write(f"{done.refused:,} rows refused: see {refused_of(out)}.")

    def _done(self, opened: Any, options: dict[str, Any]) -> Done:
        from learning.networks.asking import Manners
        from learning.networks.writing import Wish

        told = {name: options[name] for name in NUMBERS if options[name] is not None}
        wish = Wish(draw=options["draw"], **told)
        asked = (options["prompt"], options["home"], dict(map(_code, options["code"])))
        version = generator_named(options["network"])
        generator = open_for_writing(
            str(folder_of(version)) if version else options["network"],
            manners=Manners(*asked) if any(asked) else None,
        )
        sources = sources_of(
            opened,
            filename=options["file"].name,
            column=options["column"],
            language=options["language"],
        )
        return generate(
            generator,
            sources,
            out=options["out"],
            wish=wish,
            network=str(version or options["network"]),
            weights=version.digest if version else "",
            grader=_grader(options["grade"]) if options["grade"] else None,
            progress=self._show,
        )

    def _show(self, done: Done) -> None:
        if self.stderr.isatty():
            told = f"{done.before + done.written:,} rows written, {done.refused:,} refused"
            self.stderr.write(f"\r{told}", ending="")
            self.stderr.flush()

    def _end_of_progress(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("")


def _grader(slug: str) -> Grader:
    campaign = Campaign.objects.filter(slug=slug).first()
    if campaign is None:
        raise CommandError(f"There is no campaign {slug!r}. See: manage.py list_campaigns")
    return grader_of(campaign)


def _code(told: str) -> tuple[str, str]:
    tag, equals, code = told.partition("=")
    if not (tag.strip() and equals and code.strip()):
        raise CommandError(f"--code {told!r} is not of the form TAG=CODE, such as wo=wol_Latn.")
    return tag.strip(), code.strip()
