"""Ticking labels on the light page: by keys, off line, changed again, in 320 px and without scripts."""

from typing import Any

import pytest

from annotation.models import Annotation, Campaign, Label
from tests.annotation.test_light_in_a_browser import (  # noqa: F401 - fixtures
    PAGE,
    TOO_WIDE,
    _nobody_else,
    get_ready,
    line,
    make_home,
    visit,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WAITING = "#state.waiting"


def make_feelings(tag: str = "wo", **over: Any) -> Campaign:
    """Three texts, and a question to which several labels may be the answer."""
    campaign = make_home(tag, **over).campaign
    Campaign.objects.update(objective="several")
    for number, label in enumerate(Label.objects.filter(campaign=campaign)):
        label.key, label.name = ("anger", "joy", "fear")[number], ("Mer", "Mbégte", "Ragal")[number]
        label.save()
    return campaign


def ticked(page: Any) -> list[str]:
    return page.eval_on_selector_all(
        "[name='a.labels']:checked", "(all) => all.map((o) => o.value)"
    )


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def said() -> list[Any]:
    answers = Annotation.objects.answered().order_by("item__priority")
    return [one.label.value for one in answers.select_related("label")]


def test_labels_are_ticked_by_keys_off_line_and_changed_before_they_are_sent(
    visit: Any,  # noqa: F811
    line: Any,  # noqa: F811
) -> None:
    make_feelings()
    page = visit()
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    first = page.inner_text("#text")
    page.keyboard.press("Enter")
    assert page.inner_text("#text") == first
    press(page, "1", "0")
    assert ticked(page) == ["none:"]
    press(page, "3", "1")
    assert ticked(page) == ["anger", "fear"]
    page.keyboard.press("Enter")
    page.wait_for_function(
        "(before) => document.getElementById('text').textContent !== before", arg=first
    )
    assert ticked(page) == []
    press(page, "0", "Enter")
    page.wait_for_selector(WAITING)
    page.keyboard.press("z")
    page.wait_for_selector("#changing:not([hidden])")
    assert ticked(page) == ["none:"]
    page.keyboard.press("z")
    page.wait_for_function(
        "(text) => document.getElementById('text').textContent === text", arg=first
    )
    assert ticked(page) == ["anger", "fear"]
    press(page, "2", "Enter")
    page.wait_for_selector("#changing", state="hidden")
    assert said() == []
    page.context.set_offline(False)
    page.wait_for_selector("#state:not(.waiting)")
    page.wait_for_function("document.getElementById('state').textContent !== ''")
    assert sorted(said()) == [[], ["anger", "fear", "joy"]]


@pytest.mark.parametrize("tag", ["wo", "ary"])
def test_ticks_fit_a_small_screen_and_work_without_scripts(visit: Any, tag: str) -> None:  # noqa: F811
    make_feelings(tag, **({"direction": "rtl", "script": "Arab"} if tag == "ary" else {}))
    page = visit(
        PAGE.replace("wo", tag),
        ready=False,
        viewport={"width": 320, "height": 600},
        java_script_enabled=False,
    )
    box = page.locator(".boxes")
    assert box.bounding_box()["width"] <= 320
    for row in page.locator(".boxes .check").all():
        assert row.bounding_box()["height"] >= 47.5
    page.check("[value='joy']")
    page.check("[value='none:']")
    page.click("button.save")
    assert "none of them" in page.inner_text("main")
    assert said() == []
    page.check("[value='joy']")
    page.check("[value='fear']")
    page.click("button.save")
    page.wait_for_selector("#done")
    assert said() == [["fear", "joy"]]
    page.click("#done a")
    assert page.is_checked("[value='joy']")
    assert not page.is_checked("[value='anger']")
