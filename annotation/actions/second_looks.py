"""Second looks: what a supervised person has answered is asked of one more, once an item."""

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from annotation.actions.queue import ask_one_more
from annotation.actions.standings import counting
from annotation.models import Annotation, CampaignLanguage, Item, SecondLook, Standing
from annotation.permissions import team_of

MOST_AT_ONCE = 200


def look_again(home: CampaignLanguage) -> int:
    """Ask one more person about what supervised people answered; each item once, ever.

    Where nobody else is left to ask, nothing is asked: the answer keeps its weight.
    """
    if not home.campaign.calibrate:
        return 0
    waiting = _supervised_answers(home).values_list("pk", flat=True)[:MOST_AT_ONCE]
    return sum(_look_again(pk) for pk in list(waiting))


def _supervised_answers(home: CampaignLanguage) -> QuerySet[Annotation]:
    """Answers that somebody gave while supervised, to items that were not asked again yet."""
    supervised = Standing.objects.filter(campaign=home.campaign_id, state=Standing.State.SUPERVISED)
    heard = Annotation.objects.exclude(state=Annotation.State.DELETED).filter(
        item=OuterRef(OuterRef("item")), annotator=OuterRef("pk")
    )
    team = counting(home.campaign, team_of(home.campaign, home.language))
    return (
        Annotation.objects.answered()
        .filter(
            item__campaign_language=home,
            item__second_look=None,
            annotator__standings__in=supervised,
            created_at__gte=F("annotator__standings__since"),
        )
        .filter(Exists(team.filter(~Exists(heard))))
        .exclude(item__kind__in=Item.EXAMINING)
        .exclude(item__state=Item.State.WITHDRAWN)
        .order_by("pk")
    )


@transaction.atomic
def _look_again(annotation_id: int) -> bool:
    annotation = Annotation.objects.get(pk=annotation_id)
    item = Item.objects.select_for_update().get(pk=annotation.item_id)
    if SecondLook.objects.filter(item=item).exists():
        return False
    elsewhere = Item.objects.open().filter(sample=item.sample_id).exclude(pk=item.pk)
    if elsewhere.exists():
        return False
    SecondLook.objects.create(item=item, annotation=annotation)
    ask_one_more(item)
    return True
