"""``export_answers``: everything that somebody gave, as JSON or CSV."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.actions.own_answers import as_csv, as_json
from annotation.models import User


class Command(BaseCommand):
    """What the person's own page offers, for whoever asks an admin for it."""

    help = (
        "Write everything that somebody gave to a file: answers with what they said before, flags,"
        " notes, sessions, consents, memberships: manage.py export_answers awa answers.csv. The"
        " ending says how: .csv or .json. What was taken back is empty there too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, where to."""
        parser.add_argument("username", help="how the person signs in")
        parser.add_argument("file", type=Path, help="a new file that ends in .csv or .json")

    def handle(self, **options: Any) -> None:
        """Write it row by row."""
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is nobody with the user name {options['username']!r}.")
        file: Path = options["file"]
        write = {".csv": as_csv, ".json": as_json}.get(file.suffix)
        if write is None:
            raise CommandError(f"{file} ends neither in .csv nor in .json.")
        try:
            # Never over something that is there; and for nobody's eyes but the owner's.
            with file.open("x", encoding="utf-8", newline="") as opened:
                file.chmod(0o600)
                opened.writelines(write(user))
        except OSError as error:
            raise CommandError(f"Cannot write {file}: {error}.") from error
        self.stdout.write(f"Everything that {user} gave is in {file}.")
