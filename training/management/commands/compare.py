"""``compare``: two versions of a campaign side by side, language by language."""

import csv
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from training.actions.comparisons import Comparison, LanguageRow, Side
from training.actions.measuring import compare, process_clock
from training.management.choosing import (
    CAMPAIGN,
    add_version,
    campaign_named,
    complaints,
    version_named,
)

LINE = "  {:<14} {:>5}  {:>6} {:>6}  {:<26} {:>7}  {:>5} {:>6} {:>7}"
COLUMNS = (
    "language",
    "items",
    "a_accuracy",
    "b_accuracy",
    "a_macro_f1",
    "b_macro_f1",
    "delta",
    "delta_low",
    "delta_high",
    "mcnemar_p",
    "fixed",
    "broken",
    "changed",
    "macro_f1_delta",
    "macro_f1_low",
    "macro_f1_high",
)


class Command(BaseCommand):
    """Descriptive; whether a version may serve is the gate's to say."""

    help = (
        "Compare version A with version B on the same gold: per language the difference B - A in"
        " accuracy with its 95 %% interval (Tango) and, where the gate goes by it, in macro-F1 (paired"
        " bootstrap), the exact two-sided McNemar p, how many answers"
        " B mends, breaks and changes; their size, and their speed on this machine."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which two, for whom."""
        parser.add_argument("campaign", help=CAMPAIGN)
        add_version(parser, "a", told="the version to start from: 3 or v3")
        add_version(parser, "b", told="the version to compare with it")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="everything, for programs")
        form.add_argument(
            "--csv", action="store_true", help="one line a language, for spreadsheets"
        )
        parser.add_argument("--no-speed", action="store_true", help="do not time them")

    def handle(self, **options: Any) -> None:
        """Measure what was not measured yet, compare, show."""
        campaign = campaign_named(options["campaign"])
        a, b = (version_named(campaign, name=options[name]) for name in ("a", "b"))
        with complaints():
            found = compare(a, b, clock=None if options["no_speed"] else process_clock)
        if options["json"]:
            self.stdout.write(json.dumps(found.record(), ensure_ascii=False, indent=2))
        elif options["csv"]:
            writer = csv.writer(self.stdout)
            writer.writerow(COLUMNS)
            writer.writerows(_cells(row) for row in found.rows)
        else:
            self._show(found)

    def _show(self, found: Comparison) -> None:
        self.stdout.write(f"A is {found.a.version}, B is {found.b.version}; B - A")
        heads = (
            "language",
            "gold",
            "A",
            "B",
            "difference (95 %)",
            "p",
            "fixed",
            "broken",
            "changed",
        )
        self.stdout.write(LINE.format(*heads))
        for row in found.rows:
            self.stdout.write(_line(row))
            if row.f1.value is not None:
                low, high = row.f1.low or 0.0, row.f1.high or 0.0
                told = f"{row.f1.value:+.3f} ({low:+.3f} to {high:+.3f})"
                self.stdout.write(f"  {'':<14} macro-F1 {told}")
        if found.delta is not None and found.low is not None and found.high is not None:
            self.stdout.write(
                f"Mean over languages {found.delta:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
            )
        for name, side in (("A", found.a), ("B", found.b)):
            self.stdout.write(f"{name}: {_side(side)}")


def _line(row: LanguageRow) -> str:
    if row.delta is None or row.low is None or row.high is None or row.p is None:
        return f"  {row.language.tag:<14} {row.items:>5}  no gold to compare on"
    return LINE.format(
        row.language.tag,
        row.items,
        f"{row.a.value:.3f}",
        f"{row.b.value:.3f}",
        f"{row.delta:+.3f} ({row.low:+.3f} to {row.high:+.3f})",
        f"{row.p:.4f}",
        row.fixed,
        row.broken,
        row.changed,
    )


def _side(side: Side) -> str:
    size = "bytes not kept" if side.size is None else f"{side.size / 1e6:.1f} MB"
    if side.texts_per_second is None:
        return size
    return f"{size}, {side.texts_per_second:,.0f} texts a processor second here"


def _cells(row: LanguageRow) -> list[Any]:
    return [
        row.language.tag,
        row.items,
        row.a.value,
        row.b.value,
        row.a_macro_f1,
        row.b_macro_f1,
        row.delta,
        row.low,
        row.high,
        row.p,
        row.fixed,
        row.broken,
        row.changed,
        row.f1.value,
        row.f1.low,
        row.f1.high,
    ]
