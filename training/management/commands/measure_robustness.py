"""``measure_robustness``: a version on mixed languages, dialects and careless typing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from training.actions.robustness import measure_robustness
from training.management.choosing import (
    CAMPAIGN,
    add_version,
    campaign_named,
    complaints,
    version_named,
)

LINE = "  {:<14} {:<34} {:>6}  {:<24} {:<26}"


class Command(BaseCommand):
    """Measured once on each state of the gold; the version's page shows it, too."""

    help = (
        "Measure a version on slices of the gate's gold, language by language: texts in several"
        " languages and texts of a dialect against the others, and all texts as they are typed without"
        " marks, on a keyboard without special letters, or in Latin letters, against themselves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which version."""
        parser.add_argument("campaign", help=CAMPAIGN)
        add_version(parser)

    def handle(self, **options: Any) -> None:
        """Measure and show."""
        campaign = campaign_named(options["campaign"])
        version = version_named(campaign, name=options["version"])
        with complaints():
            rows = measure_robustness(version, campaign=campaign)
        self.stdout.write(f"{version} on slices of the gold of {campaign.slug!r}")
        self.stdout.write(LINE.format("language", "slice", "texts", "accuracy", "difference"))
        for row in rows:
            told = f"{row.accuracy:.3f} ({row.accuracy_low:.3f} to {row.accuracy_high:.3f})"
            gap = "–"
            if row.difference is not None:
                ends = f"{row.difference_low:+.3f} to {row.difference_high:+.3f}"
                gap = f"{row.difference:+.3f} ({ends})"
            name = str(row.get_kind_display())
            self.stdout.write(LINE.format(row.language.tag, name, row.items, told, gap).rstrip())
