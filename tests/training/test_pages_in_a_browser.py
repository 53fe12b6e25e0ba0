"""Pages of those who lead in a real browser: forms without scripts, progress, the keyboard."""

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client

from annotation.models import Campaign
from tests.make import make_campaign, make_user
from tests.rich import make_rich_campaign

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"


@pytest.fixture
def campaign(browser: "Browser") -> Campaign:
    # The browser comes first: it is what lets Django use its database in this thread.
    make_campaign(languages=("wo",), slug="empty", title=LONG, question=LONG * 2)
    return make_rich_campaign()


def open_page(
    browser: "Browser", server: "LiveServer", *, width: int, scheme: str, language: str
) -> "Page":
    client = Client()
    client.force_login(make_user("noor", staff=True))
    cookies = {
        settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value,
        settings.LANGUAGE_COOKIE_NAME: language,
    }
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    context.add_cookies(
        [{"name": name, "value": value, "url": server.url} for name, value in cookies.items()]
    )
    return context.new_page()


def test_a_campaign_is_made_in_two_steps_without_a_script(
    browser: "Browser", live_server: "LiveServer"
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(browser, live_server, width=360, scheme="light", language="en")
    page.goto(f"{live_server.url}/campaigns/new/")
    fields = {"title": LONG, "slug": "", "question": "Which mood?", "labels": "a = A\nb = B"}
    for name, text in (fields | {"languages": "wo\nff-Adlm\nxyz"}).items():
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.locator(f"[name={name}]").fill(text)
    page.get_by_role("button", name="Next: guidelines").click()
    page.get_by_text("No registry knows the language tag").wait_for()
    page.locator("[name=languages]").fill("wo\nff-Adlm")
    page.locator("[name=slug]").fill("mood")
    page.get_by_role("button", name="Next: guidelines").click()
    page.locator("[name=guideline-ff-Adlm]").fill("𞤔𞤢𞤲𞤺𞤵")
    assert Axe().run(page).violations_count == 0
    assert _overflow(page) <= 0
    page.get_by_role("button", name="Back").click()
    page.locator("[name=question]").fill("Which mood, then?")
    page.get_by_role("button", name="Next: guidelines").click()
    page.get_by_role("button", name="Create the campaign").click()
    page.wait_for_url(f"{live_server.url}/campaigns/mood/")
    made = Campaign.objects.get()
    assert made.question == "Which mood, then?"
    homes = made.languages.all()
    assert [home.guidelines.first() and home.guidelines.get().text for home in homes] == [
        "𞤔𞤢𞤲𞤺𞤵",
        None,
    ]
    page.context.close()


def test_a_quota_is_tried_then_saved_then_undone(
    browser: "Browser", live_server: "LiveServer", campaign: Campaign
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(browser, live_server, width=1280, scheme="light", language="en")
    page.goto(f"{live_server.url}/campaigns/{campaign.slug}/quota/")
    page.locator("[name=items_per_round]").fill("60")
    page.locator("[name=active-kab]").uncheck()
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("Tried, not saved: 60 items instead of").wait_for()
    assert Axe().run(page).violations_count == 0
    campaign.refresh_from_db()
    assert campaign.items_per_round == 240
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The quota is set.").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("The change is taken back.").wait_for()
    campaign.refresh_from_db()
    assert campaign.items_per_round == 240
    page.context.close()


def test_strangers_see_a_sign_in_page_that_all_can_use(
    page: "Page", live_server: "LiveServer"
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    make_user("noor", staff=True)
    page.goto(live_server.url + "/campaigns/")
    assert Axe().run(page).violations_count == 0
    page.get_by_label("Username").fill("noor")
    page.get_by_label("Password").fill("secret")
    page.keyboard.press("Enter")
    page.wait_for_url(live_server.url + "/campaigns/")
    assert page.get_by_role("heading", name="Campaigns").is_visible()


def test_the_keyboard_reaches_the_content_first(
    browser: "Browser", live_server: "LiveServer", campaign: Campaign
) -> None:
    page = open_page(browser, live_server, width=1280, scheme="light", language="en")
    page.goto(f"{live_server.url}/campaigns/{campaign.slug}/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.context.close()


def test_progress_moves_without_reloading(
    browser: "Browser", live_server: "LiveServer", campaign: Campaign
) -> None:
    page = open_page(browser, live_server, width=1280, scheme="light", language="en")
    page.goto(f"{live_server.url}/campaigns/{campaign.slug}/")
    page.evaluate("window.untouched = true")
    pick = campaign.rounds.get(number=5).picks.filter(item__state="pushed").first()
    assert pick
    type(pick.item).objects.filter(pk=pick.item_id).update(state="answered")
    page.get_by_text("8 of 14 items answered").wait_for(timeout=60_000)
    assert page.evaluate("window.untouched")
    campaign.rounds.filter(number=5).update(status="training")
    page.get_by_text("Training waits for a free worker").wait_for(timeout=60_000)
    page.wait_for_function("!window.untouched", timeout=60_000)
    page.context.close()


def _overflow(page: "Page") -> int:
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(page.evaluate(width))
