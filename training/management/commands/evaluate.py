"""``evaluate``: what a version is worth on gold, language by language."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from annotation.models import GoldItem
from training.actions.evaluation import evaluate
from training.management.choosing import (
    CAMPAIGN,
    add_version,
    campaign_named,
    complaints,
    version_named,
)
from training.models import Evaluation

LINE = "  {:<14} {:>6}  {:<24} {:<24} {:>7} {:>7}"


class Command(BaseCommand):
    """Measured once on each state of the gold; asked again, the same numbers come at once."""

    help = (
        "Measure a version on the gold as it is now: accuracy and macro-F1 in every language with"
        " 95 %% intervals, negative log-likelihood and Brier score. Gold items are samples with a"
        " known answer; import them with a column `label`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which version, on which gold, for whom."""
        parser.add_argument("campaign", help=CAMPAIGN)
        add_version(parser)
        parser.add_argument(
            "--split",
            choices=[str(split) for split in GoldItem.Split.values],
            default=str(GoldItem.Split.GATE),
            help="gold that judges (gate, the default) or gold for tuning (dev)",
        )
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, **options: Any) -> None:
        """Measure and show."""
        campaign = campaign_named(options["campaign"])
        version = version_named(campaign, name=options["version"])
        with complaints():
            rows = evaluate(version, campaign=campaign, split=options["split"])
        rows = sorted(rows, key=lambda row: row.language.tag)
        if options["json"]:
            told = {
                "campaign": campaign.slug,
                "version": version.number,
                "digest": version.digest,
                "split": options["split"],
                "languages": [_record(row) for row in rows],
            }
            self.stdout.write(json.dumps(told, ensure_ascii=False, indent=2))
            return
        self.stdout.write(f"{version} on the {options['split']} gold of {campaign.slug!r}")
        self.stdout.write(LINE.format("language", "gold", "accuracy", "macro-F1", "nll", "Brier"))
        for row in rows:
            self.stdout.write(
                LINE.format(
                    row.language.tag,
                    row.items,
                    interval(row.accuracy, row.accuracy_low, row.accuracy_high),
                    interval(row.macro_f1, row.macro_f1_low, row.macro_f1_high),
                    _number(row.nll),
                    _number(row.brier),
                ).rstrip()
            )
        known = [row.accuracy for row in rows if row.accuracy is not None]
        if known:
            self.stdout.write(
                f"Mean over {len(known)} languages {sum(known) / len(known):.3f}, worst {min(known):.3f}"
            )


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write ``0.812 (0.774 to 0.846)``."""
    if value is None or low is None or high is None:
        return "not measured"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _record(row: Evaluation) -> dict[str, Any]:
    return {
        "language": row.language.tag,
        "items": row.items,
        "gold_digest": row.gold_digest,
        "accuracy": [row.accuracy, row.accuracy_low, row.accuracy_high],
        "macro_f1": [row.macro_f1, row.macro_f1_low, row.macro_f1_high],
        "by_label": row.by_label,
        "nll": row.nll,
        "brier": row.brier,
    }
