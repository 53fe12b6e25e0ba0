"""``list_campaigns``: what campaigns there are."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count

from annotation.models import Campaign, CampaignLanguage, Sample


class Command(BaseCommand):
    """One line a campaign."""

    help = "List the campaigns with their status, languages and samples."

    def handle(self, **options: Any) -> None:
        """Write the table."""
        campaigns = Campaign.objects.all()
        if not campaigns:
            self.stdout.write("There is no campaign yet. See: manage.py create_campaign --help")
            return
        self.stdout.write(f"{'campaign':<30} {'status':<9} {'languages':>9} {'samples':>9}  title")
        languages = Counter(CampaignLanguage.objects.values_list("campaign", flat=True))
        counted = Sample.objects.order_by().values_list("campaign").annotate(Count("pk"))
        texts = Counter(dict(counted))
        for one in campaigns:
            status = str(one.get_status_display())
            self.stdout.write(
                f"{one.slug:<30} {status:<9} {languages[one.pk]:>9} {texts[one.pk]:>9,}  {one.title}"
            )
