"""How reporters hear: as often and when they wish, in one letter, and a browser that really rings."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse

from annotation.actions.reports import bells, following, hearing, letters, timers, triage
from annotation.actions.reports.intake import Receipt, Telling, receive
from annotation.actions.reports.table import Actor
from annotation.gateways import push
from annotation.models import (
    Campaign,
    PublicDoor,
    Report,
    ReportBell,
    ReportContact,
    ReportEvent,
    ReportLetter,
    User,
)
from tests.make import make_campaign, make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def campaign() -> Campaign:
    made = make_campaign(slug="here", languages=("wo", "ar"))
    PublicDoor.objects.create(campaign=made, open=True)
    return made


@pytest.fixture
def lead() -> User:
    return make_user("lead", staff=True)


def tell(campaign: Campaign, text: str, **over: Any) -> Receipt:
    told = {"text": text, "tag": "wo", "contact": "sam@example.org"} | over
    got = receive(campaign, telling=Telling(**told), key=text, client=text, now=NOON)
    timers.tend(NOON)
    got.report.refresh_from_db()
    return got


def step(report: Report, lead: User, *, now: datetime) -> None:
    triage.ask_back(report, question="which_word", actor=Actor("admin", lead), now=now)


def test_two_reports_of_one_person_are_told_in_one_letter_in_their_language(
    campaign: Campaign, lead: User
) -> None:
    one, two = (tell(campaign, text, interface="fr") for text in ("benn", "ñaar"))
    assert letters.send_report_letters(NOON) == 1
    assert all(got.token in mail.outbox[0].body for got in (one, two))
    assert mail.outbox[0].extra_headers["Content-Language"] == "fr"
    assert "20 novembre 2026" in mail.outbox[0].body
    assert set(ReportLetter.objects.values_list("state", flat=True)) == {"sent"}
    step(one.report, lead, now=NOON + HOUR)
    assert letters.send_report_letters(NOON + HOUR) == 0  # once a day at most
    assert letters.send_report_letters(NOON + DAY) == 1
    assert two.token not in mail.outbox[1].body


@pytest.mark.parametrize(("pace", "after"), [("step", HOUR), ("daily", DAY), ("weekly", 7 * DAY)])
def test_letters_come_as_often_as_they_are_wished_and_not_at_night(
    campaign: Campaign, lead: User, pace: str, after: timedelta
) -> None:
    report = tell(campaign, "benn").report
    wish = {"pace": pace, "offset": 240, "quiet": (21, 7), "address": ""}
    hearing.wish_for(report, now=NOON, **wish)
    letters.send_report_letters(NOON)
    step(report, lead, now=NOON + timedelta(minutes=1))
    assert letters.send_report_letters(NOON + after - timedelta(minutes=2)) == (pace == "step")
    if pace != "step":
        # Five hours later it is nine in the evening where they are, and then seven in the morning.
        assert letters.send_report_letters(NOON + after + 5 * HOUR) == 0
        assert letters.send_report_letters(NOON + after + 15 * HOUR) == 1


def test_one_tap_ends_letters_and_forgets_the_address_and_looking_does_nothing(
    campaign: Campaign, lead: User, client: Client
) -> None:
    report = tell(campaign, "benn").report
    letters.send_report_letters(NOON)
    out = mail.outbox[0].extra_headers["List-Unsubscribe"].strip("<>")
    path = out.removeprefix(settings.ENV.web_url.rstrip("/"))
    assert client.get(path).status_code == 200
    assert ReportContact.objects.count() == 1
    # As mail programs do it (RFC 8058): no cookie, no page before.
    assert Client(enforce_csrf_checks=True).post(path, "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded").status_code == 200  # fmt: skip
    assert ReportContact.objects.count() == 0
    step(report, lead, now=NOON + DAY)
    assert letters.send_report_letters(NOON + 2 * DAY) == 0
    assert client.get(f"{path[:-3]}xx/").status_code == 404


def test_the_follow_page_sets_how_one_hears_and_hides_the_address(
    campaign: Campaign, client: Client
) -> None:
    got = tell(campaign, "benn", contact="")
    there = reverse("report_follow", args=[got.token])
    told = {"act": "hear", "contact": "sam@example.org", "pace": "weekly", "offset": "-570"}
    client.post(there, told | {"quiet_from": "23", "quiet_until": "25"})
    assert not ReportContact.objects.exists()  # nothing of what cannot be is kept
    client.post(there, told | {"quiet_from": "23", "quiet_until": "9"})
    page = client.get(there).content.decode()
    assert "s…@example.org" in page
    assert "sam@example.org" not in page
    assert got.report.wish.offset == -570
    client.post(there, {"act": "stop"})
    assert not ReportContact.objects.exists()


def test_a_feed_tells_the_steps_and_no_text(campaign: Campaign, client: Client) -> None:
    got = tell(campaign, "mbir mu nëbbu")
    answer = client.get(reverse("report_feed", args=[got.token]))
    assert answer.headers["Content-Type"] == "application/atom+xml"
    assert answer.content.count(b"<entry>") == got.report.events
    assert "mbir" not in answer.content.decode()
    assert client.get(reverse("report_feed", args=["x" * 43])).status_code == 404


class Browser:
    """What a browser and its push service do: keys of its own, and reading what was sealed."""

    def __init__(self, endpoint: str) -> None:
        self.key, self.auth = ec.generate_private_key(ec.SECP256R1()), b"0123456789abcdef"
        self.point = self.key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        self.bell = push.Bell(endpoint, push.encoded(self.point), push.encoded(self.auth))

    def read(self, body: bytes) -> bytes:
        """Open a message as RFC 8291 says, on the browser's side."""
        salt, size = body[:16], body[20]
        theirs, sealed = body[21 : 21 + size], body[21 + size :]
        shared = self.key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
        )

        def derive(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
            return HKDF(hashes.SHA256(), length=length, salt=salt, info=info).derive(material)

        secret = derive(shared, self.auth, b"WebPush: info\0" + self.point + theirs, 32)
        key = derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = derive(secret, salt, b"Content-Encoding: nonce\0", 12)
        told = AESGCM(key).decrypt(nonce, sealed, None)
        assert told.endswith(b"\x02")
        return told[:-1]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A push service of this machine; it answers what ``says`` tells and keeps what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((self.path, dict(self.headers), body))
            self.send_response(server.says)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server: Any = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.says = [], 201
    monkeypatch.setattr(
        settings, "ENV", settings.ENV.model_copy(update={"push_services": "127.0.0.1"})
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_browser_rings_reads_what_nobody_else_can_and_is_let_go_when_it_is_gone(
    campaign: Campaign, lead: User, client: Client, service: Any
) -> None:
    got = tell(campaign, "benn", contact="")
    browser = Browser(f"http://127.0.0.1:{service.server_port}/one")
    there = reverse("report_follow", args=[got.token])
    bell = browser.bell
    keys = {"endpoint": bell.endpoint, "p256dh": bell.p256dh, "auth": bell.auth}
    for _ in range(2):
        client.post(there, {"act": "ring"} | keys)
    assert ReportBell.objects.get().sealed.find("127.0.0.1") == -1
    step(got.report, lead, now=NOON)
    service.says = 503
    ringer = push.PushRinger()
    assert bells.ring_all(NOON, ringer=ringer) == 0
    service.says = 201
    assert bells.ring_all(NOON, ringer=ringer) == 1  # a service that was away is asked again
    assert bells.ring_all(NOON, ringer=ringer) == 0
    path, headers, body = service.got[-1]
    told = json.loads(browser.read(body))
    assert (path, told["body"]) == ("/one", "we have a question")
    assert told["url"].endswith(there)
    assert _is_ours(headers["Authorization"], service.server_port)
    following.answer(got.report, text="bii", now=NOON)
    step(got.report, lead, now=NOON + HOUR)
    service.says = 410
    assert bells.ring_all(NOON + HOUR, ringer=ringer) == 0
    assert not ReportBell.objects.exists()


def _is_ours(told: str, port: int) -> bool:
    """Check the signature with the key that it names, as a push service does."""
    parts = dict(part.strip().split("=", 1) for part in told.removeprefix("vapid ").split(","))
    head, body, signature = parts["t"].split(".")
    claims = json.loads(push.decoded(body))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), push.decoded(parts["k"]))
    raw = push.decoded(signature)
    pair = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(encode_dss_signature(*pair), f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    return claims["aud"] == f"http://127.0.0.1:{port}" and parts["k"] == push.own_point()


def test_a_message_is_sealed_as_the_example_of_rfc_8291(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = push.decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
    key = ec.derive_private_key(int.from_bytes(ours, "big"), ec.SECP256R1())
    monkeypatch.setattr(push.os, "urandom", lambda _: push.decoded("DGv6ra1nlYgDCS1FRnbzlw"))
    monkeypatch.setattr(push.ec, "generate_private_key", lambda _: key)
    bell = push.Bell(
        "https://push.example",
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    sealed = push.encrypted(b"When I grow up, I want to be a watermelon", bell=bell)
    assert push.encoded(sealed) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS"
        "6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu"
        "lcy4a-fN"
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://169.254.169.254/latest",
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://user@fcm.googleapis.com/x",
        "https://fcm.googleapis.com:22/x",
        "file:///etc/passwd",
        "https://[",
    ],
)
def test_no_address_is_asked_that_is_no_push_service(endpoint: str) -> None:
    assert not push.is_known(endpoint)
    assert push.is_known("https://updates.push.services.mozilla.com/wpush/v2/x")


def test_what_is_taken_back_rings_nowhere(campaign: Campaign, service: Any) -> None:
    got = tell(campaign, "benn")
    bell = Browser(f"http://127.0.0.1:{service.server_port}/one").bell
    bells.hang(got.report, bell=bell, interface="en", now=NOON)
    hearing.wish_for(got.report, address="", pace="weekly", offset=None, quiet=(20, 8), now=NOON)
    following.withdraw(Report.objects.get(), now=NOON)
    assert not ReportBell.objects.exists()
    assert not hasattr(Report.objects.get(), "wish")
    assert ReportEvent.objects.exists()
