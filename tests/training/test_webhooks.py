"""Webhooks: what happened arrives at least once, signed, whoever dies, and never behind our walls."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from annotation.actions.webhooks import (
    PATIENCE,
    SETTLED,
    STOPPED_AFTER,
    add_webhook,
    gather,
    go_on,
    ping,
    secret_of,
    send_again,
    send_due,
    stop_webhook,
    turn_secret,
)
from annotation.errors import ConflictError, InvalidInputError
from annotation.gateways import outside
from annotation.models import AuditEntry, Campaign, SampleImport, Webhook, WebhookDelivery
from config.env import env
from tests.make import make_campaign, make_user
from training.actions.news import NEWS
from training.tasks import tell_webhooks

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)
LATER = NOW + SETTLED
URL = "https://example.org/news"


class Listener:
    """What an address heard, and what it answers with."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.heard = list(answers), list[tuple[str, bytes, Mapping[str, str]]]()

    def __call__(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> int:
        self.heard.append((url, body, headers))
        answer = self.answers.pop(0) if self.answers else 204
        if answer == 0:
            raise outside.AwayError("nobody there")
        return answer

    @property
    def kinds(self) -> list[str]:
        return [json.loads(body)["type"] for _, body, _ in self.heard]


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="news", languages=("wo",))


def listen(campaign: Campaign, *kinds: str, url: str = URL) -> Webhook:
    return add_webhook(campaign, url=url, kinds=kinds, news=NEWS)


def imported(campaign: Campaign, *, at: datetime) -> SampleImport:
    return SampleImport.objects.create(
        campaign=campaign, filename="a", path="", format="csv", status="done", finished_at=at
    )


def test_what_happens_is_told_once_signed_and_what_was_before_is_not(campaign: Campaign) -> None:
    imported(campaign, at=NOW - timedelta(days=1))
    webhook, listener = listen(campaign), Listener()
    job = imported(campaign, at=NOW)
    for _ in range(2):
        gather(news=NEWS, now=LATER)
        send_due(post=listener, clock=lambda: LATER)
    [(url, body, headers)] = listener.heard
    told = json.loads(body)
    assert url == URL
    assert told["type"] == "import.finished"
    assert told["data"]["campaign"] == "news"
    assert told["data"]["import"] == job.pk
    key = base64.b64decode(secret_of(webhook).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mark = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mark}"
    assert turn_secret(webhook) != secret_of(Webhook(pk=webhook.pk, turn=1))


def test_what_is_not_settled_yet_waits_and_what_nobody_asked_for_is_not_told(
    campaign: Campaign,
) -> None:
    listen(campaign, "round.opened")
    everything = listen(campaign, url=f"{URL}/all")
    imported(campaign, at=NOW)
    assert gather(news=NEWS, now=NOW + SETTLED / 2) == 0
    assert gather(news=NEWS, now=LATER) == 1
    assert WebhookDelivery.objects.get().webhook == everything


def test_who_is_away_is_asked_again_ever_more_rarely_and_hears_the_same_number(
    campaign: Campaign,
) -> None:
    listen(campaign)
    imported(campaign, at=NOW)
    gather(news=NEWS, now=LATER)
    listener, clock = Listener(0, 500, *[302] * len(PATIENCE)), LATER
    for wait in (*PATIENCE, timedelta(0)):
        assert send_due(post=listener, clock=lambda: clock)["failed"] == 1  # noqa: B023 - called at once
        assert send_due(post=listener, clock=lambda: clock) == {"sent": 0, "failed": 0}  # noqa: B023 - called at once
        clock += wait
    assert len({headers["webhook-id"] for _, _, headers in listener.heard}) == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.error) == ("given_up", "answered 302")
    assert send_again(delivery, now=clock)
    assert send_due(post=Listener(), clock=lambda: clock)["sent"] == 1
    assert Webhook.objects.filter(failing_since=None, stopped_at=None).exists()


def test_who_takes_nothing_for_days_is_written_to_no_more_and_misses_nothing(
    campaign: Campaign,
) -> None:
    webhook = listen(campaign)
    imported(campaign, at=NOW)
    gather(news=NEWS, now=LATER)
    send_due(post=Listener(0), clock=lambda: LATER)
    far = LATER + STOPPED_AFTER + timedelta(hours=1)
    send_due(post=Listener(0), clock=lambda: far)
    webhook.refresh_from_db()
    assert webhook.stopped_at == far
    imported(campaign, at=far)
    gather(news=NEWS, now=far + SETTLED)
    assert send_due(post=Listener(), clock=lambda: far + timedelta(days=9))["sent"] == 0
    go_on(webhook, now=far)
    gather(news=NEWS, now=far + SETTLED)
    assert send_due(post=Listener(), clock=lambda: far + timedelta(days=9))["sent"] == 2


def test_what_was_given_up_while_an_address_was_away_is_told_once_it_goes_on(
    campaign: Campaign,
) -> None:
    webhook, clock = listen(campaign), NOW
    ping(webhook, now=NOW)
    # It waited before anybody knew that the address was away.
    WebhookDelivery.objects.update(created_at=NOW - timedelta(hours=1))
    for wait in (*PATIENCE, timedelta(0)):
        send_due(post=Listener(0), clock=lambda: clock)  # noqa: B023 - called at once
        clock += wait
    assert WebhookDelivery.objects.get().state == "given_up"
    stop_webhook(webhook, now=clock)
    webhook.refresh_from_db()
    go_on(webhook, now=clock)
    assert send_due(post=Listener(), clock=lambda: clock)["sent"] == 1


def test_what_was_written_down_late_is_told_though_newer_news_were_before(
    campaign: Campaign,
) -> None:
    webhook = listen(campaign)
    Webhook.objects.update(created_at=NOW - timedelta(days=1))
    imported(campaign, at=NOW)
    gather(news=NEWS, now=LATER)
    # Two transactions: the one that began first ended last.
    imported(campaign, at=NOW - timedelta(seconds=30))
    gather(news=NEWS, now=LATER + timedelta(seconds=30))
    assert webhook.deliveries.count() == 2
    assert gather(news=NEWS, now=LATER + timedelta(seconds=60)) == 0


def test_a_worker_that_dies_while_it_sends_leaves_it_to_the_next_and_two_send_once(
    campaign: Campaign,
) -> None:
    webhook = listen(campaign)
    ping(webhook, now=NOW)

    def die(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_due(post=die, clock=lambda: NOW)
    listener = Listener()
    assert send_due(post=listener, clock=lambda: NOW)["sent"] == 0
    assert send_due(post=listener, clock=lambda: NOW + timedelta(minutes=3))["sent"] == 1
    assert listener.kinds == ["ping"]


def test_one_who_is_away_holds_nobody_else_up(campaign: Campaign) -> None:
    slow, quick = listen(campaign), listen(campaign, url=f"{URL}/2")
    for _ in range(30):
        ping(slow, now=NOW)
    ping(quick, now=NOW)
    # However much waits for the one, the other is next in line.
    assert send_due(post=Listener(0), clock=lambda: NOW, most=10) == {"sent": 0, "failed": 1}
    assert send_due(post=Listener(), clock=lambda: NOW, most=10)["sent"] == 1
    stop_webhook(slow, now=NOW)
    assert send_due(post=Listener(), clock=lambda: NOW + timedelta(hours=1))["sent"] == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https://",
        "https://a b/",
        "ftp://example.org",
        "https://user:word@example.org/",
        "https://example.org/#part",
        "https://exämple.org/",
        "https://example.org/\r\nHost: other",
        "https://example.org:99999/",
        "https://[::1",
        "https://example.org/" + "a" * 500,
    ],
)
def test_what_is_no_address_is_refused(campaign: Campaign, url: str) -> None:
    with pytest.raises(InvalidInputError):
        listen(campaign, url=url)
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    "place", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"]
)
def test_nothing_is_posted_behind_our_walls_wherever_a_name_leads(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    family = [(0, 0, 0, "", ("1.1.1.1", 443)), (0, 0, 0, "", (place, 443))]
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda *_, **__: family)
    with pytest.raises(InvalidInputError, match="not on the open net"):
        outside.post(URL, body=b"{}", headers={})


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    heard: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((f"{self.path} {self.headers['Host']}", body))
            self.send_response(302 if "elsewhere" in self.path else 204)
            self.send_header("Location", "/followed")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    ours = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=ours.serve_forever)
    thread.start()
    yield f"http://localhost:{ours.server_port}", heard
    ours.shutdown()
    thread.join()
    ours.server_close()


def test_the_worker_posts_to_a_real_server_and_follows_nobody_elsewhere(
    campaign: Campaign, server: tuple[str, list[tuple[str, bytes]]], settings: Any
) -> None:
    address, heard = server
    settings.ENV = env().model_copy(update={"outside_may_be_inside": True})
    for path in ("/ours?key=1", "/elsewhere"):
        ping(listen(campaign, url=address + path), now=timezone.now())
    tell_webhooks()
    host = address.removeprefix("http://")
    assert sorted(where for where, _ in heard) == [f"/elsewhere {host}", f"/ours?key=1 {host}"]
    states = WebhookDelivery.objects.order_by("pk").values_list("state", "answered")
    assert list(states) == [("sent", 204), ("waiting", 302)]
    with pytest.raises(outside.AwayError):
        outside.post("http://localhost:1/", body=b"", headers={})


def test_who_sends_a_byte_now_and_then_keeps_no_worker(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENV = env().model_copy(update={"outside_may_be_inside": True})
    monkeypatch.setattr(outside, "MOST_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as ours:
        over = threading.Event()

        def dribble() -> None:
            line, _ = ours.accept()
            with line, suppress(OSError):
                while not over.wait(0.05):
                    line.sendall(b"H")

        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()
        began = time.monotonic()
        with pytest.raises(outside.AwayError):
            outside.post(f"http://127.0.0.1:{ours.getsockname()[1]}/", body=b"{}", headers={})
        assert time.monotonic() - began < 10
        over.set()
        thread.join()


def test_who_leads_adds_tries_and_removes_on_the_page_and_nobody_else_sees_it(
    campaign: Campaign, client: Client
) -> None:
    page = f"/campaigns/{campaign.slug}/webhooks/"
    client.force_login(make_user("lee"))
    assert client.get(page).status_code == 403
    client.force_login(make_user("noor", staff=True))
    refused = client.post(page, {"url": "http://example.org/"})
    assert refused.status_code == 422
    made = client.post(page, {"url": URL, "kinds": ["gate.decided"]}).content.decode()
    webhook = Webhook.objects.get()
    assert secret_of(webhook) in made
    assert secret_of(webhook) not in client.get(page).content.decode()
    assert client.post(page, {"url": URL}).status_code == 422
    act = f"{page}{webhook.pk}/"
    for wish, left in (("try", 1), ("stop", 1), ("go_on", 1), ("nonsense", 1)):
        client.post(act, {"do": wish})
        assert WebhookDelivery.objects.count() == left
    delivery = WebhookDelivery.objects.get()
    WebhookDelivery.objects.update(state="given_up", error="answered 500", ended_at=NOW)
    assert "answered 500" in client.get(page).content.decode()
    client.post(f"{page}news/{delivery.pk}/again/")
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    other = make_campaign(slug="other")
    assert client.post(f"/campaigns/{other.slug}/webhooks/{webhook.pk}/").status_code == 404
    client.post(act, {"do": "remove"})
    assert not Webhook.objects.exists()


def test_the_audit_tells_where_news_goes_and_of_the_address_the_host_alone(
    campaign: Campaign, client: Client
) -> None:
    page = f"/campaigns/{campaign.slug}/webhooks/"
    client.force_login(make_user("noor", staff=True))
    client.post(page, {"url": URL})
    webhook, host = Webhook.objects.get(), URL.split("/")[2]
    wishes = ("try", "stop", "go_on", "remove")
    for wish in wishes[:-1]:
        client.post(f"{page}{webhook.pk}/", {"do": wish})
    delivery = WebhookDelivery.objects.get()
    WebhookDelivery.objects.update(state="given_up", ended_at=NOW)
    client.post(f"{page}news/{delivery.pk}/again/")
    client.post(f"{page}{webhook.pk}/", {"do": "remove"})
    entries = {(one.action, one.named.get("do")): one for one in AuditEntry.objects.all()}
    again = entries.pop(("webhook_again", None))
    assert f"webhookdelivery {delivery.pk}.state" in again.changed
    assert set(entries) == {("webhooks", None), *(("webhook_act", one) for one in wishes)}
    assert {one.named["host"] for one in entries.values()} == {host}
    removed = entries["webhook_act", "remove"].changed
    assert removed[f"webhook {webhook.pk}.url"] == ["•••", None]
    assert URL not in str(AuditEntry.objects.values())


def test_the_command_does_what_the_page_does(campaign: Campaign) -> None:
    def run(*words: Any) -> str:
        out = StringIO()
        call_command("webhook", *map(str, words), stdout=out, stderr=StringIO())
        return out.getvalue()

    secret = run("add", "news", URL, "--kind", "round.opened").strip()
    webhook = Webhook.objects.get()
    assert secret == secret_of(webhook)
    assert f"{webhook.pk}  {URL}  round.opened  well" in run("list", "news")
    assert run("secret", webhook.pk).strip() != secret
    run("stop", webhook.pk)
    assert "stopped" in run("list", "news")
    for words in (("add", "none", URL), ("add", "news", URL), ("try", 99)):
        with pytest.raises(CommandError):
            run(*words)
    with pytest.raises(CommandError, match="no news called") as refused:
        run("add", "news", f"{URL}/2", "--kind", "weather")
    assert str(refused.value).count("There are:") == 1
    run("remove", webhook.pk)
    assert not Webhook.objects.exists()


def test_a_campaign_tells_no_more_addresses_than_it_may(campaign: Campaign) -> None:
    for number in range(20):
        listen(campaign, url=f"{URL}/{number}")
    with pytest.raises(ConflictError, match="Remove one first"):
        listen(campaign)


def test_another_secret_is_shown_once_and_no_other_by_loading_it_again(
    client: Client, campaign: Campaign
) -> None:
    client.force_login(make_user("root", staff=True))
    webhook = listen(campaign)
    page = f"/campaigns/{campaign.slug}/webhooks/"
    answer = client.post(f"{page}{webhook.pk}/", {"do": "secret"})
    assert (answer.status_code, answer["Location"]) == (302, page)
    webhook.refresh_from_db()
    assert client.get(page).context["secret"] == secret_of(webhook)
    assert not client.get(page).context["secret"]
    assert webhook.turn == 2
