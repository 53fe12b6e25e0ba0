"""What reports add to a round: texts like reported ones, within a quarter of what a language is due."""

from dataclasses import dataclass

from annotation.models import CampaignLanguage, Item, ReportLink
from learning.actions.desk_order import batch_name
from learning.models import Allotment, Round

# At most so much of what a language is asked in a round, beyond its quota.
BOOST = 0.25
MOST_SHOWN = 100


def boost_of(home: CampaignLanguage) -> int:
    """Return how many texts like reported ones a language may be asked in a round, one at least.

    Of what the newest round owed it; before any round, of an equal share.
    """
    last = home.allotments.order_by("-round__number").first()
    languages = max(1, home.campaign.languages.filter(active=True).count())
    due = last.target if last else home.campaign.items_per_round / languages
    return max(1, int(BOOST * due))


def room_of(home: CampaignLanguage) -> int:
    """Return how many more may be asked now: in a round that is open, of all that it has brought."""
    reports = home.items.filter(kind=Item.Kind.REPORT)
    waiting = reports.filter(state__in=Item.OPEN).count()
    open_ = Round.objects.filter(campaign=home.campaign_id).open().first()
    asked = reports.filter(batch=batch_name(open_)).count() if open_ else 0
    return boost_of(home) - max(waiting, asked)


@dataclass(frozen=True)
class Asked:
    """What a round asked in a language because of reports, and how much it might have at most."""

    home: CampaignLanguage
    most: int
    links: list[ReportLink]


def asked_for_reports(round_: Round) -> list[Asked]:
    """Return by language which texts a round asked because of which report."""
    links = ReportLink.objects.filter(
        kind=ReportLink.Kind.NEIGHBOUR,
        report__campaign=round_.campaign_id,
        item__batch=batch_name(round_),
    ).select_related("item__sample__language", "item__campaign_language__language", "report")
    found: dict[int, list[ReportLink]] = {}
    homes: dict[int, CampaignLanguage] = {}
    for link in links.order_by("item__campaign_language__language__tag", "report", "pk")[
        :MOST_SHOWN
    ]:
        if link.item is not None:
            home = link.item.campaign_language
            homes[home.pk] = home
            found.setdefault(home.pk, []).append(link)
    due = dict(Allotment.objects.filter(round=round_).values_list("campaign_language", "target"))
    return [
        Asked(home, max(1, int(BOOST * due.get(pk, 0))) if pk in due else boost_of(home), found[pk])
        for pk, home in homes.items()
    ]
