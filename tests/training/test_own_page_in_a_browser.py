"""What people get back, in a real browser: small, in both directions, in the dark, without scripts."""

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client

from annotation.actions.letters import keep_address, way_out
from annotation.models import Annotation, Language, User
from tests.annotation.test_welcome_in_a_browser import LONG, MOST_BYTES, flaws
from tests.training.giving import allow, give, learn, make_group, version

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def awa(browser: "Browser", settings: "SettingsWrapper") -> User:
    """She answered in a language whose name is long, and the model became better."""
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    home, (awa, ibou) = make_group(gold=100, slug="moods", title=LONG, question=LONG * 2)
    Language.objects.update(name=LONG, autonym="𞤆𞤵𞤤𞤢𞤪", script="Adlm", direction="rtl")
    answers = [give(awa, home), give(ibou, home)]
    old, new = version(home.campaign, right=60), version(home.campaign, right=80)
    learn(answers, base=old, candidate=new)
    allow(awa, contact=True, name_me=True)
    User.objects.filter(pk=ibou.user_id).update(name=LONG)
    allow(ibou, name_me=True)
    return keep_address(awa.user, address="awa@example.org")


def press(page: "Page", selector: str) -> None:
    with page.expect_navigation():
        page.locator(selector).click()


@pytest.mark.parametrize(
    ("width", "scheme", "language", "scripts"),
    [(320, "dark", "ar", True), (360, "light", "en", False), (1280, "light", "ar", True)],
)
def test_what_people_get_back_is_light_and_readable_by_all(
    browser: "Browser", live_server: "LiveServer", awa: User, width, scheme, language, scripts
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 700},
        color_scheme=scheme,
        java_script_enabled=scripts,
        locale=language,
    )
    client = Client()
    client.force_login(awa)
    name, value = settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value
    told = {"url": live_server.url}
    context.add_cookies(
        [
            {"name": name, "value": value, **told},
            {"name": settings.LANGUAGE_COOKIE_NAME, "value": language, **told},
        ]
    )
    page = context.new_page()
    weights: dict[str, int] = {}
    page.on(
        "response",
        lambda answer: weights.update(
            {answer.url: 0 if 300 <= answer.status < 400 else len(answer.body())}
        ),
    )
    out = way_out(awa).split("/", 3)[3]
    pages = {
        "own": "me/",
        "letters": "me/letters/",
        "take-back": "me/take-back/",
        "credits": "credits/moods/",
        "way-out": out,
    }
    wrong: list[str] = []
    for title, address in pages.items():
        weights.clear()
        page.goto(f"{live_server.url}/{address}")
        if title == "own" and scripts:
            page.locator("summary").first.click()
        wrong += flaws(page, f"{title}-{scheme}-{language}-{width}", scripts=scripts)
        heavy = sum(weights.values())
        wrong += [f"{title}: {heavy} bytes"] if heavy > MOST_BYTES else []
        wrong += [url for url in weights if url.endswith(".js")]
    press(page, "main button")
    assert page.locator("h1").count() == 1
    page.goto(f"{live_server.url}/me/take-back/")
    press(page, "button[value=all]")
    wrong += flaws(page, f"taken-{scheme}-{language}-{width}", scripts=scripts)
    assert wrong == []
    awa.refresh_from_db()
    assert awa.letters_to == ""
    assert not Annotation.objects.filter(annotator__user=awa, withdrawal=None).exists()
    context.close()
