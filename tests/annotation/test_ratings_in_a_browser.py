"""Ratings by thumb, in a real browser: on a narrow screen, right to left, and without a line."""

from typing import TYPE_CHECKING, Any

import pytest

from annotation.methods.texts import glued
from annotation.models import Annotation, QuarantinedAnswer
from annotation.objectives import ratings
from tests.annotation.test_light_in_a_browser import (
    TOO_WIDE,
    _nobody_else,
    line,
    settle_down,
    shows,
    stored,
    until,
    visit,
)
from tests.line import Line
from tests.make import make_annotator, make_campaign, make_item, make_language, make_sample

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["_nobody_else", "line", "visit"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OUTPUTS = ("صباح الخير يا جماعة", "شكرا بزاف")
SMALL = """() => [...document.querySelectorAll(".rated label")].filter((one) => one.offsetParent)
  .filter((one) => one.getBoundingClientRect().height < 47.5).map((one) => one.outerHTML)"""


def make_home() -> None:
    make_language("wo", script="Arab", autonym="ولوف", direction="rtl")
    campaign = make_campaign(
        languages=("wo",), labels=tuple(ratings.LABELS), status="running", slug="mail",
        objective="ratings",
    )  # fmt: skip
    for number, text in enumerate((glued([OUTPUTS[0], "Good morning, all"]), OUTPUTS[1])):
        make_item(make_sample(campaign, text=text), priority=number)
    make_annotator("awa")


def rate(page: "Page", *grades: int) -> None:
    for aspect, grade in zip(ratings.ASPECTS, grades, strict=False):
        page.check(f"input[name='a.{aspect}'][value='{grade}']")


def test_rated_flagged_and_corrected_on_a_narrow_screen_without_a_line(
    line: Line, visit: Any
) -> None:
    make_home()
    page = visit(viewport={"width": 320, "height": 640})
    settle_down(page)
    line.go_down()
    page.goto(page.url)
    page.wait_for_selector("body[data-ready]")
    assert page.evaluate(TOO_WIDE) <= 0
    assert page.evaluate(SMALL) == []
    rate(page, 4, 4, 2)
    page.click("button.save")  # one is missing: the browser says so, and nothing is given
    assert page.evaluate("document.querySelector('#answer').checkValidity()") is False
    rate(page, 4, 4, 2, 4)
    page.check("input[name='a.issues'][value='wrong_dialect']")
    page.click("button[data-copies]")
    assert page.input_value("textarea") == OUTPUTS[0]
    page.fill("textarea", f"{OUTPUTS[0]}!")
    page.click("button.save")
    shows(page, OUTPUTS[1])
    # Nothing of the text before is left, and who cannot judge needs no ratings.
    assert page.locator(".rated input:checked").count() == 0
    assert page.input_value("textarea") == ""
    page.click("#flags summary")
    page.click("button[value='flag:cannot_judge']")
    line.come_up()
    page.evaluate("dispatchEvent(new Event('online'))")
    until(lambda: stored() == 2)
    assert not QuarantinedAnswer.objects.exists()
    rated, flagged = Annotation.objects.order_by("item__priority")
    assert rated.answer == {
        "label": "3",
        "ratings": dict(zip(ratings.ASPECTS, (4, 4, 2, 4), strict=True)),
        "issues": ["wrong_dialect"],
        "corrected": f"{OUTPUTS[0]}!",
    }
    assert (flagged.flag, flagged.answer) == ("cannot_judge", {})
