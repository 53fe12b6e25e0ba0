"""``take_second_step_away``: let somebody sign in without the phone that they have lost."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.actions.second_step import take_away
from annotation.errors import VernacularError
from annotation.models import User


class Command(BaseCommand):
    """For when no other superuser is there to do it in the admin."""

    help = (
        "Take the second step of signing in away from somebody who lost phone and recovery codes:"
        " manage.py take_second_step_away noor --reason 'Called me, I know her voice'. It is audited."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose, and why."""
        parser.add_argument("username", help="how the person signs in")
        parser.add_argument(
            "--reason",
            required=True,
            help="how you know who asks for it; kept for good, so name nobody",
        )

    def handle(self, **options: Any) -> None:
        """Take it away, and write down that it was."""
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is nobody with the user name {options['username']!r}.")
        try:
            take_away(user, actor=None, reason=options["reason"])
        except VernacularError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{user} signs in with the password alone until a phone is set up anew.")
