"""Every page of reports in a real browser: readable by all, in both directions, never too wide."""

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import hearing, limits, timers, triage
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.table import Actor
from annotation.models import Campaign, PublicDoor, Report, ReportArrival, ReportEvent, User
from learning.models import Deployment, ModelVersion, Trial
from tests.make import make_annotator, make_campaign, make_language, make_sample, make_user
from tests.training.test_pages_in_a_browser import _overflow
from training.models import Probe, Verification

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
ARABIC = "لا أفهم ما يقوله النموذج عن هذه الرسالة"


@pytest.fixture
def places(browser: "Browser") -> dict[str, list[str]]:
    # The browser comes first: it is what lets Django use its database in this thread.
    make_language("ar", name="Arabic", autonym="العربية", script="Arab", direction="rtl")
    campaign = make_campaign(slug="here", languages=("ar", "wo"), title=LONG, question=f"{LONG}?")
    PublicDoor.objects.create(campaign=campaign, open=True)
    user = make_annotator("awa", "ar").user
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return {"public": _public(campaign), "inside": _inside(campaign)}


def _tell(campaign: Campaign, text: str, *, key: str) -> tuple[int, str]:
    telling = Telling(
        text=text,
        tag="ar",
        reasons=["insult"] if key == "a" else ["meaning"],
        description=LONG,
        consent_test=True,
    )
    got = receive(campaign, telling=telling, key=key, client=key, now=timezone.now())
    timers.tend(timezone.now())
    got.report.reproductions.create(
        version_number=1, version_digest="d", label="admin", still_wrong=True, at=timezone.now()
    )
    return got.report.pk, got.token


def _public(campaign: Campaign) -> list[str]:
    asked, token = _tell(campaign, ARABIC, key="a")
    report = campaign.reports.get(pk=asked)
    lead = Actor(ReportEvent.By.ADMIN, make_user("lead", staff=True))
    triage.ask_back(report, question="which_word", actor=lead, now=timezone.now())
    report.refresh_from_db()
    version = ModelVersion.objects.create(
        campaign=campaign, number=3, digest="e" * 64, network="tiny", path="-"
    )
    Deployment.objects.create(campaign=campaign, number=1, version=version, kind="initial")
    answer = {"label": "admin", "name": LONG, "confidence": 0.71, "version": 3, "digest": "d" * 64}
    answer |= {"set": [{"name": LONG}, {"name": "Dates"}], "honest": True}
    common = {
        "campaign": campaign,
        "language": make_language("ar"),
        "text": ARABIC,
        "asked_at": timezone.now(),
    }
    done = Trial.objects.create(state="done", answer=answer, **common)
    failed = Trial.objects.create(state="failed", error=LONG, **common)
    return [
        reverse("report_index"),
        reverse("report", args=["here"]),
        reverse("report_follow", args=[token]),
        f"{reverse('report_follow', args=[token])}?withdraw=1",
        reverse("try", args=["here"]),
        reverse("trial", args=[done.uid]),
        reverse("trial", args=[failed.uid]),
        reverse("public_card", args=["here", 3]),
        hearing.way_out([report]).removeprefix(settings.ENV.web_url.rstrip("/")),
    ]


def _inside(campaign: Campaign) -> list[str]:
    first, _ = _tell(campaign, f"{ARABIC} {LONG}", key="b")
    _tell(campaign, f"{ARABIC} {LONG}!", key="c")
    version = ModelVersion.objects.create(
        campaign=campaign, number=1, digest="d" * 64, network="tiny", path="-"
    )
    check = Verification.objects.create(
        report_id=first, version=version, against=version, opened_at=timezone.now()
    )
    labels = list(campaign.labels.all())
    sample = make_sample(campaign, "ar", ARABIC)
    Probe.objects.create(
        verification=check, sample=sample, old_label=labels[0], new_label=labels[1], new_first=True
    )
    here = ["here", "ar"]
    return [
        reverse("reports_overview", args=["here"]),
        reverse("reports_queue", args=here),
        f"{reverse('reports_every', args=['here'])}?tab=asked",
        reverse("report_detail", args=[*here, first]),
        reverse("report_case", args=[*here, first]),
        reverse("report_votes", args=here),
        reverse("report_probes", args=here),
    ]


@pytest.mark.parametrize(
    ("width", "scheme", "language"), [(1280, "light", "en"), (360, "dark", "ar")]
)
def test_every_page_is_readable_by_all_and_never_too_wide(
    browser: "Browser",
    live_server: "LiveServer",
    places: dict[str, list[str]],
    width: int,
    scheme: str,
    language: str,
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = _open(browser, live_server, width=width, scheme=scheme, language=language)
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if "Policy" in m.text else None)
    for address in [*places["public"], *places["inside"]]:
        answer = page.goto(live_server.url + address)
        assert answer
        assert answer.status == 200, address
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = Axe().run(page)
        if found.violations_count:
            complaints.append(f"{address}\n{found.generate_report()}")
        page.set_viewport_size({"width": 320, "height": 800})
        assert _overflow(page) <= 0, address
        # Letters twice as large, on the screen that one has.
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert _overflow(page) <= 0, f"{address} at 200 %"
    assert not complaints, "\n".join(complaints)
    page.context.close()


def test_a_report_is_told_and_taken_back_by_keyboard_without_scripts_in_60_kb(
    browser: "Browser",
    live_server: "LiveServer",
    places: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("annotation.views.reports.soon", lambda *_, **__: None)
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 640})
    page, answers = context.new_page(), []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(live_server.url + reverse("report", args=["here"]), wait_until="networkidle")
    assert 10_000 < sum(len(one.body()) for one in answers if one.ok) < 60_000
    page.focus("#text")
    page.keyboard.type("Xam naa ko")
    page.wait_for_timeout(2_100)  # a person is no quicker
    page.focus("form.form button.primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reports/follow/**")
    assert "Xam naa ko" in page.content()
    page.focus("#withdraw a")
    page.keyboard.press("Enter")
    page.wait_for_url("**withdraw=1*")
    page.focus("button.danger")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "withdraw=1" not in address)
    assert "taken back" in page.content()
    assert "Xam naa ko" not in page.content()
    context.close()


def test_reports_are_decided_by_keyboard_and_undone(
    browser: "Browser", live_server: "LiveServer", places: dict[str, list[str]]
) -> None:
    page = _open(browser, live_server, width=1280, scheme="light", language="en")
    page.goto(live_server.url + reverse("reports_queue", args=["here", "ar"]))
    waiting = Report.objects.filter(state="awaiting_triage").count()
    assert waiting == 2
    page.keyboard.press("?")
    assert page.locator("details.keys").get_attribute("open") is not None
    for key in "jxjx":
        page.keyboard.press(key)
    assert page.locator("[name=report]:checked").count() == 2
    page.keyboard.press("a")
    page.keyboard.press("H")  # a list of choices goes by first letters: hide it
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.wait_for_selector("text=Nothing has been done yet")
    page.keyboard.press("y")
    page.wait_for_selector("text=Done with 2 reports")
    page.keyboard.press("z")
    page.wait_for_selector("text=2 reports are as they were")
    page.keyboard.press("?")
    page.click(".keys-switch")  # who speaks to the computer turns them off
    page.locator("body").press("j")
    assert page.evaluate("document.activeElement.closest('tr')") is None
    page.context.close()


def _open(
    browser: "Browser", server: "LiveServer", *, width: int, scheme: str, language: str
) -> "Page":
    client = Client()
    client.force_login(User.objects.get(username="awa"))
    cookies = {
        settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value,
        settings.LANGUAGE_COOKIE_NAME: language,
    }
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    context.add_cookies([{"name": n, "value": v, "url": server.url} for n, v in cookies.items()])
    return context.new_page()


def test_a_browser_does_the_sum_of_a_burst_while_somebody_writes(
    browser: "Browser", live_server: "LiveServer"
) -> None:
    from playwright.sync_api import expect

    campaign = make_campaign(slug="here", languages=("wo",))
    until = timezone.now() + limits.BURST_LASTS
    PublicDoor.objects.create(campaign=campaign, open=True, burst_until=until)
    page = browser.new_page()
    page.goto(f"{live_server.url}{reverse('report', args=['here'])}")
    expect(page.locator("[name=proof]")).not_to_have_value("", timeout=60_000)
    page.fill("#text", "Xam naa ko bu baax")
    page.wait_for_timeout(1000 * limits.LEAST_SECONDS + 100)
    page.click("button.primary")
    page.wait_for_url("**/reports/follow/**")
    page.close()
    assert ReportArrival.objects.get().proven
