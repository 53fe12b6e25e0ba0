"""Every address in a real browser: readable by all, in both directions and schemes, never too wide."""

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from annotation.actions.health import Health, PartHealth
from learning.models import Trial
from tests.make import make_campaign
from tests.security.doors import DOORS, Door
from tests.security.world import World

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
]
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
# Who looks behind each kind of door; whoever may lead all sees the most.
LOOKING = {"open": "stranger", "signed-in": "annotator", "answer": "annotator"}
# Parts of pages, files and scripts; what is a page of its own is looked at.
PARTS = ("_live", "_csv", "_table", "_json", "_feed", "_worker", "_file", "_predictions")
FILES = {
    "healthz",
    "readyz",
    "metrics",
    "openapi",
    "run_curves",
    "gate_json",
    "version_labels",
    "version_card",
}
BESIDE = {
    "superuser": [
        *("/campaigns/empty/", "/campaigns/empty/people/", "/campaigns/empty/quota/", "/nowhere/"),
        *("/campaigns/here/versions/compare/?a=2&b=5", "/campaigns/here/reports/every/?tab=asked"),
    ],
    "annotator": ["/campaigns/here/quota/"],
    "stranger": [f"/go/{'x' * 43}/", "/languages/?q=nobody"],
}
ALL = {"resultTypes": ["violations"]}
# What direction, scheme and width may change; the rest was said of the same elements in English.
LOOKS = (
    *("color-contrast", "html-has-lang", "html-lang-valid", "target-size", "document-title"),
    *("link-in-text-block", "scrollable-region-focusable", "duplicate-id-aria", "valid-lang"),
)
OTHERWISE = {**ALL, "runOnly": {"type": "rule", "values": list(LOOKS)}}
WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def world(browser: "Browser", monkeypatch: pytest.MonkeyPatch) -> World:
    # The browser comes first: it is what lets Django use its database in this thread.
    for asked in ("mirror_soon", "push_soon"):
        monkeypatch.setattr(f"annotation.views.light.{asked}", lambda pk: None)
    there = PartHealth("Redis", Health.GOOD, "")
    monkeypatch.setattr("annotation.views.health.check_broker", lambda: there)
    make_campaign(languages=("wo",), slug="empty", title=LONG, question=LONG * 2)
    made = World()
    answer = {"label": "admin", "name": LONG, "confidence": 0.71, "version": 1, "digest": "d" * 64}
    Trial.objects.update(answer=answer | {"set": [{"name": LONG}], "honest": True})
    return made


def addresses(world: World) -> dict[str, list[str]]:
    """The pages by who looks at them, each address once."""
    found: dict[str, list[str]] = {role: list(pages) for role, pages in BESIDE.items()}
    for name, door in DOORS.items():
        if _is_page(name, door):
            found[LOOKING.get(door.who, "superuser")].append(door.address(world))
    return found


def _is_page(name: str, door: Door) -> bool:
    part = name in FILES or name.startswith("api_") or name.endswith(PARTS)
    return door.get.split("/")[0].startswith("200") and not part


def _forbidden(wrong: list[str], told: "ConsoleMessage") -> None:
    if "Policy" in told.text:
        wrong.append(told.text)


def visit(browser: "Browser", server: "LiveServer", client: Client, **over: Any) -> "Page":
    language = over.pop("language")
    context = browser.new_context(**over)
    cookies = {settings.LANGUAGE_COOKIE_NAME: language}
    if settings.SESSION_COOKIE_NAME in client.cookies:
        cookies[settings.SESSION_COOKIE_NAME] = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": n, "value": v, "url": server.url} for n, v in cookies.items()])
    return context.new_page()


def flaws(page: "Page", *, rules: dict[str, Any], name: str) -> list[str]:
    """What axe finds, and where the page is wider than the screen: as it is, in large letters, and at 320."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page, options=rules)
    wrong = [f"{name}\n{found.generate_report()}"] if found.violations_count else []
    size = page.viewport_size
    assert size
    wrong += [f"{name} is too wide"] if page.evaluate(WIDTH) > 0 else []
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    wrong += [f"{name} is too wide at 200 %"] if page.evaluate(WIDTH) > 0 else []
    page.evaluate("document.documentElement.style.fontSize = ''")
    page.set_viewport_size({"width": 320, "height": 800})
    wrong += [f"{name} is too wide at 320 px"] if page.evaluate(WIDTH) > 0 else []
    page.set_viewport_size(size)
    return wrong


def test_every_page_is_readable_by_all_and_never_too_wide(
    browser: "Browser", live_server: "LiveServer", world: World, settings: "SettingsWrapper"
) -> None:
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    wrong: list[str] = []
    seen = 0
    ways = ((1280, "light", "en", ALL), (360, "dark", "ar", OTHERWISE))
    for width, scheme, language, rules in ways:
        for role, pages in addresses(world).items():
            page = visit(
                browser, live_server, world.client(role), language=language,
                viewport={"width": width, "height": 800}, color_scheme=scheme,
            )  # fmt: skip
            # What the content policy forbids is told on the console.
            page.on("console", partial(_forbidden, wrong))
            for address in pages:
                answer = page.goto(live_server.url + address)
                name = f"{address} ({language}, {scheme})"
                assert answer
                if answer.status not in (200, 403, 404):
                    wrong.append(f"{name}: {answer.status}")
                seen += 1
                wrong += flaws(page, rules=rules, name=name)
            page.context.close()
    assert not wrong, "\n".join(wrong)
    assert seen >= 2 * 80


def test_a_second_step_is_set_up_by_keyboard_and_every_page_of_it_readable(
    browser: "Browser", live_server: "LiveServer", world: World
) -> None:
    lead = world.people["superuser"]
    lead.set_password("secret")
    lead.save()
    page = visit(
        browser, live_server, world.client("superuser"), language="en",
        viewport={"width": 360, "height": 800}, color_scheme="dark",
    )  # fmt: skip
    page.goto(f"{live_server.url}/me/second-step/")
    page.focus("#password")
    page.keyboard.type("secret")
    page.keyboard.press("Enter")
    page.locator(".qr").wait_for()
    wrong = flaws(page, rules=ALL, name="picture")
    device = TOTPDevice.objects.get()
    page.focus("#code")
    page.keyboard.type(f"{TOTP(device.bin_key).token():06d}")
    page.keyboard.press("Enter")
    page.locator(".codes").wait_for()
    wrong += flaws(page, rules=ALL, name="codes")
    page.goto(f"{live_server.url}/me/second-step/")
    wrong += flaws(page, rules=ALL, name="it is on")
    assert wrong == []
    page.context.close()
