"""Train the representation that ships with the starter: ``manage.py train_starter --text DIR``."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

BENCHMARKED = (
    "nusax-senti",
    "nollysenti",
    "sib-200:ace-Arab",
    "sib-200:ace-Latn",
    "sib-200:bam-Latn",
    "sib-200:ban-Latn",
    "sib-200:bug-Latn",
    "sib-200:grn-Latn",
    "sib-200:hau-Latn",
    "sib-200:ibo-Latn",
    "sib-200:mni-Beng",
    "sib-200:nqo-Nkoo",
    "sib-200:quy-Latn",
    "sib-200:tat-Cyrl",
    "sib-200:tir-Ethi",
    "sib-200:wol-Latn",
)
PARALLEL = ("nllb-seed", "sib-200")


class Command(BaseCommand):
    """Read unlabelled text, learn subwords and their vectors, write them beside their manifest."""

    help = "Train the starter's shared representation from a folder of unlabelled text."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say where text is, where weights go, and how long to learn."""
        parser.add_argument("--text", type=Path, required=True, help="MANIFEST.tsv and *.txt")
        parser.add_argument("--out", type=Path, default=Path("learning/networks/shipped"))
        parser.add_argument("--steps", type=int, default=0, help="default: the recipe's")
        parser.add_argument("--vocabulary", type=int, default=32_000, help="subwords")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--threads", type=int, default=1)
        parser.add_argument(
            "--leave-out",
            action="append",
            default=list(BENCHMARKED),
            metavar="SOURCE[:LANGUAGE]",
            help="besides the texts of the benchmarks, which are never read",
        )

    def handle(self, **options: Any) -> None:
        """Build it and say how long it took."""
        import torch

        from training.actions.starter import Plan, build_starter
        from training.methods.starter_vectors import Recipe

        torch.set_num_threads(options["threads"])
        recipe = Recipe(steps=options["steps"]) if options["steps"] else Recipe()
        plan = Plan(
            leave_out=tuple(options["leave_out"]),
            parallel=PARALLEL,
            vocabulary=options["vocabulary"],
            recipe=recipe,
            seed=options["seed"],
        )
        manifest = build_starter(
            options["text"], out=options["out"], plan=plan, tell=self.stdout.write
        )
        self.stdout.write(self.style.SUCCESS(f"Done in {manifest['cpu_seconds']} CPU seconds."))
