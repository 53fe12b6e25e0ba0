"""Marks by tapping, in a real browser: what it sends is what Python slices, whatever the script."""

from typing import TYPE_CHECKING, Any

import pytest

from annotation.models import Annotation, CampaignLanguage, QuarantinedAnswer
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
# A text, and the words in it that are tapped first and last.
HARD = (
    ("Awa si Dakar, ca Saint-Louis", "Saint", "Louis"),
    ("𞤀𞤣𞤵 𞤲𞤣𞤵, Dakar 𞤀𞤣𞤵", "𞤲𞤣𞤵", "Dakar"),
    ("ߒߞߏ ߘߎ߰ Bamako", "ߘߎ߰", "Bamako"),
    ("አዲስ አበባ ናት።", "አበባ", "።"),
    ("مُحَمَّدٌ في الرِّبَاط", "الرِّبَاط", "الرِّبَاط"),
    ("👩🏾‍🌾👨‍👩‍👧‍👦 Awa 🇸🇳!", "👨‍👩‍👧‍👦", "🇸🇳"),
    ("قال John إنّ Paris جميلة", "John", "Paris"),
    ("Awa\r\nDakar\r\nThiès", "Dakar", "Thiès"),
    ("ọ̀rọ̀ ไปกิน 東京です", "東", "京"),
)


def make_home() -> CampaignLanguage:
    make_language("wo", script="Latn", autonym="Wolof")
    campaign = make_campaign(
        languages=("wo",), labels=("per", "loc"), status="running", slug="mail", objective="spans"
    )
    for number, (text, _, _) in enumerate(HARD):
        make_item(make_sample(campaign, text=text), priority=number)
    make_annotator("awa")
    return CampaignLanguage.objects.get(campaign=campaign)


def tap(page: "Page", words: str) -> None:
    page.locator("#text [data-unit]").get_by_text(words, exact=True).first.click()


def test_what_is_tapped_is_what_is_sliced_in_every_script_and_without_a_line(
    line: Line, visit: Any
) -> None:
    make_home()
    page = visit(viewport={"width": 320, "height": 640})
    settle_down(page)
    line.go_down()
    page.goto(page.url)
    page.wait_for_selector("body[data-ready]")
    for number, (text, first, last) in enumerate(HARD):
        shows(page, text)
        if not number:
            page.click("button.save")
            assert "Mark something" in page.text_content("[data-marks] [role=status]")
        page.click("[data-mark=loc]")
        tap(page, first)
        tap(page, last)
        held = text[text.index(first) : text.rindex(last) + len(last)]
        assert page.text_content("[data-marks] li q") == held
        assert page.evaluate(TOO_WIDE) <= 0
        page.click("button.save")
    line.come_up()
    page.evaluate("dispatchEvent(new Event('online'))")
    until(lambda: stored() == len(HARD))
    assert not QuarantinedAnswer.objects.exists()
    for answer in Annotation.objects.select_related("item__sample", "label"):
        ((start, end, key),) = answer.label.value
        text = answer.item.sample.text
        first, last = next((one, other) for told, one, other in HARD if told == text)
        assert (text[start:end], key) == (
            text[text.index(first) : text.rindex(last) + len(last)],
            "loc",
        )


def test_marks_are_made_and_taken_back_by_keys_and_read_aloud(line: Line, visit: Any) -> None:
    make_home()
    page = visit()
    text = HARD[0][0]
    page.keyboard.press("1")
    assert page.get_attribute("[data-mark=per]", "aria-pressed") == "true"
    page.focus("#text [tabindex='0']")
    for key in ("Enter", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.text_content("[data-marks] li q") == "Awa si Dakar"
    assert page.get_attribute("#text [data-unit='2']", "aria-label") == "Dakar, Per"
    page.keyboard.press("Enter")  # on a mark: it goes
    assert page.locator("[data-marks] li").count() == 0
    page.check("[data-letters]")
    page.click("[data-mark=loc]")
    tap(page, "D")
    tap(page, "r")
    page.click("button.save")
    shows(page, HARD[1][0])
    page.keyboard.press("z")  # the last answer once more
    shows(page, text)
    assert page.text_content("[data-marks] li q") == "Dakar"
    page.check("[name='a.nothing']")
    page.click("button.save")
    until(lambda: [one.label.value for one in Annotation.objects.all()] == [[]])
    assert Annotation.objects.get().item.sample.text == text


def test_without_scripts_words_are_copied_and_an_answer_can_be_changed(
    line: Line, visit: Any
) -> None:
    make_home()
    page = visit(ready=False, java_script_enabled=False, viewport={"width": 320, "height": 640})
    assert page.locator("[data-mark]").first.is_hidden()
    page.fill("[name='a.words.loc']", "Saint-Louis\nDakar")
    page.fill("[name='a.words.per']", "Awa")
    page.click("button.save")
    assert Annotation.objects.get().label.value == [
        [0, 3, "per"],
        [7, 12, "loc"],
        [17, 28, "loc"],
    ]
    page.click("#done a")
    page.check("[name='a.nothing']")
    page.click("button.save")
    assert Annotation.objects.get().label.value == []
    page.fill("[name='a.words.per']", "Fatou")
    page.click("button.save")
    assert "Fatou" in page.text_content(".note.error")
