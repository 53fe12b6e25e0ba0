"""The public pages: told without an account, followed by a secret link, tried without waiting."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail, signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import knocks, letters, limits, timers
from annotation.actions.reports.intake import Telling, receive
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import (
    Campaign,
    PublicDoor,
    Report,
    ReportContact,
    ReportMessage,
    ReportOriginal,
)
from annotation.views.reports import BEGUN
from learning.actions import trying
from learning.models import Deployment, ModelVersion, Trial
from tests.make import make_campaign, make_user

pytestmark = pytest.mark.django_db
SAID = "Xam naa ko bu baax"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in (
        "annotation.views.reports",
        "annotation.views.report_api",
        "learning.views.trials",
    ):
        monkeypatch.setattr(f"{where}.soon", lambda *_, **__: None)
    monkeypatch.setattr("learning.views.trials.PATIENCE_S", 0)


@pytest.fixture
def campaign() -> Campaign:
    made = make_campaign(slug="here", languages=("wo", "ar"))
    PublicDoor.objects.create(campaign=made, open=True)
    return made


def long_ago() -> str:
    return signing.dumps(timezone.now().timestamp() - 60, salt=BEGUN)


def send(client: Client, **over: Any) -> Any:
    fields = {"text": SAID, "key": "k", "begun": long_ago()} | over
    return client.post(
        reverse("report", args=["here"]), fields, REMOTE_ADDR=over.get("ip", "1.2.3.4")
    )


def test_one_text_is_enough_and_the_secret_link_tells_what_becomes_of_it(
    client: Client, campaign: Campaign
) -> None:
    page = client.get(reverse("report", args=["here"])).content.decode()
    assert len(re.findall(r"\brequired\b", page)) == 1
    answer = send(client)
    assert answer.status_code == 302
    told = Report.objects.get()
    assert (told.input_text, told.state, told.language, told.user) == (SAID, "received", None, None)
    timers.tend(timezone.now())
    shown = client.get(answer.url).content.decode()
    assert "Waits for speakers" in shown
    assert SAID in shown
    assert client.get(reverse("report_follow", args=["x" * 43])).status_code == 404
    assert send(client).url == answer.url  # the same form twice is one report
    assert Report.objects.count() == 1


def test_what_is_taken_back_is_gone_by_one_confirmed_click(
    client: Client, campaign: Campaign
) -> None:
    link = send(client, language="wo", contact="sam@example.org", description="because").url
    assert 'value="withdraw"' not in client.get(link).content.decode()
    assert 'value="withdraw"' in client.get(f"{link}?withdraw=1").content.decode()
    client.post(link, {"act": "withdraw"})
    told = Report.objects.get()
    assert (told.state, told.input_text, told.description) == ("withdrawn", "", "")
    assert not ReportContact.objects.exists()
    assert SAID not in client.get(link).content.decode()


def test_a_closed_campaign_is_not_there_and_neither_is_its_model(
    client: Client, campaign: Campaign
) -> None:
    PublicDoor.objects.update(open=False)
    for name in ("report", "try", "api_report", "api_try"):
        address = reverse(name, args=["here"])
        assert client.post(address).status_code == 404, name


def test_a_machine_that_fills_in_forms_waits_for_a_moderator_or_is_asked_again(
    client: Client, campaign: Campaign
) -> None:
    quick = signing.dumps(timezone.now().timestamp(), salt=BEGUN)
    for begun in (quick, "", "forged"):
        answer = send(client, begun=begun)
        assert answer.status_code == 422
        assert SAID in answer.content.decode()  # nothing that was written is lost
    assert not Report.objects.exists()
    send(client, website="http://spam.example")
    timers.tend(timezone.now())
    assert Report.objects.get().state == "quarantined"


def test_private_data_is_masked_and_the_original_lies_sealed(
    client: Client, campaign: Campaign
) -> None:
    send(client, text="Call Awa: awa@example.org or +221 77 123 45 67")
    timers.tend(timezone.now())
    told = Report.objects.get()
    assert (told.state, told.masked) == ("quarantined", True)
    assert told.input_text == "Call Awa: [e-mail] or [phone]"
    assert "awa@" not in ReportOriginal.objects.get().sealed


def test_one_client_has_its_limit_and_another_is_heard(client: Client, campaign: Campaign) -> None:
    seen = [send(client, text=f"{SAID} {n}", key=f"k{n}").status_code for n in range(7)]
    assert seen == [302] * limits.PER_HOUR + [429, 429]
    other = client.post(
        reverse("report", args=["here"]),
        {"text": SAID, "key": "other", "begun": long_ago()},
        REMOTE_ADDR="9.9.9.9",
    )
    assert other.status_code == 302
    assert Report.objects.count() == limits.PER_HOUR + 1


def test_a_client_that_knocks_all_the_time_is_left_outside_for_ten_minutes() -> None:
    now = timezone.now()
    for _ in range(knocks.MOST_KNOCKS):
        limits.throttle("one", now=now)
    for late in (timedelta(0), timedelta(minutes=9)):
        with pytest.raises(limits.TooManyReportsError):
            limits.throttle("one", now=now + late)
    limits.throttle("other", now=now)
    limits.throttle("one", now=now + timedelta(minutes=11))


def test_a_question_is_answered_by_the_link_and_opens_it_again(
    client: Client, campaign: Campaign
) -> None:
    link = send(client, language="wo").url
    timers.tend(timezone.now())
    lead = make_user("lead", staff=True)
    office = Client()
    office.force_login(lead)
    told = Report.objects.get()
    act = reverse("report_act", args=["here", "wo", told.pk])
    office.post(act, {"act": "ask", "question": "which_word"})
    page = client.get(link).content.decode()
    assert "Which word or which part is wrong?" in page
    client.post(link, {"act": "answer", "text": "the second"})
    told.refresh_from_db()
    assert told.state == "awaiting_triage"
    assert ReportMessage.objects.get(kind="answer").text == "the second"


def test_letters_say_what_is_new_once_a_day_and_nothing_of_the_text(
    client: Client, campaign: Campaign
) -> None:
    now = timezone.now()
    got = receive(
        campaign,
        telling=Telling(text=SAID, tag="wo", contact="sam@example.org"),
        key="k",
        client="c",
        now=now,
    )
    assert letters.send_report_letters(now) == 1
    assert letters.send_report_letters(now) == 0
    letter = mail.outbox[0]
    assert letter.to == ["sam@example.org"]
    assert SAID not in letter.body
    assert got.token in letter.body


def test_programs_report_by_json_and_are_refused_in_their_way(
    client: Client, campaign: Campaign
) -> None:
    address = reverse("api_report", args=["here"])

    def post(told: Any) -> Any:
        return client.post(
            address, told, content_type="application/json", headers={"Idempotency-Key": "one"}
        )

    made = post({"text": SAID, "language": "wo", "reasons": ["meaning"], "consent_test": True})
    assert made.status_code == 201
    assert made.json()["state"] == "received"
    assert post({"text": SAID}).json()["id"] == made.json()["id"]
    for bad, field in (({"text": 3}, "text"), ({"text": "a", "reasons": ["x"]}, "reasons")):
        refused = client.post(address, bad, content_type="application/json")
        assert refused.status_code == 422
        assert refused["Content-Type"] == "application/problem+json"
        assert field in refused.json()["detail"]
    follow = reverse("api_report_state", args=[made.json()["token"]])
    assert "withdraw" in client.get(follow).json()["may"]
    assert client.delete(follow).json()["state"] == "withdrawn"
    paths = client.get(reverse("openapi")).json()["paths"]
    assert {"/api/reports/{slug}/", "/api/try/{slug}/"} <= set(paths)


def test_pages_are_light_and_hide_nothing_from_who_has_no_script(
    client: Client, campaign: Campaign
) -> None:
    send(client, language="wo")
    link = reverse("report_follow", args=[receive_token()])
    for address in (
        reverse("report_index"),
        reverse("report", args=["here"]),
        reverse("try", args=["here"]),
        link,
    ):
        page = client.get(address)
        assert page.status_code == 200
        # The one script is a module that only offers to ring: the page is whole without it.
        assert page.content.count(b"<script") == (address == link)
        assert len(page.content) < 25_000


def receive_token() -> str:
    from annotation.actions.reports.sealed import follow_token

    return follow_token(Report.objects.get().uid.hex)


@pytest.fixture
def served(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    version = ModelVersion.objects.create(
        campaign=campaign,
        number=3,
        digest="d" * 64,
        network="tiny",
        path="-",
        manifest={"labels": ["admin", "accounts", "dates"]},
    )
    Deployment.objects.create(campaign=campaign, number=1, version=version, kind="initial")
    import numpy as np

    monkeypatch.setattr(
        "learning.inference.logits_of",
        lambda *_, texts, **__: np.array([[2.0, 0.0, 1.0]] * len(texts)),
    )
    return version


def test_a_visitor_waits_without_a_script_and_reports_by_one_tap(
    client: Client, campaign: Campaign, served: ModelVersion
) -> None:
    answer = client.post(reverse("try", args=["here"]), {"language": "wo", "text": SAID})
    waiting = client.get(answer.url)
    assert waiting["Refresh"] == "2"
    assert "One moment" in waiting.content.decode()
    trying.answer_trial(Trial.objects.get().pk, now=timezone.now())
    page = client.get(answer.url)
    assert "Refresh" not in page
    assert "Admin" in page.content.decode()
    assert "This is wrong" in page.content.decode()
    told = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode()))
    form = client.post(reverse("report", args=["here"]), told | {"fill": "1"})
    assert SAID in form.content.decode()
    assert not Report.objects.exists()
    kept = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form.content.decode()))
    send(client, **kept | {"begun": long_ago(), "language": "wo", "reason": "meaning"})
    report = Report.objects.get()
    assert (report.output_text, report.version_number, report.surface) == ("admin", 3, "try")


def test_what_was_tried_is_forgotten_within_the_hour(
    campaign: Campaign, served: ModelVersion
) -> None:
    now = timezone.now()
    wolof = campaign.languages.get(language__tag="wo").language
    made = trying.ask(campaign, language=wolof, text=SAID, client="c", now=now)
    assert trying.tend_trials(now=now + timedelta(seconds=30)) == [made.pk]
    trying.tend_trials(now=now + timedelta(minutes=61))
    assert not Trial.objects.exists()


def test_no_address_decides_under_which_key_a_report_comes_in(
    client: Client, campaign: Campaign
) -> None:
    address = reverse("report", args=["here"])
    page = client.get(address, {"key": "planted", "begun": "planted"}).content.decode()
    assert 'value="planted"' not in page
    elsewhere = make_campaign(slug="there", languages=("wo",))
    first = receive(campaign, telling=Telling(text=SAID), key="k", client="", now=timezone.now())
    with pytest.raises(ConflictError):
        receive(elsewhere, telling=Telling(text=SAID), key="k", client="", now=timezone.now())
    assert Report.objects.get() == first.report


@pytest.mark.parametrize("told", [{"version": -1}, {"version": 10**30}, {"digest": "\ud800"}])
def test_a_version_that_cannot_be_is_refused_by_name(campaign: Campaign, told: Any) -> None:
    telling = Telling(
        text=SAID, version_number=told.get("version"), version_digest=told.get("digest", "")
    )
    with pytest.raises(InvalidInputError, match="no such version"):
        receive(campaign, telling=telling, key="k", client="", now=timezone.now())
