"""preview_round CAMPAIGN: what the next round would ask, without asking it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.models import Campaign, Sample
from learning.actions.pools import preview_quota, request_of
from learning.actions.quota_settings import next_seed
from learning.actions.rounds import seed_of
from learning.actions.serving import serving_version
from learning.methods.selection import select
from learning.models import Round


class Command(BaseCommand):
    """Print the quota of every language and the first picks; nothing is saved."""

    help = "Show what the next round of a campaign would ask, without saving anything."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the campaign's short name and how many picks to show."""
        parser.add_argument("campaign", help="short name of the campaign")
        parser.add_argument("--top", type=int, default=10, help="how many picks to show")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print both tables."""
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. See: manage.py list_campaigns"
            )
        self._quotas(campaign)
        self._picks(campaign, top=max(0, options["top"]))

    def _quotas(self, campaign: Campaign) -> None:
        line = "{:<12} {:>9} {:>9} {:>8} {:>7} {:>5} {:>6}  {}"
        head = ("language", "samples", "texts", "carried", "target", "gets", "audit", "capped by")
        self.stdout.write(line.format(*head))
        for row in preview_quota(campaign, seed=next_seed(campaign)):
            quota = row.quota
            numbers = (f"{row.debt:.2f}", f"{quota.target:.2f}", quota.got, quota.audit)
            self.stdout.write(
                line.format(row.tag, row.samples, row.texts, *numbers, quota.capped_by).rstrip()
            )

    def _picks(self, campaign: Campaign, *, top: int) -> None:
        version = serving_version(campaign)
        if version is None:
            self.stdout.write("No model version serves yet, so there are no picks to show.")
            return
        last = campaign.rounds.first()
        number = last.number + 1 if last else 1
        round_ = Round(
            campaign=campaign,
            version=version,
            number=number,
            seed=seed_of(campaign, number=number),
            strategy=campaign.strategy,
            mix=campaign.strategy_mix,
        )
        batch = select(request_of(round_))
        shown = batch.items[:top]
        texts = Sample.objects.in_bulk([int(pick.item_id) for pick in shown])
        self.stdout.write(f"\n{len(batch.items)} picks, the first {len(shown)}:")
        for pick in shown:
            text = " ".join(texts[int(pick.item_id)].shown.split())[:60]
            self.stdout.write(f"  {text}\n    {pick.rationale}")
