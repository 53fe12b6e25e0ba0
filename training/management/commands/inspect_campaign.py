"""``inspect_campaign``: where a campaign stands, as a table or as JSON."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.models import Campaign
from training.actions.inspection import inspect

COLUMNS = {
    "language": "language",
    "annotators": "people",
    "pool": "pool",
    "gold_dev": "gold dev",
    "gold_gate": "gold gate",
    "asked": "asked",
    "answered": "answered",
    "quarantined": "quarantined",
}


class Command(BaseCommand):
    """One campaign on one screen."""

    help = "Show a campaign: its languages, imports, rounds, serving version and last gate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one, for whom."""
        parser.add_argument("campaign", help="short name of the campaign")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, **options: Any) -> None:
        """Look and show."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. See: manage.py list_campaigns"
            )
        found = inspect(campaign)
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        self.stdout.write(f"{found['title']} ({found['campaign']}): {found['status']}")
        self.stdout.write(f"{found['question']}  [{', '.join(found['labels'])}]\n")
        self.stdout.write(_table(found["languages"]))
        for lines in (
            _imports(found["imports"]),
            _rounds(found["rounds"]),
            _model(found),
            _outlook(found),
        ):
            if lines:
                self.stdout.write("\n" + "\n".join(lines))


def _table(languages: Sequence[Mapping[str, Any]]) -> str:
    rows = [list(COLUMNS.values())]
    rows += [[_cell(one[name]) for name in COLUMNS] for one in languages]
    totals = [sum(one[name] for one in languages) for name in list(COLUMNS)[1:]]
    rows.append(["all", *map(_cell, totals)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _imports(imports: Sequence[Mapping[str, Any]]) -> list[str]:
    if not imports:
        return ["No import yet. See: manage.py import_samples --help"]
    return ["Imports"] + [
        f"  {one['number']:>4} {one['status']:<8} {one['rows_kept']:>9,} kept "
        f"{one['rows_refused']:>6,} refused {100 * one['share_read']:>4.0f} %  {one['file']}"
        + (f"\n       {one['error']}" if one["error"] else "")
        for one in imports
    ]


def _rounds(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rounds:
        return ["No round yet."]
    return ["Rounds, newest first"] + [
        f"  {one['number']:>4} {one['status']:<11} since {one['opened'][:16]}  {one['note']}".rstrip()
        for one in rounds
    ]


def _model(found: Mapping[str, Any]) -> list[str]:
    lines = [f"Serving: {found['serving'] or 'nothing yet'}"]
    if gate := found["last_gate"]:
        lines.append(
            f"Last gate: {gate['verdict']}, {gate['candidate']} against {gate['champion']}"
        )
        lines += [f"  {reason}" for reason in gate["reasons"]]
    return lines


def _outlook(found: Mapping[str, Any]) -> list[str]:
    if not found["outlook"]:
        return []
    line = "  {:<12} {:>7}  {:<26} {:<9} {}"
    lines = [
        line.format("language", "labels", "100 more add", "advice", "selection against random")
    ]
    for row in found["outlook"]:
        advice = "stopped" if row["stopped"] else "may stop" if row["may_stop"] else "go on"
        lines.append(
            line.format(
                row["language"],
                "-" if row["labels"] is None else row["labels"],
                _difference(row["gain_per_100"]),
                advice,
                _difference(row["selection_gain"]),
            ).rstrip()
        )
    return ["Outlook, with 95 % intervals", *lines]


def _difference(told: Sequence[float | None] | None) -> str:
    if not told or None in told:
        return "not known yet"
    value, low, high = (f"{number:+.3f}" for number in told if number is not None)
    return f"{value} ({low} to {high})"
