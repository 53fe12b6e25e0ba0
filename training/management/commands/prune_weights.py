"""``prune_weights``: make room by removing the bytes of versions that nothing can need any more."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from training.actions.pruning import prune
from training.management.choosing import complaints


class Command(BaseCommand):
    """Records, cards and lineage stay."""

    help = (
        "Remove the stored weights of old versions that never served and that no run, gate, round or"
        " scoring can need. Whatever has ever served stays: a rollback may want it, and the gate"
        " compares with the best of them. --dry-run shows what would go."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How old, and whether in earnest."""
        parser.add_argument("--days", type=float, default=30.0, help="spare younger ones (30)")
        parser.add_argument("--dry-run", action="store_true", help="only show what would go")

    def handle(self, **options: Any) -> None:
        """Prune and say what went."""
        older = timedelta(days=options["days"])
        with complaints():
            gone = prune(older_than=older, now=timezone.now(), dry_run=options["dry_run"])
        for row in gone:
            self.stdout.write(
                f"  {row.version.campaign.slug} {row.version}  {row.size / 1e6:.1f} MB"
            )
        verb = "would go" if options["dry_run"] else "are gone"
        total = sum(row.size for row in gone) / 1e6
        self.stdout.write(f"{len(gone)} versions, {total:.1f} MB {verb}.")
