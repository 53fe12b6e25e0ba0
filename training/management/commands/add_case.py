"""``add_case``: add a regression case, from a text or from gold."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.models import Campaign, GoldItem
from training.actions.cases import add_case, case_from_gold
from training.management.choosing import campaign_named, complaints


class Command(BaseCommand):
    """What the page of regression cases does."""

    help = (
        "Add a text that must stay right: every candidate is asked it, none is trained on it, and"
        " one that gets it wrong where the champion was right is named."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The text with its right answers, or a gold text."""
        parser.add_argument("campaign", help="short name of the campaign")
        parser.add_argument("--language", help="tag of the text's language")
        parser.add_argument("--text", help="what is asked")
        parser.add_argument(
            "--expect", action="append", default=[], help="key of a right label; may be repeated"
        )
        parser.add_argument("--source", default="", help="where it comes from")
        parser.add_argument(
            "--gold", help="id of a gold text, as it was imported, in place of all that"
        )

    def handle(self, **options: Any) -> None:
        """Add it, or say what is wrong."""
        campaign = campaign_named(options["campaign"])
        with complaints():
            if options["gold"]:
                case = case_from_gold(_gold(campaign, options["gold"]))
            else:
                case = add_case(
                    campaign,
                    tag=options["language"] or "",
                    text=options["text"] or "",
                    expected=options["expect"],
                    source=options["source"],
                )
        self.stdout.write(f"Case {case.pk}: {case.language.tag} “{case}”.")


def _gold(campaign: Campaign, name: str) -> GoldItem:
    gold = GoldItem.objects.filter(sample__campaign=campaign, sample__external_id=name).first()
    if gold is None:
        raise CommandError(f"No gold text of {campaign.slug!r} has the id {name!r}.")
    return gold
