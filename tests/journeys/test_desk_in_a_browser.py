"""Label Studio in a real browser: what a person sees comes from this machine alone."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.entry import enter_desk
from annotation.actions.queue import push_items
from annotation.gateways.label_studio import LabelStudioDesk
from annotation.models import CampaignLanguage
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user
from tests.servers import HOME

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.label_studio,
    pytest.mark.django_db(transaction=True),
]
HERE = {"127.0.0.1", "localhost"}
TEXT = "a text that is nowhere else"
# What runs from right to left stands so, too.
ANSWERS = ("إدارة", "حسابات")
# Any language of ours; the desk itself speaks English.
WORDS = {"lang": "sw", "dir": "ltr", "later": "Rudi baadaye", "back": "Ukurasa wangu"}
CLOSED = {"not_yours": "Hapa hapana ruhusa", "kept": "Majibu yako yamehifadhiwa"}


@pytest.fixture
def home(browser: "Browser") -> CampaignLanguage:
    # The browser comes first: it is what lets Django use its database in this thread.
    home = CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",)))
    make_item(make_sample(home.campaign, text=TEXT))
    for label, name in zip(home.campaign.labels.order_by("position"), ANSWERS, strict=False):
        label.name = name
        label.save()
    return home


def test_awa_answers_by_one_click_and_nothing_at_the_desk_comes_from_elsewhere(
    home: CampaignLanguage, page: "Page", label_studio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.actions.entry.words_at_the_desk", lambda: WORDS | CLOSED)
    desk = LabelStudioDesk(**label_studio.access)
    project = prepare_desk(home, desk=desk).desk_project_id
    assert project
    push_items(home, desk=desk, now=timezone.now())
    awa = make_user("awa-of-the-browser")
    make_annotator(awa.username)
    home.refresh_from_db()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(enter_desk(awa, home=home, desk=desk, now=timezone.now()))
    page.get_by_text(TEXT).first.wait_for()
    page.wait_for_load_state("networkidle")
    # The question's first way to answer, and then there is nothing more for her.
    assert page.get_by_role("link", name="Settings").count() == 0
    assert_choices_run_from_the_right(page)
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.get_by_test_id("bottombar-submit-button").click()
    page.get_by_text(WORDS["later"]).wait_for()
    page.wait_for_load_state("networkidle")
    told = desk.changed_tasks(project, since="1970-01-01T00:00:00.000000Z", limit=5)
    assert [one.user_id for one in told[0].annotations] == [awa.desk_user_id]
    assert page.get_by_text(WORDS["back"]).get_attribute("href") == HOME
    assert_all_from_here(asked)
    page.goto(f"{label_studio.url}/projects/{project}/settings")
    assert_closed(page)
    tips = httpx.get(f"{label_studio.url}/heidi-tips/")
    assert (tips.status_code, "elsewhere" in tips.text) == (404, True)
    desk.delete_project(project)


def assert_choices_run_from_the_right(page: "Page") -> None:
    """Where text is read from the right, its choices stand in that order, too."""
    first, second = (page.get_by_text(name).first.bounding_box() for name in ANSWERS)
    assert first
    assert second
    assert first["x"] > second["x"]
    assert abs(first["y"] - second["y"]) < 5


def assert_all_from_here(asked: list[str]) -> None:
    """Nothing was asked of a stranger, and something was asked."""
    called = {url for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert {url for url in called if urlsplit(url).hostname not in HERE} == set()
    assert len(called) > 10


def assert_closed(page: "Page") -> None:
    """What is no labeller's business says so in their words."""
    for word in CLOSED.values():
        page.get_by_text(word).wait_for()
    assert page.locator("html").get_attribute("lang") == WORDS["lang"]
