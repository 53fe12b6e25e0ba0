"""``api_key``: keys for programs, each for one person, some scopes, and one campaign or all."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.actions.keys import create_key, revoke_key
from annotation.errors import VernacularError
from annotation.models import ApiKey, Campaign, Scope, User


class Command(BaseCommand):
    """A key may never more than its person, and its secret is shown once."""

    help = "Make, list and revoke keys of the JSON API."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Three things to do."""
        what = parser.add_subparsers(dest="what", required=True)
        create = what.add_parser("create", help="make a key and print its secret, once")
        create.add_argument("name", help="what it is for")
        create.add_argument("--user", required=True, help="sign-in name of whom it acts for")
        create.add_argument("--campaign", default="", help="only there; else wherever they may")
        create.add_argument(
            "--scope", action="append", choices=Scope.values, required=True, help="what it may"
        )
        create.add_argument("--days", type=int, help="how long it lasts; else until it is revoked")
        what.add_parser("list", help="keys, never their secrets")
        revoke = what.add_parser("revoke", help="have a key open nothing any more")
        revoke.add_argument("number", type=int)

    def handle(self, **options: Any) -> None:
        """Do it."""
        {"create": self._create, "list": self._list, "revoke": self._revoke}[options["what"]](
            options
        )

    def _create(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        slug, days = options["campaign"], options["days"]
        campaign = Campaign.objects.filter(slug=slug).first()
        if user is None:
            raise CommandError(f"Nobody signs in as {options['user']!r}.")
        if slug and campaign is None:
            raise CommandError(f"There is no campaign {slug!r}.")
        try:
            key, secret = create_key(
                user,
                name=options["name"],
                scopes=options["scope"],
                campaign=campaign,
                expires_at=timezone.now() + timedelta(days=days) if days else None,
            )
        except VernacularError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"Key {key.pk}, shown this once:")
        self.stdout.write(secret)

    def _list(self, _options: dict[str, Any]) -> None:
        for key in ApiKey.objects.select_related("user", "campaign"):
            where = key.campaign.slug if key.campaign else "everywhere"
            used = f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never"
            state = "revoked" if key.revoked_at else f"used {used}"
            self.stdout.write(f"{key.pk}  {key}  {where}  {','.join(key.scopes)}  {state}")

    def _revoke(self, options: dict[str, Any]) -> None:
        key = ApiKey.objects.filter(pk=options["number"]).first()
        if key is None:
            raise CommandError(f"There is no key {options['number']}.")
        fresh = revoke_key(key, now=timezone.now())
        self.stdout.write(
            f"{key} opens nothing any more." if fresh else f"{key} was revoked before."
        )
