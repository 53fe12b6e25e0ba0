"""``webhook``: programs elsewhere that hear what happens in a campaign."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.actions.webhooks import (
    add_webhook,
    go_on,
    ping,
    secret_of,
    stop_webhook,
    turn_secret,
)
from annotation.errors import VernacularError
from annotation.models import Campaign, Webhook
from training.actions.news import NEWS


class Command(BaseCommand):
    """What the page *Webhooks* of a campaign does."""

    help = (
        "Tell programs elsewhere what happens in a campaign: manage.py webhook add CAMPAIGN"
        " https://example.org/news --kind gate.decided prints the secret that news are signed with"
        f" (standardwebhooks.com). News: {', '.join(one.kind for one in NEWS)}; without --kind all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do, and with which."""
        what = parser.add_subparsers(dest="what", required=True)
        add = what.add_parser("add", help="tell an address from now on; prints its secret")
        add.add_argument("campaign", help="the campaign's short name")
        add.add_argument("url", help="where to: it begins with https://")
        add.add_argument(
            "--kind", action="append", default=[], help="only such news; again for more"
        )
        show = what.add_parser("list", help="addresses, and how it goes with each")
        show.add_argument("campaign", help="the campaign's short name")
        for name, help_text in (
            ("try", "send something that means nothing"),
            ("stop", "send nothing there any more"),
            ("go-on", "send there again, and what it missed"),
            ("secret", "sign with another secret, and print it"),
            ("remove", "forget it, and what waited for it"),
        ):
            one = what.add_parser(name, help=help_text)
            one.add_argument("number", type=int, help="its number in the list")

    def handle(self, **options: Any) -> None:
        """Do it."""
        try:
            if "campaign" in options:
                self._of_campaign(options)
            else:
                self._of_one(options)
        except VernacularError as error:
            raise CommandError(f"{error}") from error

    def _of_campaign(self, options: dict[str, Any]) -> None:
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign']!r}.")
        if options["what"] == "add":
            made = add_webhook(campaign, url=options["url"], kinds=options["kind"], news=NEWS)
            self.stderr.write(f"Webhook {made.pk}; its secret, shown this once:")
            self.stdout.write(secret_of(made))
            return
        for one in campaign.webhooks.all():
            state = "stopped" if one.stopped_at else "failing" if one.failing_since else "well"
            kinds = ",".join(one.kinds) or "all"
            self.stdout.write(f"{one.pk}  {one.url}  {kinds}  {state}")

    def _of_one(self, options: dict[str, Any]) -> None:
        webhook = Webhook.objects.filter(pk=options["number"]).first()
        if webhook is None:
            raise CommandError(f"There is no webhook {options['number']}.")
        now, what = timezone.now(), options["what"]
        if what == "secret":
            self.stdout.write(turn_secret(webhook))
        elif what == "try":
            ping(webhook, now=now)
            self.stdout.write("Something is sent there within a minute.")
        elif what == "stop":
            stop_webhook(webhook, now=now)
            self.stdout.write("Nothing is sent there any more.")
        elif what == "go-on":
            go_on(webhook, now=now)
            self.stdout.write("It is sent there again, and what it missed.")
        else:
            webhook.delete()
            self.stdout.write("It is removed.")
