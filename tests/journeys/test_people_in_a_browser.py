"""People in a real browser, from an invitation to a label: on a phone, at a screen, and out again."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from annotation.actions.campaigns import set_guideline
from annotation.actions.intake import sweep
from annotation.actions.invitations import invite
from annotation.actions.mirror import mirror
from annotation.actions.queue import push_items
from annotation.gateways.label_studio import LabelStudioDesk
from annotation.models import (
    Adjudication,
    Annotation,
    Annotator,
    CalibrationSession,
    CampaignLanguage,
    Consensus,
    Consent,
    Item,
    Language,
    Role,
    Standing,
    User,
)
from annotation.tasks import keep
from tests.annotation.calibrating import make_home, wrong_key
from tests.annotation.test_consensus import answer
from tests.annotation.test_disputes import refit_all
from tests.line import Line
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE: Any = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
TEXTS = 44
NOTE = "1 and 2, as they say in Kayor"
TEXT = re.compile(r"^text \d{3}$")


@pytest.fixture
def line(browser: "Browser", live_server: "LiveServer") -> Iterator[Line]:
    # The browser comes first: it is what lets Django use its database in this thread.
    line = Line(live_server.url)
    yield line
    line.close()


@pytest.fixture
def home(
    browser: "Browser", label_studio: Any, settings: "SettingsWrapper", line: Line, monkeypatch: Any
) -> Iterator[CampaignLanguage]:
    """Wolof, with gold for a session, texts at Label Studio, and nobody yet."""
    for asked in ("mirror_soon", "push_soon"):
        monkeypatch.setattr(f"annotation.views.light.{asked}", lambda pk: None)
    # What a worker would do a moment later.
    monkeypatch.setattr("annotation.views.light.keep_soon", kept_at_once)
    access = {f"label_studio_{name}": told for name, told in label_studio.access.items()}
    settings.ENV = settings.ENV.model_copy(update=access | {"web_url": line.url})
    home = make_home(gold=42, slug="mail", status="running")
    Language.objects.filter(tag="wo").update(variants=["Lebu"], name="Wolof", autonym="Wolof")
    set_guideline(home, text="Read it.\n\nChoose one.")
    for number in range(TEXTS):
        make_item(make_sample(home.campaign, text=f"text {number:03}"), priority=number, batch="r")
    desk = LabelStudioDesk(**label_studio.access)
    push_items(home, desk=desk, now=timezone.now())
    home.refresh_from_db()
    yield home
    desk.delete_project(home.desk_project_id or 0)


def kept_at_once(annotator_id: int, campaign_language_id: int, *, most: int) -> None:
    keep(annotator_id=annotator_id, campaign_language_id=campaign_language_id, most=most)


def until(seen: Callable[[], object], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "It did not come to that."
        time.sleep(0.05)


def signed_in(browser: "Browser", url: str, user: User, **over: Any) -> "Page":
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    context = browser.new_context(**over)
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])
    return context.new_page()


def come_in(page: "Page", link: str) -> None:
    """From the link to a page of one's own."""
    page.goto(link)
    page.locator("main button").tap()
    page.locator("[name=of_age]").tap()
    page.locator("button[value=yes]").tap()
    page.locator("[type=radio]").first.tap()
    page.locator("form.form button.primary").tap()
    page.get_by_role("link", name="Begin with calibration").tap()


def calibrate(page: "Page") -> None:
    """One answer otherwise than the guideline, all others as it says."""
    page.get_by_role("button", name="Begin the session").tap()
    page.locator(".answers").wait_for()
    session, asked = CalibrationSession.objects.get(), 0
    while session.ended_at is None:
        waiting = session.answers.filter(label=None).order_by("position").first()
        assert waiting is not None
        key = wrong_key(waiting) if asked == 2 else waiting.truth.key
        with page.expect_navigation():
            page.locator(f".answers button[value={key}]").tap()
        session.refresh_from_db()
        asked += 1
    page.get_by_text("You said").first.wait_for()


def answer_on_the_light_page(page: "Page", line: Line) -> None:
    """Five with a line, ten without, five with one again."""
    page.goto(f"{line.url}/me/")
    page.get_by_role("link", name="Answer here").tap()
    page.wait_for_selector("body[data-ready]")
    until(lambda: page.evaluate("caches.match('/answer/mail/wo/').then(Boolean)"))
    until(lambda: on_the_phone(page) >= 20)
    for number in range(20):
        if number == 5:
            until(lambda: Annotation.objects.count() == 5)
            line.go_down()
        if number == 15:
            page.reload()
            page.wait_for_selector("body[data-ready]")
            assert Annotation.objects.count() == 5
            line.come_up()
        text = page.text_content("#text")
        page.locator("button[name=answer][value^='label:']").nth(number % 3).tap()
        until(lambda text=text: page.text_content("#text") != text)
    page.evaluate("dispatchEvent(new Event('online'))")
    until(lambda: Annotation.objects.count() == 20)
    page.wait_for_selector("#state:not(.waiting)")


def answer_in_label_studio(page: "Page") -> None:
    """Twenty; the line is gone at the sixth, which is asked again, and the ninth has a note."""
    submit = page.get_by_test_id("bottombar-submit-button")
    submit.wait_for(timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Escape")
    before = ""
    for number in range(20):
        until(lambda before=before: shown_there(page) not in ("", before))
        before = shown_there(page)
        if number == 9:
            page.get_by_role("textbox").fill(NOTE)
            page.get_by_role("textbox").blur()
        page.keyboard.press(str(1 + number % 2))
        if number == 6:
            page.context.set_offline(True)
            submit.click()
            page.get_by_text("Failed to fetch").first.wait_for()
            page.context.set_offline(False)
            page.reload()
            submit.wait_for()
            page.wait_for_load_state("networkidle")
            until(lambda: shown_there(page) != "")
            page.keyboard.press("Escape")
            assert shown_there(page) == before
            page.keyboard.press(str(1 + number % 2))
        submit.click()
    page.wait_for_load_state("networkidle")


def shown_there(page: "Page") -> str:
    found = page.get_by_text(TEXT)
    return found.first.text_content() or "" if found.count() else ""


def on_the_phone(page: "Page") -> int:
    digits = "".join(one for one in page.text_content("#ahead") or "" if one.isdigit())
    return int(digits or 0)


@pytest.mark.label_studio
def test_awa_is_invited_calibrated_answers_on_her_phone_and_goes_on_in_label_studio(
    browser: "Browser", home: CampaignLanguage, line: Line, label_studio: Any
) -> None:
    desk = LabelStudioDesk(**label_studio.access)
    ticket = invite(home.campaign, name="Awa of the journey", languages=[home.language], actor=None)
    phone: BrowserContext = browser.new_context(**PHONE)
    page = phone.new_page()
    come_in(page, ticket.address)
    awa = Annotator.objects.get()
    assert (awa.dialect, Consent.objects.get().granted) == ("Lebu", ["train"])
    calibrate(page)
    assert Standing.objects.get().state == "qualified"
    answer_on_the_light_page(page, line)
    given = Annotation.objects.filter(annotator=awa, source="light", state="answered")
    assert given.values("item").distinct().count() == given.count() == 20
    phone.close()
    assert mirror(home, desk=desk, now=timezone.now()).mirrored == 20
    assert desk.counters(home.desk_project_id or 0).annotations == 20

    page = signed_in(browser, line.url, awa.user, viewport={"width": 1280, "height": 800})
    page.goto(f"{line.url}/me/")
    page.get_by_role("link", name="Answer in Label Studio").click()
    answer_in_label_studio(page)
    page.context.close()
    until(lambda: desk.counters(home.desk_project_id or 0).annotations == 40)
    sweep(home, desk=desk, now=timezone.now())
    there = Annotation.objects.filter(annotator=awa, source="desk", state="answered")
    assert Counter(there.values_list("label__key", flat=True)) == {"admin": 10, "accounts": 10}
    assert [one.note for one in there.exclude(note="")] == [NOTE]
    assert not there.filter(item__in=given.values("item")).exists()
    assert there.values("item").distinct().count() == 20
    assert Item.objects.filter(state="answered").count() == 40


def test_a_coordinator_settles_a_dispute_and_takes_it_back(
    browser: "Browser", live_server: "LiveServer"
) -> None:
    campaign = make_campaign(slug="speech", status="running", languages=("wo",))
    sample = make_sample(campaign, text="Ndax lii bees la?")
    people = [make_annotator(name) for name in ("awa", "ibou")]
    answer(sample, people[0], "dates", note="A day is named.")
    answer(sample, people[1], "admin")
    sample.items.update(state=Item.State.ANSWERED, wanted=2)
    refit_all(campaign)
    coumba = make_user("coumba")
    coumba.memberships.create(campaign=campaign, language=sample.language, role=Role.COORDINATOR)
    page = signed_in(browser, live_server.url, coumba, **PHONE)
    page.goto(f"{live_server.url}/campaigns/speech/languages/wo/")
    page.get_by_text("A day is named.").wait_for()
    page.get_by_role("radio", name="Dates").tap()
    page.get_by_label("Why").first.fill("It is a day.")
    page.get_by_role("button", name="Decide").tap()
    page.get_by_text("Decided. It can be undone below.").wait_for()
    refit_all(campaign)
    assert Consensus.objects.get(sample=sample).label.key == "dates"
    page.reload()
    page.get_by_text("Nothing waits for a decision.").wait_for()
    page.get_by_text("Decided lately").tap()
    page.get_by_role("button", name="Undo").tap()
    page.get_by_text("Undone.").wait_for()
    refit_all(campaign)
    assert Consensus.objects.get(sample=sample).disputed
    assert Adjudication.objects.count() == 1
    page.context.close()


def test_awa_takes_everything_back_with_one_click(
    browser: "Browser", live_server: "LiveServer"
) -> None:
    campaign = make_campaign(slug="mail", status="running", languages=("wo",))
    awa, ibou = make_annotator("awa"), make_annotator("ibou")
    for number in range(3):
        sample = make_sample(campaign, text=f"text {number}")
        answer(sample, awa, "admin", note="mine")
        answer(sample, ibou, "admin")
    page = signed_in(browser, live_server.url, awa.user, **PHONE)
    page.goto(f"{live_server.url}/me/")
    page.get_by_role("link", name="Take answers back").tap()
    page.get_by_role("button", name="Take everything back").tap()
    page.get_by_text("3 answers, ").wait_for()
    hers = Annotation.objects.filter(annotator=awa)
    assert set(hers.values_list("state", "label", "note")) == {("withdrawn", None, "")}
    assert Annotation.objects.filter(annotator=ibou, state="answered").count() == 3
    assert not Consent.objects.standing().filter(user=awa.user, train=True).exists()
    page.goto(f"{live_server.url}/answer/mail/wo/")
    assert page.locator("#text").count() == 0
    page.context.close()
