"""Webhooks by program: which addresses hear of a campaign, and what went out to them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from annotation.actions.webhooks import (
    add_webhook,
    go_on,
    ping,
    secret_of,
    stop_webhook,
    turn_secret,
    whereto,
)
from annotation.api.door import A_PAGE, After, Limit, Page, campaign_in, key_in, page
from annotation.errors import NotFoundError
from annotation.models import Campaign, Scope, Webhook, WebhookDelivery
from training.actions.news import NEWS

router = Router(tags=["webhooks"])
ADDRESS = (
    r"^https://[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~%?&=/-]*)?$"
)
KINDS = [one.kind for one in NEWS]
Kind = Annotated[str, Field(json_schema_extra={"enum": KINDS})]


class WebhookIn(Schema):
    """Where to, and what of; no kind: all of them."""

    url: Annotated[str, Field(max_length=500, pattern=ADDRESS)]
    kinds: list[Kind] = []


class WebhookChange(Schema):
    """Whether anything is sent there."""

    state: Literal["running", "stopped"]


class WebhookOut(Schema):
    """An address that hears of a campaign."""

    number: int
    url: str
    kinds: list[str]
    state: Literal["running", "stopped", "failing"]
    created_at: datetime


class WebhookMade(WebhookOut):
    """The same with what news are signed with, told this once."""

    secret: str


class DeliveryOut(Schema):
    """One piece of news on its way there."""

    id: UUID
    kind: str
    number: int
    state: str
    tries: int
    due_at: datetime
    answered: int | None
    error: str


def _told(one: Webhook) -> dict[str, Any]:
    state = "stopped" if one.stopped_at else "failing" if one.failing_since else "running"
    return {
        "number": one.pk,
        "url": one.url,
        "kinds": one.kinds,
        "state": state,
        "created_at": one.created_at,
    }


def _webhook(one: Webhook) -> WebhookOut:
    return WebhookOut(**_told(one))


def _made(one: Webhook, secret: str) -> WebhookMade:
    return WebhookMade(**_told(one), secret=secret)


def _delivery(one: WebhookDelivery) -> DeliveryOut:
    return DeliveryOut(
        id=one.uid,
        kind=one.kind,
        number=one.number,
        state=one.state,
        tries=one.tries,
        due_at=one.due_at,
        answered=one.answered,
        error=one.error,
    )


def _find(campaign: Campaign, number: int) -> Webhook:
    found = campaign.webhooks.filter(pk=number).first() if 0 < number < 2**63 else None
    if found is None:
        raise NotFoundError(f"There is no webhook {number} of {campaign.slug}.")
    return found


def _named(request: HttpRequest, slug: str, number: int, *, do: str) -> Webhook:
    """The webhook of a call that changes it; the audit is told of which host."""
    found = _find(campaign_in(request, slug, scope=Scope.WEBHOOKS), number)
    _note(request, found, do=do)
    return found


def _note(request: HttpRequest, webhook: Webhook, *, do: str) -> None:
    told = {"webhook": webhook.pk, "host": whereto(webhook), "do": do}
    request.done_to = told  # type: ignore[attr-defined]


@router.get(
    "/campaigns/{slug}/webhooks", response=Page[WebhookOut], summary="Addresses that hear of it"
)
def list_webhooks(
    request: HttpRequest, slug: str, after: After = "", limit: Limit = A_PAGE
) -> dict[str, Any]:
    campaign = campaign_in(request, slug, scope=Scope.WEBHOOKS)
    return page(campaign.webhooks.all(), after=after, limit=limit, as_row=_webhook)


@router.post(
    "/campaigns/{slug}/webhooks",
    response={201: WebhookMade},
    summary="Have news sent to an address",
    description="From now on. The secret that news are signed with is told this once; the same"
    " address twice is refused with 409, so that a call may be sent again.",
)
def create_webhook(
    request: HttpRequest, response: HttpResponse, slug: str, asked: WebhookIn
) -> Status[WebhookMade]:
    campaign = campaign_in(request, slug, scope=Scope.WEBHOOKS)
    actor = key_in(request, scope=Scope.WEBHOOKS).user
    made = add_webhook(campaign, url=asked.url, kinds=asked.kinds, news=NEWS, actor=actor)
    _note(request, made, do="add")
    response["Location"] = f"{request.path}/{made.pk}"
    return Status(201, _made(made, secret_of(made)))


@router.get(
    "/campaigns/{slug}/webhooks/{number}", response=WebhookOut, summary="How it goes with one"
)
def get_webhook(request: HttpRequest, slug: str, number: int) -> WebhookOut:
    return _webhook(_find(campaign_in(request, slug, scope=Scope.WEBHOOKS), number))


@router.patch(
    "/campaigns/{slug}/webhooks/{number}", response=WebhookOut, summary="Stop one, or let it go on"
)
def change_webhook(
    request: HttpRequest, slug: str, number: int, asked: WebhookChange
) -> WebhookOut:
    webhook = _named(request, slug, number, do=asked.state)
    change = stop_webhook if asked.state == "stopped" else go_on
    change(webhook, now=timezone.now())
    webhook.refresh_from_db()
    return _webhook(webhook)


@router.delete(
    "/campaigns/{slug}/webhooks/{number}", response={204: None}, summary="Forget an address"
)
def remove_webhook(request: HttpRequest, slug: str, number: int) -> Status[None]:
    _named(request, slug, number, do="remove").delete()
    return Status(204, None)


@router.post(
    "/campaigns/{slug}/webhooks/{number}/secret",
    response=WebhookMade,
    summary="Sign with another secret",
)
def turn_webhook_secret(request: HttpRequest, slug: str, number: int) -> WebhookMade:
    webhook = _named(request, slug, number, do="secret")
    return _made(webhook, turn_secret(webhook))


@router.post(
    "/campaigns/{slug}/webhooks/{number}/ping",
    response={202: DeliveryOut},
    summary="Send something that means nothing",
)
def ping_webhook(request: HttpRequest, slug: str, number: int) -> Status[DeliveryOut]:
    webhook = _named(request, slug, number, do="try")
    return Status(202, _delivery(ping(webhook, now=timezone.now())))


@router.get(
    "/campaigns/{slug}/webhooks/{number}/deliveries",
    response=Page[DeliveryOut],
    summary="What went out there",
)
def list_deliveries(
    request: HttpRequest,
    slug: str,
    number: int,
    after: After = "",
    limit: Limit = A_PAGE,
) -> dict[str, Any]:
    webhook = _find(campaign_in(request, slug, scope=Scope.WEBHOOKS), number)
    return page(webhook.deliveries.all(), after=after, limit=limit, as_row=_delivery)
