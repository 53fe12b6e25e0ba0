"""``setup``: install and prepare everything, run nothing."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.env import env
from config.first_run import prepare_database
from config.installing import SetupError
from config.services import find_redis
from config.stack import prepare_desk_data


class Command(BaseCommand):
    """What ``manage.py`` has not done before this command could even begin."""

    help = "Install and prepare everything, but start nothing."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """What ``manage.py`` has looked for before Django was there."""
        parser.add_argument(
            "--telemetry", action="store_true", help="with what sends traces and crash reports"
        )

    def handle(self, **options: Any) -> None:
        """Database, static files, admin, Label Studio's template; says how long it took."""
        began = time.monotonic()
        try:
            if not env().redis_url:
                self.stdout.write(f"Redis: {find_redis()}")
            prepare_database()
            if not env().label_studio_url:
                prepare_desk_data(env().var_dir / "label-studio", say=self.stdout.write)
        except SetupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Everything is ready ({time.monotonic() - began:.0f} s). Next: python3 manage.py up"
        )
