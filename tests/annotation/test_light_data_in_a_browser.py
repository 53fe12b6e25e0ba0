"""What the light page costs its people: told as it goes, and not spent where they said so."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.annotation.test_light_in_a_browser import (
    PAGE,
    _nobody_else,
    line,
    make_home,
    settle_down,
    shows,
    stored,
    until,
    visit,
)
from tests.line import Line

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["_nobody_else", "line", "visit"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# What a phone's browser tells of its line; another browser tells less.
CELLULAR = """Object.defineProperty(navigator, "connection", { value: Object.assign(
  new EventTarget(), { type: sessionStorage.getItem("line") || "cellular" }) })"""
ON_WIFI = """navigator.connection.type = "wifi";
  navigator.connection.dispatchEvent(new Event("change"))"""


def wait_for_wifi(page: "Page") -> None:
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Send and fetch over Wi-Fi only").check()


def answer(page: "Page", number: int) -> None:
    page.keyboard.press("1")
    shows(page, f"text {number:03}")


def test_what_went_over_the_line_is_told_as_it_is(line: Line, visit: Any) -> None:
    make_home(items=12)
    page = visit()
    settle_down(page)
    for number in range(1, 5):
        answer(page, number)
    page.wait_for_selector("#state:not(.waiting)")
    until(lambda: stored() == 4)
    told = page.evaluate("lightData.visit")
    assert 0.7 < told / line.bytes < 1.3
    page.get_by_text("More", exact=True).click()
    said, visit_kb = page.evaluate(
        "[document.getElementById('weight').textContent, Math.round(lightData.visit / 1e3)]"
    )
    assert f"about: {visit_kb} kB in this visit, {visit_kb} kB this month" in said
    page.reload()
    page.wait_for_selector("body[data-ready]")
    now, month = page.evaluate("[lightData.visit, lightData.month]")
    assert told < now == month


def test_a_phone_that_is_to_wait_for_wifi_says_so_and_loses_nothing(line: Line, visit: Any) -> None:
    make_home(items=40)
    page = visit("/", ready=False)
    page.context.add_init_script(CELLULAR)
    page.goto(line.url + PAGE)
    page.wait_for_selector("body[data-ready]")
    assert page.locator("#untold").is_hidden()
    wait_for_wifi(page)
    answer(page, 1)
    answer(page, 2)
    page.get_by_text("Waiting for Wi-Fi, as you chose").wait_for()
    until(lambda: "2 waiting" in page.inner_text("#state"))
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.get_by_text("Waiting for Wi-Fi, as you chose").wait_for()
    assert stored() == 0
    page.get_by_role("button", name="Send now").click()
    until(lambda: stored() == 2)
    page.wait_for_selector("#state:not(.waiting)")
    answer(page, 3)
    page.get_by_text("Waiting for Wi-Fi, as you chose").wait_for()
    page.evaluate(ON_WIFI)
    until(lambda: stored() == 3)
    until(lambda: page.locator("#now").is_hidden())
    assert page.locator("#say").is_hidden()
    page.close()


def test_a_browser_that_does_not_know_its_line_sends_when_it_is_told_to(visit: Any) -> None:
    make_home(items=40)
    page = visit()
    wait_for_wifi(page)
    page.get_by_text("This browser does not say whether it uses Wi-Fi").wait_for()
    answer(page, 1)
    page.get_by_text("Nothing is sent until you press").wait_for()
    assert stored() == 0
    page.get_by_role("button", name="Send now").click()
    until(lambda: stored() == 1)
