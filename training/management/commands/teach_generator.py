"""``teach_generator``: a generator learns corrections or choices, and the other languages are kept."""

import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import VernacularError
from training.actions.teaching import (
    Material,
    first_of,
    languages_told,
    take_corrections,
    take_preferences,
    teach,
)
from training.methods.recipes import METHODS

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Command(BaseCommand):
    """From a generator and what people said of its outputs to a generator that heeds them."""

    help = (
        "Teach a generator the corrections of a file (language, source, corrected), as export_corrections"
        " writes them, or with --preferences the choices of one (language, source, first, second, share),"
        " by the loop that teaches all networks. With --store, outputs in other languages are seen again"
        " (language, source, output), so that these are not forgotten; with --method lora each language"
        " learns in an adapter of its own. What comes of it lies in OUT. A run that was stopped or"
        " killed goes on where it was: give the same command again. Whether people prefer what it writes:"
        " generate, compare_generators, judge_generators."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which generator, what it learns, where it goes, and how."""
        parser.add_argument(
            "network", help="name or path of a checkpoint, or a stored network's folder"
        )
        parser.add_argument("file", type=Path, help="what is new: .jsonl, .csv or .tsv")
        parser.add_argument("out", type=Path, help="a folder that is not there yet")
        parser.add_argument("--preferences", action="store_true", help="the file holds choices")
        parser.add_argument("--store", type=Path, help="what was learned before, to be seen again")
        parser.add_argument("--dev", type=Path, help="what to watch: language, source, corrected")
        parser.add_argument("--method", default="update", choices=METHODS)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting of the recipe: epochs=4, lr=1e-4, rank=8; may be given more than once",
        )
        parser.add_argument("--from", dest="home", default="", help="language of the sources: en")
        parser.add_argument(
            "--prompt", default="", help="such as 'Translate to {language}: {source}'"
        )
        parser.add_argument("--code", action="append", default=[], metavar="TAG=CODE")

    def handle(self, **options: Any) -> None:
        """Read, teach, and say what came of it."""
        from training.methods.loop import InterruptedTrainingError

        leaving: list[int] = []
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            for number in SIGNALS:
                signal.signal(number, lambda got, _frame: leaving.append(got))
            self._teach(options, leaving)
        except VernacularError as error:
            raise CommandError(str(error)) from error
        except InterruptedTrainingError:
            raise CommandError("Stopped; give the same command again to go on.") from None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _teach(self, options: dict[str, Any], leaving: list[int]) -> None:
        from learning.networks.asking import Manners

        material, dev = _material(options), Material()
        if options["dev"]:
            take_corrections(dev, options["dev"], column="corrected", fresh=True)
        codes = dict(_pair(told, "--code", "TAG=CODE") for told in options["code"])
        asked = (options["prompt"], options["home"], codes)
        settings = dict(_pair(told, "--set", "NAME=VALUE") for told in options["set"])
        learned = teach(
            options["network"],
            material=material,
            out=options["out"],
            settings={**settings, "method": options["method"]},
            seed=options["seed"],
            dev=dev,
            manners=Manners(*asked) if any(asked) else None,
            watch=self._show,
            should_stop=lambda: bool(leaving),
        )
        if self.stderr.isatty():
            self.stderr.write("")
        for line in first_of([*material.refused, *dev.refused]):
            self.stderr.write(f"  left out: {line}")
        self.stdout.write(
            f"Learned from {languages_told(material.languages)} in {learned.steps:,} steps;"
            f" {learned.share:.0%} of what changed was kept. It lies in {options['out']}."
        )
        for tag, value in learned.dev.items():
            self.stdout.write(f"  {tag}: a token of what is right is held {value:.1%} likely")

    def _show(self, step: int, steps: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\rstep {step:,} of {steps:,}", ending="")
            self.stderr.flush()


def _material(options: dict[str, Any]) -> Material:
    found = Material()
    for path, fresh in ((options["file"], True), (options["store"], False)):
        if path and options["preferences"]:
            take_preferences(found, path, fresh=fresh)
        elif path:
            take_corrections(found, path, column="corrected" if fresh else "output", fresh=fresh)
    return found


def _pair(told: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = told.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise CommandError(f"{option} {told!r} is not of the form {form}.")
    return name.strip(), value.strip()
