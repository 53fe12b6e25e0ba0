"""What was asked and what people said, to take out page by page."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema

from annotation.actions.listing import answers_behind
from annotation.api.door import A_PAGE, After, Limit, Page, Tag, campaign_in, page
from annotation.models import Annotation, Item, Scope

router = Router(tags=["answers"])
SAID = (Annotation.State.ANSWERED, Annotation.State.SKIPPED)


class AgreedOut(Schema):
    """What people agreed on so far; `disputed` waits for somebody to decide."""

    label: str
    value: Any = None
    confidence: float
    answers: int
    disputed: bool


class ItemOut(Schema):
    """One text that was put to speakers."""

    id: UUID
    sample: UUID
    external_id: str | None
    language: str
    text: str
    kind: str
    state: str
    wanted: int
    created_at: datetime
    answered_at: datetime | None
    consensus: AgreedOut | None


class AnswerOut(Schema):
    """What one person says of one text now; people are numbers here, and never names."""

    number: int
    item: UUID
    sample: UUID
    language: str
    kind: str
    person: int
    state: str
    label: str | None
    value: Any = None
    flag: str
    note: str
    revision: int
    source: str
    lead_seconds: float | None
    created_at: datetime
    updated_at: datetime


def _item(one: Item) -> ItemOut:
    agreed = getattr(one.sample, "consensus", None)
    return ItemOut(
        id=one.uid,
        sample=one.sample.uid,
        external_id=one.sample.external_id,
        language=one.campaign_language.language.tag,
        text=one.sample.text,
        kind=one.kind,
        state=one.state,
        wanted=one.wanted,
        created_at=one.created_at,
        answered_at=one.answered_at,
        consensus=agreed
        and AgreedOut(
            label=agreed.label.key,
            value=agreed.label.value,
            confidence=agreed.confidence,
            answers=agreed.answers,
            disputed=agreed.disputed,
        ),
    )


def _answer(one: Annotation) -> AnswerOut:
    # What was taken back or deleted is told as that, and not what it said.
    said = one if one.state in SAID else None
    label = said.label if said else None
    return AnswerOut(
        number=one.pk,
        item=one.item.uid,
        sample=one.item.sample.uid,
        language=one.annotator.language.tag,
        kind=one.item.kind,
        person=one.annotator.user_id,
        state=one.state,
        label=label.key if label else None,
        value=label.value if label else None,
        flag=said.flag if said else "",
        note=said.note if said else "",
        revision=one.revision,
        source=one.source,
        lead_seconds=said.lead_seconds if said else None,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


@router.get("/campaigns/{slug}/items", response=Page[ItemOut], summary="Texts that were asked")
def list_items(
    request: HttpRequest,
    slug: str,
    language: Tag = "",
    after: After = "",
    limit: Limit = A_PAGE,
) -> dict[str, Any]:
    campaign = campaign_in(request, slug, scope=Scope.EXPORT)
    rows = Item.objects.filter(campaign_language__campaign=campaign).select_related(
        "sample__consensus__label", "campaign_language__language"
    )
    mine = rows.filter(campaign_language__language__tag=language) if language else rows
    return page(mine, after=after, limit=limit, as_row=_item)


@router.get("/campaigns/{slug}/answers", response=Page[AnswerOut], summary="What people said")
def list_answers(
    request: HttpRequest,
    slug: str,
    language: Tag = "",
    after: After = "",
    limit: Limit = A_PAGE,
) -> dict[str, Any]:
    campaign = campaign_in(request, slug, scope=Scope.EXPORT)
    rows = Annotation.objects.filter(item__campaign_language__campaign=campaign)
    rows = rows.select_related("item__sample", "annotator__language", "label")
    if language:
        home = campaign.languages.filter(language__tag=language).first()
        some = answers_behind(home, after=int(after or 0), most=limit + 1) if home else ()
        rows = rows.filter(pk__in=some)
    return page(rows, after=after, limit=limit, as_row=_answer)
