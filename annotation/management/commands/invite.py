"""``invite``: make a personal link for somebody, without a password."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.actions.invitations import invite
from annotation.errors import VernacularError
from annotation.models import Campaign, Language, Role


class Command(BaseCommand):
    """Works while nothing else runs; the link opens once the pages do."""

    help = (
        "Invite somebody: manage.py invite messages 'Awa Diop' wo. The link is shown once; it "
        "needs no password and can be revoked on the people page."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, to which campaign and languages, as what."""
        parser.add_argument("campaign", help="short name of the campaign")
        parser.add_argument("name", help="what the person is called")
        parser.add_argument("languages", nargs="*", help="tags of languages of the campaign: wo ff")
        parser.add_argument(
            "--role", choices=Role.values, default=Role.ANNOTATOR, help="default: %(default)s"
        )
        parser.add_argument("--interface", default="", help="language of the pages: fr")
        parser.add_argument("--days", type=int, help="the link runs out; default: it does not")

    def handle(self, **options: Any) -> None:
        """Make the link and show it."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. manage.py list_campaigns shows all."
            )
        tags = [tag.replace("_", "-") for tag in options["languages"]]
        if options["days"] is not None and options["days"] < 1:
            raise CommandError("--days must be 1 or more.")
        ends = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        try:
            ticket = invite(
                campaign,
                name=options["name"],
                languages=[_language(tag) for tag in tags],
                role=options["role"],
                interface=options["interface"] or (tags[0] if tags else "en"),
                actor=None,
                expires_at=ends,
            )
        except VernacularError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{ticket.invitation.name}: open this link; it is shown only now.")
        self.stdout.write(ticket.address)


def _language(tag: str) -> Language:
    language = Language.objects.filter(tag__iexact=tag).first()
    if language is None:
        raise CommandError(f"There is no language {tag!r}. It comes with a campaign.")
    return language
