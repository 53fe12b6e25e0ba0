"""``restore``: back to a point that was backed up."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from annotation.errors import VernacularError
from config.backup import manifest
from config.backup.places import Place
from config.backup.restoring import newest, restore
from config.env import env
from config.stack import AlreadyRunningError, only_one


class Command(BaseCommand):
    """Every bit is checked before anything is touched."""

    help = (
        "Put a backup in place: that of the folder given, or the newest in it. The service must be"
        " stopped. What is here already is replaced only with --yes."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """From where, and how sure."""
        parser.add_argument("folder", type=Path)
        parser.add_argument("--yes", action="store_true", help="replace what is here")
        parser.add_argument("--check", action="store_true", help="only look whether it is whole")

    def handle(self, **options: Any) -> None:
        """Check, or check and restore."""
        point = newest(options["folder"])
        try:
            if options["check"]:
                told = manifest.check(point)
                self.stdout.write(f"{point} is whole: {len(told.files)} files.")
                return
            connection.close()
            with only_one(env().var_dir):
                told = restore(
                    point, place=Place.here(), now=timezone.now(), overwrite=options["yes"]
                )
        except AlreadyRunningError as error:
            raise CommandError(f"{error}\nStop it first (Ctrl-C there), then restore.") from error
        except (VernacularError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Restored what was at {told.made_at}, and every checksum fits. Now: python3 manage.py"
            " migrate, empty a Redis of your own (its messages are of another time), and start."
        )
