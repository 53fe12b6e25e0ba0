"""``backup``: one consistent point of everything that an installation would miss."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from annotation.errors import VernacularError
from config.backup import manifest
from config.backup.places import Place
from config.backup.taking import take

HOUR = 3600
MARK = "backup.json"


class Command(BaseCommand):
    """Once, or again and again."""

    help = (
        "Write database, weights, embeddings, uploads, translations, secrets and Label Studio into a"
        " folder of the folder given, with the SHA-256 of every file, while the service goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, how many stay, how often."""
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--keep", type=int, default=0, metavar="N", help="keep the newest N; 0: all of them"
        )
        parser.add_argument(
            "--every", type=float, metavar="HOURS", help="go on, and take one every so many hours"
        )

    def handle(self, **options: Any) -> None:
        """Take one; with --every a failure is told and the next time tries again."""
        while True:
            try:
                self._take(options["folder"], keep=options["keep"])
            except (VernacularError, OSError) as error:
                if options["every"] is None:
                    raise CommandError(str(error)) from error
                self.stderr.write(f"No backup this time: {error}")
            if options["every"] is None:
                return
            connection.close()
            time.sleep(options["every"] * HOUR)

    def _take(self, folder: Path, *, keep: int) -> None:
        now, began = timezone.now(), time.monotonic()
        point = take(folder, now=now, place=Place.here(), keep=keep)
        told = manifest.read(point)
        mark = json.dumps({"made_at": told.made_at, "point": str(point)})
        (Path(settings.VAR_DIR) / MARK).write_text(mark)
        self.stdout.write(
            f"{point}: {len(told.files)} files, {told.bytes / 1e6:.1f} MB,"
            f" {time.monotonic() - began:.1f} s"
        )
        for one in told.left_out:
            self.stdout.write(f"  Not in it: {one}.")
