"""Languages in a real browser: pages turn as a whole, letters go where the caret is, fonts wait."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client

from annotation.models import Annotator, CampaignLanguage, Language
from tests.annotation.test_welcome_in_a_browser import flaws
from tests.make import make_annotator, make_campaign, make_item, make_language, make_sample

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Wide screens only for those who look at the pictures.
SEEN = [
    (360, "fr"),
    (360, "ar"),
    *([(1280, "ar"), (1280, "fr")] if "KEEP_SHOTS" in os.environ else []),
]
TOO_SMALL = """() => [...document.querySelectorAll(".characters button")]
  .filter((one) => Math.min(one.getBoundingClientRect().height, one.getBoundingClientRect().width) < 47.5)
  .map((one) => one.textContent)"""


@pytest.fixture
def home(browser: "Browser", monkeypatch: pytest.MonkeyPatch) -> CampaignLanguage:
    for asked in ("mirror_soon", "push_soon"):
        monkeypatch.setattr(f"annotation.views.light.{asked}", lambda pk: None)
    make_language("ha", script="Latn", name="Hausa", autonym="Hausa")
    make_language("ff-Adlm", script="Adlm", name="Fulah", autonym="𞤆𞤵𞤤𞤢𞤪", direction="rtl")
    campaign = make_campaign(languages=("ha", "ff-Adlm"), status="running", slug="mail")
    make_item(make_sample(campaign, "ha", text="Kalmar sirri ba daidai ba ce."))
    make_item(make_sample(campaign, "ff-Adlm", text="𞤅𞤢𞤤𞤢𞥄𞤥 𞤶𞤢𞤲𞤺𞤢"))
    for tag in ("ha", "ff-Adlm"):
        make_annotator("awa", tag)
    return campaign.languages.get(language__tag="ha")


@pytest.fixture
def visit(browser: "Browser", live_server: "LiveServer") -> Iterator[Callable[..., "Page"]]:
    with_us: list[Any] = []

    def visit(path: str, **over: Any) -> "Page":
        context = browser.new_context(**({"viewport": {"width": 360, "height": 740}} | over))
        with_us.append(context)
        client = Client()
        client.force_login(Annotator.objects.filter(user__username="awa")[0].user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}
        context.add_cookies([cookie])
        page = context.new_page()
        page.goto(live_server.url + path)
        return page

    yield visit
    for context in with_us:
        context.close()


def test_a_page_turns_as_a_whole_at_one_press_without_scripts_and_texts_do_not(
    home: CampaignLanguage, visit: Callable[..., "Page"]
) -> None:
    page = visit("/answer/mail/ha/", java_script_enabled=False)
    assert page.locator(".characters").count() == 0
    for language, turned in (("العربية", "rtl"), ("Français", "ltr")):
        with page.expect_navigation(url="**/answer/mail/ha/"):
            page.get_by_role("button", name=language).click()
        assert page.locator("html").get_attribute("dir") == turned
        text = page.locator("#text")
        assert text.evaluate("one => getComputedStyle(one).direction") == "ltr"
        assert text.get_attribute("lang") == "ha-Latn"
        assert page.locator(".interface-draft").is_visible()


def test_letters_go_where_the_caret_is_and_capitals_too(
    home: CampaignLanguage, visit: Callable[..., "Page"]
) -> None:
    page = visit("/answer/mail/ha/")
    page.locator("body[data-ready]").wait_for()
    page.locator("#flags summary").click()
    note = page.locator("#note")
    note.fill("aa")
    note.evaluate("one => one.setSelectionRange(1, 1)")
    row = page.locator(".characters")
    assert page.evaluate(TOO_SMALL) == []
    row.get_by_role("button", name="ɓ", exact=True).click()
    row.locator("[aria-pressed]").click()
    row.get_by_role("button", name="Ƙ", exact=True).click()
    assert note.input_value() == "aɓƘa"
    assert page.evaluate("document.activeElement.id") == "note"
    # Keys that answer stay out of it, and the bar is no answer.
    assert page.locator("#task").is_visible()
    assert flaws(page, "letters-360") == []


def test_a_font_comes_after_the_text_once_and_only_for_a_script_that_needs_it(
    home: CampaignLanguage, visit: Callable[..., "Page"]
) -> None:
    page = visit("/answer/mail/ha/")
    page.locator("body[data-ready]").wait_for()
    fonts: list[str] = []
    page.on("request", lambda asked: fonts.append(asked.url) if "fonts/" in asked.url else None)
    page.reload()
    page.locator("body[data-ready]").wait_for()
    assert fonts == []
    page.goto(page.url.replace("/ha/", "/ff-Adlm/"))
    page.locator("body[data-ready]").wait_for()
    assert page.locator("#fonts").get_attribute("media") == "all"
    page.evaluate("document.fonts.ready.then(() => null)")
    # A machine that has the font itself asks for none; no other script's is ever asked for.
    assert {one.rsplit("/", 1)[1] for one in fonts} <= {"fonts.css", "adlm.woff2"}


@pytest.mark.parametrize(("width", "tag"), SEEN)
def test_pages_for_those_who_answer_are_sound_in_either_direction(
    home: CampaignLanguage, visit: Callable[..., "Page"], width: int, tag: str
) -> None:
    Language.objects.filter(tag="ha").update(characters="ɓ ɗ ƙ ʼy")
    page = visit("/me/", viewport={"width": width, "height": 740}, locale=tag)
    wrong = []
    for name, path in (
        ("me", "/me/"),
        ("light", "/answer/mail/ha/"),
        ("consent", "/consent/"),
        ("interface", "/interface/"),
        ("guideline", "/guideline/mail/ha/"),
    ):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + path)
        if name == "light":
            page.locator("#flags summary").click()
        assert page.locator("html").get_attribute("lang") == tag
        wrong += flaws(page, f"{name}-{tag}-{width}", scripts=tag == "ar")
    assert wrong == []
