"""An invited person's first minutes in a real browser: small phone, no scripts, right to left."""

import os
from typing import TYPE_CHECKING

import pytest

from annotation.models import Annotator, Campaign, Consent, Language
from tests.make import make_campaign
from tests.training.test_pages_in_a_browser import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
MOST_BYTES = 60_000


@pytest.fixture
def campaign(browser: "Browser", settings: "SettingsWrapper") -> Campaign:
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    made = make_campaign(
        slug="moods", title=LONG, question=LONG, languages=("ar", "ff-Adlm"), status="running"
    )
    arabic, fulah = Language.objects.filter(tag="ar"), Language.objects.filter(tag="ff-Adlm")
    arabic.update(name="Arabic", autonym="العربية", script="Arab", variants=["مصري", LONG])
    fulah.update(name="Fulah (Adlam)", autonym="𞤆𞤵𞤤𞤢𞤪", script="Adlm", direction="rtl")
    return made


def flaws(page: "Page", name: str, *, scripts: bool = True) -> list[str]:
    """What is wrong with a page: what axe finds, and how far it is wider than the screen."""
    from axe_playwright_python.sync_playwright import Axe

    if folder := os.environ.get("KEEP_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    wrong = [f"{name} is {wide} px too wide"] if wide > 0 else []
    found = Axe().run(page) if scripts else None
    return [*wrong, found.generate_report()] if found and found.violations_count else wrong


def link_for(server: "LiveServer", browser: "Browser", *, width: int, language: str) -> str:
    """Invite somebody on the people page, and return the link as the page shows it."""
    page = open_page(browser, server, width=width, scheme="light", language=language)
    page.goto(f"{server.url}/campaigns/moods/people/invite/")
    wrong = flaws(page, f"invite-{width}")
    page.locator("[name=name]").fill("عائشة")
    for box in page.locator("[name=languages]").all():
        box.check()
    page.locator("[name=interface]").select_option("ar")
    page.locator("form.form button.primary").click()
    page.locator("#link").wait_for()
    page.locator(".field button").first.click()
    assert page.evaluate("document.activeElement.closest('.field') !== null")
    assert page.evaluate("document.querySelector('.qr').naturalWidth") > 100
    wrong += flaws(page, f"invited-{width}")
    link = page.locator("#link").input_value()
    page.goto(f"{server.url}/campaigns/moods/people/")
    wrong += flaws(page, f"people-{width}")
    assert wrong == []
    page.context.close()
    return server.url + "/go/" + link.split("/go/")[1]


def test_from_an_invitation_to_work_on_a_small_phone_without_scripts(
    browser: "Browser", live_server: "LiveServer", campaign: Campaign
) -> None:
    link = link_for(live_server, browser, width=1280, language="en")
    context = browser.new_context(viewport={"width": 320, "height": 640}, java_script_enabled=False)
    page = context.new_page()
    page.goto(link)
    assert page.locator("html").get_attribute("dir") == "rtl"
    wrong = flaws(page, "go-320", scripts=False)
    page.locator("main button").click()
    page.wait_for_url("**/consent/")
    page.locator("button[value=yes]").click()
    page.locator("[role=alert]").wait_for()
    page.locator("[name=of_age]").check()
    page.locator("[name=contact]").check()
    wrong += flaws(page, "refused-320", scripts=False)
    page.locator("button[value=yes]").click()
    page.wait_for_url("**/me/about/")
    page.locator("[type=radio]").first.check()
    page.locator("form.form button.primary").click()
    page.wait_for_url("**/me/")
    wrong += flaws(page, "me-320", scripts=False)
    assert page.locator(".place").count() == 2
    assert wrong == []
    told = Consent.objects.get(ended_at=None)
    assert (told.granted, told.text.tag) == (["train", "contact"], "ar")
    assert Annotator.objects.filter(dialect="مصري").count() == 1
    context.close()


def test_every_page_of_the_welcome_is_light_and_readable_by_all(
    browser: "Browser", live_server: "LiveServer", campaign: Campaign
) -> None:
    link = link_for(live_server, browser, width=320, language="ar")
    wrong, weights = [], dict[str, int]()
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme="dark")
    page = context.new_page()
    page.on("response", lambda answer: weights.update({answer.url: _bytes(answer)}))

    def look(name: str, address: str) -> None:
        weights.clear()
        page.goto(address)
        wrong.extend(flaws(page, f"{name}-dark-320"))
        heavy = sum(weights.values())
        # A browser that has the style already asks for the page alone.
        wrong.extend([f"{name}: {heavy} bytes"] if heavy > MOST_BYTES else [])
        wrong.extend(url for url in weights if url.endswith(".js"))

    look("closed", f"{live_server.url}/go/{'x' * 43}/")
    look("go", link)
    page.locator("main button").click()
    look("consent", f"{live_server.url}/consent/")
    page.locator("[name=of_age]").check()
    page.locator("button[value=yes]").click()
    for name, address in (("about", "me/about/"), ("me", "me/"), ("end", "consent/?end=1")):
        look(name, f"{live_server.url}/{address}")
    page.locator("button.danger").click()
    wrong += flaws(page, "declined-dark-320")
    assert wrong == []
    context.close()


def _bytes(response: "Response") -> int:
    return 0 if 300 <= response.status < 400 else len(response.body())
