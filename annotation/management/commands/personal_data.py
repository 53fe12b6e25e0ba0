"""``personal_data``: what is held of somebody, a file of all of it, and taking it away."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.actions.personal_data import erase, held, told
from annotation.errors import VernacularError
from annotation.models import User


class Command(BaseCommand):
    """For whoever answers to a person who asks."""

    help = (
        "Say what is held of somebody: manage.py personal_data awa. With --export FILE write all of it"
        " as JSON; with --erase --yes take name, addresses and every way in away, and what they answered."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, and what to do."""
        parser.add_argument("username", help="how the person signs in")
        parser.add_argument("--export", type=Path, help="a new file")
        parser.add_argument("--erase", action="store_true")
        parser.add_argument(
            "--yes", action="store_true", help="it is meant, and there is no way back"
        )

    def handle(self, **options: Any) -> None:
        """Tell, write or erase."""
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is nobody with the user name {options['username']!r}.")
        if options["export"]:
            self._export(user, options["export"])
        if options["erase"]:
            self._erase(user, meant=options["yes"])
        if not options["export"] and not options["erase"]:
            for name, count in held(user).items():
                self.stdout.write(f"{count:>8,}  {name}")

    def _export(self, user: User, file: Path) -> None:
        try:
            with file.open("x", encoding="utf-8") as opened:
                file.chmod(0o600)
                json.dump(told(user), opened, ensure_ascii=False, indent=1, default=str)
        except OSError as error:
            raise CommandError(f"Cannot write {file}: {error}.") from error
        self.stdout.write(f"Everything that is held of {user} is in {file}.")

    def _erase(self, user: User, *, meant: bool) -> None:
        if not meant:
            raise CommandError("There is no way back from it: add --yes if it is meant.")
        try:
            erase(user, actor=None, now=timezone.now())
        except VernacularError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Erased; answers follow within minutes, while the service runs.")
