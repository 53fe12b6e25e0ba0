"""``add_annotator``: give a person an account and a place in a language's team."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from annotation.actions.people import add_speaker
from annotation.errors import VernacularError
from annotation.models import Annotator, Language


class Command(BaseCommand):
    """The labelling desk must be up, since the account there is made at once."""

    help = (
        "Add an annotator: manage.py add_annotator awa wo --name 'Awa Diop'. Asking again changes "
        "nothing; another language adds that one. The labelling desk must be running."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, in which language."""
        parser.add_argument("username", help="how the person signs in")
        parser.add_argument("language", help="tag of a language that a campaign has: wo")
        parser.add_argument("--name", default="", help="what others see; default: the user name")
        parser.add_argument(
            "--password-file", help="first line is the password; default: one is made and shown"
        )
        parser.add_argument(
            "--simulated", action="store_true", help="no person but a simulation, shown as such"
        )

    def handle(self, **options: Any) -> None:
        """Make the accounts and say how to sign in."""
        from django.utils import timezone

        from annotation.gateways.accounts import open_accounts

        language = _language(options["language"])
        given = _password(options["password_file"])
        kind = Annotator.Kind.SIMULATED if options["simulated"] else Annotator.Kind.PERSON
        try:
            welcome = add_speaker(
                username=options["username"],
                name=options["name"],
                language=language,
                kind=kind,
                desk=open_accounts(),
                password=given,
                now=timezone.now(),
            )
        except VernacularError as error:
            raise CommandError(str(error)) from error
        user = welcome.annotator.user
        self.stdout.write(f"{user} annotates {language.name} ({language.tag}).")
        self.stdout.write(
            f"Questions are answered in Label Studio: {settings.ENV.label_studio_url}\n"
            f"  e-mail:    {user.desk_email}\n"
            f"  password:  {_told(welcome.desk_password, given) or 'unchanged; the account was there'}"
        )
        if welcome.new_here:
            told = _told(welcome.page_password, given)
            self.stdout.write(
                f"In the pages of Vernacular: user name {user.username}, password {told}"
            )


def _told(password: str, given: str) -> str:
    if not password:
        return ""
    return "the given one" if given else f"{password} (shown only now)"


def _language(tag: str) -> Language:
    language = Language.objects.filter(tag__iexact=tag.replace("_", "-")).first()
    if language is None:
        known = ", ".join(Language.objects.values_list("tag", flat=True)[:40])
        raise CommandError(
            f"There is no language {tag!r}; there are: {known or 'none yet'}. "
            "A language comes with a campaign: manage.py create_campaign --help"
        )
    return language


def _password(file: str | None) -> str:
    if file is None:
        return ""
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"Cannot read a password from {file}: {error}.") from error
    if not lines or not lines[0].strip():
        raise CommandError(f"The first line of {file} is empty; it must be the password.")
    return lines[0].strip()
