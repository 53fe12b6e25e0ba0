"""What waits for speakers: the queue behind both desks, language by language and text by text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, IntegerField, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from annotation.models import Annotation, Campaign, CampaignLanguage, Item, Reservation

COLUMNS = (
    *("language", "place", "text_id", "text", "why", "state", "answers", "wanted"),
    *("round", "since", "at_the_desk_since"),
)
CHUNK = 500


@dataclass(frozen=True)
class Waiting:
    """How much waits in one language, and for how long; ``listed`` is without what examines people."""

    home: CampaignLanguage
    held: int
    queued: int
    pushed: int
    listed: int
    oldest: datetime | None

    @property
    def open(self) -> int:
        """Everything that wants an answer."""
        return self.queued + self.pushed


def waiting_in(campaign: Campaign, *, now: datetime) -> list[Waiting]:
    """Return how much waits in each language, known answers among it."""
    rows = (
        Item.objects.open()
        .filter(campaign_language__campaign=campaign)
        .order_by()
        .values_list("campaign_language")
        .annotate(
            queued=Count("pk", filter=Q(state=Item.State.QUEUED)),
            pushed=Count("pk", filter=Q(state=Item.State.PUSHED)),
            listed=Count("pk", filter=~Q(kind__in=Item.EXAMINING)),
            oldest=Min("created_at"),
        )
    )
    counts: dict[int, tuple[Any, ...]] = {home: tuple(counted) for home, *counted in rows}
    held = dict(
        Reservation.objects.held(now=now)
        .filter(item__campaign_language__campaign=campaign)
        .order_by()
        .values_list("item__campaign_language")
        .annotate(Count("item", distinct=True))
    )
    return [
        Waiting(home, held.get(home.pk, 0), *counts.get(home.pk, (0, 0, 0, None)))
        for home in campaign.languages.select_related("language")
    ]


def open_items(campaign: Campaign, *, tag: str = "") -> "QuerySet[Item]":
    """Return what is asked, in the order in which it is; what examines people is not told here."""
    items = Item.objects.open().filter(campaign_language__campaign=campaign)
    if tag:
        items = items.filter(campaign_language__language__tag=tag)
    # Counted text by text, so that a page counts for what it shows and not for all that waits.
    answers = Annotation.objects.answered().filter(item=OuterRef("pk")).order_by().values("item")
    given = Subquery(answers.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
    return (
        items.exclude(kind__in=Item.EXAMINING)
        .select_related("campaign_language__language", "sample__language")
        .annotate(given=Coalesce(given, 0))
        .order_by("campaign_language__language__tag", "priority", "pk")
    )


def queue_rows(campaign: Campaign, *, tag: str = "") -> Iterator[Sequence[Any]]:
    """Yield the queue as the page shows it, each text with its place in its language."""
    language, place = "", 0
    items: Iterator[Any] = open_items(campaign, tag=tag).iterator(chunk_size=CHUNK)
    for item in items:
        here = item.campaign_language.language.tag
        language, place = here, place + 1 if here == language else 1
        yield (
            *(here, place, item.sample.uid, item.sample.shown, item.kind, item.state),
            *(item.given, item.wanted, item.batch, item.created_at.isoformat()),
            item.pushed_at.isoformat() if item.pushed_at else "",
        )
