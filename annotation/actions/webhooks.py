"""Webhooks out: what happens in a campaign is told to programs elsewhere, at least once, signed.

News are not sent by whoever makes them. Each kind is a table that only grows; a worker looks behind
the last row that it told of, so that nothing is lost whatever dies. What is told is written down
with its number first and sent then: who hears of it twice hears the same ``webhook-id`` twice.

Signed as the Standard Webhooks specification says (https://www.standardwebhooks.com): HMAC-SHA256
over ``id.timestamp.body``.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from annotation.errors import ConflictError, InvalidInputError, TransientError
from annotation.gateways.outside import checked_address
from annotation.models import Campaign, User, Webhook, WebhookDelivery

State = WebhookDelivery.State
PING = "ping"
# Whoever writes a row may still be at it: a higher number may be seen before a lower one. So news
# wait a little, and each look goes back over some minutes for what came late.
SETTLED = timedelta(seconds=10)
LOOK_BACK = timedelta(minutes=10)
AT_ONCE = 100
MOST_WEBHOOKS = 20
# So long after the first, second, … try it is tried again; after the last it is given up.
PATIENCE = tuple(
    timedelta(seconds=seconds) for seconds in (30, 300, 1_800, 7_200, 21_600, 43_200, 86_400)
)
# So long an address that takes nothing is left alone, whatever else waits for it.
REST = timedelta(minutes=5)
# While it is sent nobody else sends it.
HELD = timedelta(minutes=2)
A_MINUTE = timedelta(minutes=1)
# An address that takes nothing for so long is written to no more.
STOPPED_AFTER = timedelta(days=5)
KEPT = timedelta(days=30)


class Post(Protocol):
    """Who carries it: an address, what to say, headers; the number that it was answered with."""

    def __call__(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> int:
        """Post it."""


class Piece(NamedTuple):
    """One thing that happened: its number among its kind, when, and what there is to tell."""

    number: int
    at: datetime
    data: Mapping[str, Any]


class News(NamedTuple):
    """A kind of news: its name, its newest number, and what came behind a number or since a moment.

    ``behind(campaign, number, since, until)`` gives what has a higher number or happened after
    ``since``, but nothing that happened after ``until``.
    """

    kind: str
    newest: Callable[[Campaign], int]
    behind: Callable[[Campaign, int, datetime, datetime], Iterable[Piece]]


def secret_of(webhook: Webhook) -> str:
    """Return what news to an address are signed with."""
    told = f"vernacular.webhook:{webhook.pk}:{webhook.turn}".encode()
    made = hmac.new(settings.SECRET_KEY.encode(), told, hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(made).decode()}"


def signed(body: bytes, *, uid: str, at: datetime, secret: str) -> dict[str, str]:
    """Return the headers by which whoever has the secret knows that it came from here.

    >>> from datetime import UTC
    >>> told = signed(b"{}", uid="msg_1", at=datetime(2026, 1, 1, tzinfo=UTC), secret="whsec_c2VjcmV0")
    >>> told["webhook-signature"]
    'v1,QGxpGbjRoL8txXelFWC4IEtME42gS+j6BV6K56kn8oo='
    """
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mark = hmac.new(key, f"{uid}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": uid,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(mark).decode()}",
    }


@transaction.atomic
def add_webhook(
    campaign: Campaign,
    *,
    url: str,
    kinds: Sequence[str],
    news: Sequence[News],
    actor: User | None = None,
) -> Webhook:
    """Have news of a campaign sent to an address, from now on."""
    known = [one.kind for one in news]
    if strange := sorted(set(kinds) - set(known)):
        raise InvalidInputError(
            f"There is no news called {strange[0]!r}.", remedy=f"There are: {', '.join(known)}."
        )
    url = checked_address(url)
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if campaign.webhooks.count() >= MOST_WEBHOOKS:
        raise ConflictError(
            f"{campaign} tells {MOST_WEBHOOKS} addresses already.", remedy="Remove one first."
        )
    read = {one.kind: one.newest(campaign) for one in news}
    try:
        with transaction.atomic():
            return Webhook.objects.create(
                campaign=campaign, url=url, kinds=sorted(set(kinds)), read=read, created_by=actor
            )
    except IntegrityError:
        raise ConflictError(f"{url} hears of {campaign} already.") from None


def turn_secret(webhook: Webhook) -> str:
    """Sign with another secret from now on, and return it."""
    Webhook.objects.filter(pk=webhook.pk).update(turn=F("turn") + 1)
    webhook.refresh_from_db(fields=["turn"])
    return secret_of(webhook)


def stop_webhook(webhook: Webhook, *, now: datetime) -> None:
    """Send nothing there any more; what happens meanwhile is told once it goes on."""
    Webhook.objects.filter(pk=webhook.pk, stopped_at=None).update(stopped_at=now)


def go_on(webhook: Webhook, *, now: datetime) -> None:
    """Send there again, what was given up since it failed included."""
    since = webhook.failing_since
    Webhook.objects.filter(pk=webhook.pk).update(stopped_at=None, failing_since=None)
    given_up = webhook.deliveries.filter(state=State.GIVEN_UP)
    given_up = given_up.filter(ended_at__gte=since) if since else given_up.none()
    _wait_anew(given_up, now=now)


def send_again(delivery: WebhookDelivery, *, now: datetime) -> bool:
    """Have it sent once more, under its number; False where it still waits."""
    rows = WebhookDelivery.objects.filter(pk=delivery.pk).exclude(state=State.WAITING)
    return _wait_anew(rows, now=now) == 1


@transaction.atomic
def ping(webhook: Webhook, *, now: datetime) -> WebhookDelivery:
    """Have something sent that means nothing, to see whether it arrives."""
    webhook = Webhook.objects.select_for_update().get(pk=webhook.pk)
    last = webhook.deliveries.filter(kind=PING).order_by("-number").first()
    piece = Piece((last.number if last else 0) + 1, now, {})
    return WebhookDelivery.objects.create(**_fields(webhook, kind=PING, piece=piece, now=now))


def gather(*, news: Sequence[News], now: datetime) -> int:
    """Write down what happened since it was last looked, for everybody who wants to hear it."""
    running = Webhook.objects.filter(stopped_at=None).values_list("pk", flat=True)
    return sum(_gather(pk, news=news, now=now) for pk in running)


@transaction.atomic
def _gather(pk: int, *, news: Sequence[News], now: datetime) -> int:
    webhook = Webhook.objects.select_for_update().select_related("campaign").filter(pk=pk).first()
    if webhook is None:
        return 0
    read, rows = dict(webhook.read), list[WebhookDelivery]()
    since = max(now - LOOK_BACK, webhook.created_at)
    for one in news:
        last = read.setdefault(one.kind, 0)
        pieces = list(one.behind(webhook.campaign, last, since, now - SETTLED))
        read[one.kind] = max([last, *(piece.number for piece in pieces)])
        if not webhook.kinds or one.kind in webhook.kinds:
            told = webhook.deliveries.filter(kind=one.kind)
            known = set(
                told.filter(number__in=[piece.number for piece in pieces]).values_list(
                    "number", flat=True
                )
            )
            rows += [
                WebhookDelivery(**_fields(webhook, kind=one.kind, piece=piece, now=now))
                for piece in pieces
                if piece.number not in known
            ]
    WebhookDelivery.objects.bulk_create(rows)
    if read != webhook.read:
        Webhook.objects.filter(pk=pk).update(read=read)
    return len(rows)


def send_due(*, post: Post, clock: Callable[[], datetime], most: int = AT_ONCE) -> dict[str, int]:
    """Send what waits, oldest first, for a minute at most; return how many were taken and not."""
    told = {"sent": 0, "failed": 0}
    waiting = WebhookDelivery.objects.filter(
        state=State.WAITING, due_at__lte=clock(), webhook__stopped_at=None
    )
    away, until = set[int](), clock() + A_MINUTE
    for delivery in waiting.select_related("webhook").order_by("due_at", "pk")[:most]:
        # Who did not answer a moment ago is not asked again for each piece of news.
        if delivery.webhook_id in away or not _claim(delivery, now=clock()):
            continue
        if _send(delivery, post=post, now=clock()):
            told["sent"] += 1
        else:
            away.add(delivery.webhook_id)
            told["failed"] += 1
        if clock() > until:
            break
    return told


def forget_old(*, now: datetime) -> int:
    """Let go of what went out long ago."""
    old = WebhookDelivery.objects.filter(ended_at__lt=now - KEPT)
    return old.exclude(state=State.WAITING).delete()[0]


def _claim(delivery: WebhookDelivery, *, now: datetime) -> bool:
    """True for one worker; if it dies, another one sends it when its time is over."""
    mine = WebhookDelivery.objects.filter(
        pk=delivery.pk, state=State.WAITING, due_at=delivery.due_at
    )
    return mine.update(due_at=now + HELD, tries=F("tries") + 1) == 1


def _send(delivery: WebhookDelivery, *, post: Post, now: datetime) -> bool:
    webhook = delivery.webhook
    body = json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = signed(body, uid=str(delivery.uid), at=now, secret=secret_of(webhook))
    headers |= {"Content-Type": "application/json", "User-Agent": "Vernacular-Webhook/1"}
    answered: int | None = None
    try:
        answered = post(webhook.url, body=body, headers=headers)
        error = "" if 200 <= answered < 300 else f"answered {answered}"
    except (TransientError, InvalidInputError) as refusal:
        error = str(refusal)[:300]
    _write_down(delivery, answered=answered, error=error, now=now)
    return not error


@transaction.atomic
def _write_down(
    delivery: WebhookDelivery, *, answered: int | None, error: str, now: datetime
) -> None:
    row = WebhookDelivery.objects.filter(pk=delivery.pk, state=State.WAITING)
    home = Webhook.objects.filter(pk=delivery.webhook_id)
    if not error:
        row.update(state=State.SENT, answered=answered, error="", ended_at=now)
        home.update(failing_since=None)
        return
    tries = delivery.tries + 1
    # The others that wait for it are no reason to keep everybody else waiting.
    others = WebhookDelivery.objects.filter(
        webhook=delivery.webhook_id, state=State.WAITING, due_at__lte=now
    )
    others.update(due_at=now + REST)
    if tries <= len(PATIENCE):
        row.update(due_at=now + PATIENCE[tries - 1], answered=answered, error=error)
    else:
        row.update(state=State.GIVEN_UP, answered=answered, error=error, ended_at=now)
    home.filter(failing_since=None).update(failing_since=now)
    home.filter(failing_since__lt=now - STOPPED_AFTER, stopped_at=None).update(stopped_at=now)


def _wait_anew(rows: "QuerySet[WebhookDelivery]", *, now: datetime) -> int:
    return rows.update(state=State.WAITING, tries=0, due_at=now, ended_at=None)


def _fields(webhook: Webhook, *, kind: str, piece: Piece, now: datetime) -> dict[str, Any]:
    data = {"campaign": webhook.campaign.slug, **piece.data}
    body = {"type": kind, "timestamp": piece.at.isoformat(), "data": data}
    return {
        "webhook": webhook,
        "kind": kind,
        "number": piece.number,
        "body": body,
        "due_at": now,
    }


def whereto(webhook: Webhook) -> str:
    """The host of an address: the rest of it may be a secret of whoever listens there."""
    return urlsplit(webhook.url).netloc
