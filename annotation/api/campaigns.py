"""Campaigns and their languages, to read."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from annotation.api.door import A_PAGE, After, Limit, Page, campaign_in, key_in, page
from annotation.models import Campaign, CampaignLanguage, Scope
from annotation.permissions import Ability, campaigns_with

router = Router(tags=["campaigns"])


class LabelOut(Schema):
    """One class of a question."""

    key: str
    name: str
    names: dict[str, str]


class CampaignOut(Schema):
    """One question put to speakers of some languages."""

    slug: str
    title: str
    question: str
    objective: str
    status: str
    labels: list[LabelOut]
    created_at: datetime


class LanguageOut(Schema):
    """A language that takes part."""

    tag: str
    name: str
    autonym: str
    script: str
    direction: str
    active: bool


def _campaign(one: Campaign) -> CampaignOut:
    labels = [LabelOut(key=x.key, name=x.name, names=x.names) for x in one.labels.all()]
    return CampaignOut(
        slug=one.slug,
        title=one.title,
        question=one.question,
        objective=one.objective,
        status=one.status,
        labels=labels,
        created_at=one.created_at,
    )


def _language(home: CampaignLanguage) -> LanguageOut:
    known = home.language
    return LanguageOut(
        tag=known.tag,
        name=known.name,
        autonym=known.autonym,
        script=known.script,
        direction=known.direction,
        active=home.active,
    )


@router.get("/campaigns", response=Page[CampaignOut], summary="Campaigns that the key may see")
def list_campaigns(
    request: HttpRequest, after: After = "", limit: Limit = A_PAGE
) -> dict[str, Any]:
    key = key_in(request, scope=Scope.READ)
    seen = campaigns_with(key.user, Ability.WATCH).prefetch_related("labels")
    mine = seen.filter(pk=key.campaign_id) if key.campaign_id else seen
    return page(mine, after=after, limit=limit, as_row=_campaign)


@router.get("/campaigns/{slug}", response=CampaignOut, summary="One campaign")
def get_campaign(request: HttpRequest, slug: str) -> CampaignOut:
    return _campaign(campaign_in(request, slug, scope=Scope.READ))


@router.get("/campaigns/{slug}/languages", response=Page[LanguageOut], summary="Its languages")
def list_languages(
    request: HttpRequest, slug: str, after: After = "", limit: Limit = A_PAGE
) -> dict[str, Any]:
    homes = campaign_in(request, slug, scope=Scope.READ).languages.select_related("language")
    return page(homes, after=after, limit=limit, as_row=_language)
