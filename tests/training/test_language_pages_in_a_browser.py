"""A stranger's phone on the pages of languages: without scripts, light, by the keyboard alone."""

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from annotation.models import Campaign
from tests.make import make_user
from tests.rich import make_rich_campaign
from tests.training.pages_made import dress, many
from training.actions.public_pages import set_public

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BUDGET = 60_000


@pytest.fixture
def campaign(browser: "Browser") -> Campaign:
    cache.clear()
    made = make_rich_campaign()
    dress(made)
    noor = make_user("noor", staff=True)
    set_public(made, shown=True, actor=noor, now=timezone.now())
    return made


def phone(browser: "Browser", server: "LiveServer", *, language: str) -> "Page":
    context = browser.new_context(
        viewport={"width": 360, "height": 780}, color_scheme="dark", java_script_enabled=False
    )
    cookie = {"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": server.url}
    context.add_cookies([cookie])  # type: ignore[list-item]
    return context.new_page()


def test_a_language_page_is_light_and_whole_without_scripts(
    browser: "Browser",
    live_server: "LiveServer",
    campaign: Campaign,
    settings: "SettingsWrapper",
) -> None:
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    page = phone(browser, live_server, language="ar")
    sizes: dict[str, int] = {}
    page.on("response", lambda r: sizes.update({r.url: len(r.body())}))
    page.goto(f"{live_server.url}/languages/{campaign.slug}/ar/", wait_until="networkidle")
    assert page.locator("html").get_attribute("dir") == "rtl"
    assert page.get_by_role("img").count() >= 1
    assert page.get_by_text("< 5").is_visible()
    own = {url: size for url, size in sizes.items() if "/fonts/" not in url or url.endswith(".css")}
    # Unpacked, and so more than what the line carries.
    assert sum(own.values()) < BUDGET, own
    assert not [url for url in own if url.endswith(".js")]
    page.context.close()


def test_languages_are_found_and_sorted_by_the_keyboard_without_scripts(
    browser: "Browser", live_server: "LiveServer"
) -> None:
    cache.clear()
    many(60, slug="lots")
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"{live_server.url}/languages/lots/")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("Language 01")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=Language+01*")
    assert page.locator("tbody tr").count() == 10
    page.get_by_role("link", name="Tokens", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=tokens*")
    assert page.locator("[aria-sort=descending]").inner_text() == "Tokens"
    first = page.locator("tbody th a").first
    assert "Language 010" in first.inner_text()
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/languages/lots/*/")
    assert page.get_by_role("heading", name="How often the model is right").is_visible()
    context.close()
