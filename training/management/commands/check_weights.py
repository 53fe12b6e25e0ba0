"""``check_weights``: whether every version's bytes are there and are what was stored."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.actions.pruning import check_all_weights


class Command(BaseCommand):
    """Reads every byte of a folder; asks a bucket for its checksums."""

    help = (
        "Check the stored weights of every version. With --repair a sound copy on this machine is put"
        " back into the bucket that VERNACULAR_WEIGHTS names. Ends with an error if any is damaged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to mend."""
        parser.add_argument("--repair", action="store_true", help="mend what can be mended here")

    def handle(self, **options: Any) -> None:
        """Check and tell."""
        found = check_all_weights(repair=options["repair"])
        for row in found:
            if row.trouble:
                mended = " Mended." if row.repaired else ""
                self.stdout.write(
                    f"  {row.version.campaign.slug} {row.version}: {row.trouble}{mended}"
                )
        bad = sum(bool(row.trouble) and not row.repaired for row in found)
        if bad:
            raise CommandError(f"{bad} of {len(found)} versions cannot be served.")
        self.stdout.write(f"{len(found)} versions are sound.")
