"""``list_campaigns``: what campaigns there are."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count

from annotation.models import Campaign, CampaignLanguage, Sample


class Command(BaseCommand):
    """One line a campaign."""

    help = "List the campaigns with their status, languages and samples."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """For whom."""
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, **options: Any) -> None:
        """Write the table, or the list."""
        found = _campaigns()
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        if not found:
            self.stdout.write("There is no campaign yet. See: manage.py create_campaign --help")
            return
        self.stdout.write(f"{'campaign':<30} {'status':<9} {'languages':>9} {'samples':>9}  title")
        for one in found:
            self.stdout.write(
                "{campaign:<30} {status:<9} {languages:>9} {samples:>9,}  {title}".format(**one)
            )


def _campaigns() -> list[dict[str, Any]]:
    languages = Counter(CampaignLanguage.objects.values_list("campaign", flat=True))
    counted = Sample.objects.order_by().values_list("campaign").annotate(Count("pk"))
    texts = Counter(dict(counted))
    return [
        {
            "campaign": one.slug,
            "title": one.title,
            "status": one.status,
            "languages": languages[one.pk],
            "samples": texts[one.pk],
        }
        for one in Campaign.objects.all()
    ]
