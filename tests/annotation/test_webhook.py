import json
import logging
import time
from datetime import timedelta
from threading import Event

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation import tasks
from annotation.actions.nudges import REFUSALS_A_MINUTE, forget_old_nudges
from annotation.models import CampaignLanguage, DeskEvent
from tests.make import make_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(settings) -> CampaignLanguage:
    settings.ENV = settings.ENV.model_copy(update={"webhook_secret": "the-secret"})
    return CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",)))


@pytest.fixture
def asked(monkeypatch) -> list[int]:
    """The languages for which a sweep was asked."""
    heard: list[int] = []
    monkeypatch.setattr("annotation.views.webhook.sweep_soon", heard.append)
    return heard


def nudge(client, home, *, secret: str | None = "the-secret", body: object = None):  # noqa: S107
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    body = {"action": "ANNOTATION_CREATED"} if body is None else body
    raw = body if isinstance(body, bytes) else json.dumps(body)
    number = home if isinstance(home, int) else home.pk
    path = reverse("desk_hook", args=[number])
    return client.post(path, raw, content_type="application/json", headers=headers)


def test_a_nudge_asks_for_a_sweep(client, home, asked, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert nudge(client, home).status_code == 204
    assert asked == [home.pk]
    event = DeskEvent.objects.get()
    assert (event.action, event.accepted) == ("ANNOTATION_CREATED", True)


def test_the_same_nudge_three_times_asks_once(
    client, home, asked, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        assert [nudge(client, home).status_code for _ in range(3)] == [204] * 3
    assert asked == [home.pk]
    assert DeskEvent.objects.count() == 3


def test_a_nudge_after_a_pause_asks_again(client, home, asked, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        nudge(client, home)
        CampaignLanguage.objects.update(nudged_at=timezone.now() - timedelta(seconds=3))
        nudge(client, home)
    assert len(asked) == 2


def test_a_clock_that_was_set_back_does_not_silence_the_door(
    client, home, asked, django_capture_on_commit_callbacks
):
    CampaignLanguage.objects.update(nudged_at=timezone.now() + timedelta(hours=5))
    with django_capture_on_commit_callbacks(execute=True):
        nudge(client, home)
    assert asked == [home.pk]


@pytest.mark.parametrize("secret", [None, "", "the-secre", "the-secret ", "wröng", "the-secret2"])
def test_a_forged_nudge_is_refused_and_noted(
    client, home, asked, secret, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        assert nudge(client, home, secret=secret).status_code == 401
    assert asked == []
    event = DeskEvent.objects.get()
    assert (event.accepted, event.campaign_language) == (False, home)


def test_without_a_secret_of_ours_nothing_is_believed(client, home, asked, settings):
    settings.ENV = settings.ENV.model_copy(update={"webhook_secret": ""})
    assert nudge(client, home, secret="").status_code == 401


def test_forgers_cannot_fill_the_database(client, home):
    for _ in range(REFUSALS_A_MINUTE + 5):
        nudge(client, home, secret="wrong")  # noqa: S106 - it is none
    assert DeskEvent.objects.count() == REFUSALS_A_MINUTE


def test_a_language_we_do_not_have_is_not_found(client, home, asked):
    assert nudge(client, 99999).status_code == 404
    assert nudge(client, 99999, secret="wrong").status_code == 401  # noqa: S106 - it is none


def test_only_posts_are_heard(client, home):
    assert client.get(reverse("desk_hook", args=[home.pk])).status_code == 405


def test_a_huge_body_is_not_read(client, home, asked):
    assert nudge(client, home, body=b"x" * 70_000).status_code == 413
    assert asked == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'{"action": 7}', b"[" * 60_000, b"\xff\xfe", {"action": "x" * 900}],
)
def test_the_body_is_never_trusted(client, home, asked, body, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert nudge(client, home, body=body).status_code == 204
    assert asked == [home.pk]
    assert len(DeskEvent.objects.get().action) <= 60


def test_the_door_waits_for_no_broker(
    client, home, monkeypatch, django_capture_on_commit_callbacks
):
    let_go, heard = Event(), Event()

    def hang(_number: int) -> None:
        heard.set()
        let_go.wait(10)

    monkeypatch.setattr(tasks, "ask_for_sweep", hang)
    start = time.monotonic()
    with django_capture_on_commit_callbacks(execute=True):
        assert nudge(client, home).status_code == 204
    assert time.monotonic() - start < 5
    assert heard.wait(5)
    let_go.set()


def test_a_broker_that_is_away_is_left_to_the_timetable(home, monkeypatch, caplog):
    from config.celery import app

    # This one first: it is the other where it is not set, and would be put back to what that is here.
    monkeypatch.setattr(app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(app.conf, "broker_url", "redis://127.0.0.1:1/0")
    # Lines to that broker are kept by this test alone.
    monkeypatch.setattr(app, "_pool", None)
    monkeypatch.setattr(app.amqp, "_producer_pool", None)
    with caplog.at_level(logging.WARNING):
        assert tasks.ask_for_sweep(home.pk) is False
        start = time.monotonic()
        assert tasks.ask_for_sweep(home.pk) is False
        assert time.monotonic() - start < 1
    assert "timetable" in caplog.text


def test_old_nudges_are_forgotten(home):
    old = DeskEvent.objects.create(campaign_language=home, accepted=True)
    DeskEvent.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))
    young = DeskEvent.objects.create(campaign_language=home, accepted=True)
    assert forget_old_nudges(now=timezone.now()) == 1
    assert DeskEvent.objects.get() == young
