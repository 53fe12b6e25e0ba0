"""Label Studio in a real browser: what a person sees comes from this machine alone."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.queue import push_items
from annotation.gateways.label_studio import LabelStudioDesk
from annotation.models import CampaignLanguage
from tests.make import make_campaign, make_item, make_sample

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.label_studio,
    pytest.mark.django_db(transaction=True),
]
HERE = {"127.0.0.1", "localhost"}
TEXT = "a text that is nowhere else"


@pytest.fixture
def home(browser: "Browser") -> CampaignLanguage:
    # The browser comes first: it is what lets Django use its database in this thread.
    home = CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",)))
    make_item(make_sample(home.campaign, text=TEXT))
    return home


def test_nothing_at_the_desk_comes_from_elsewhere(
    home: CampaignLanguage, page: "Page", label_studio: Any
) -> None:
    desk = LabelStudioDesk(
        url=label_studio.url,
        token=label_studio.token,
        email=label_studio.email,
        password=label_studio.password,
    )
    project = prepare_desk(home, desk=desk).desk_project_id
    assert project
    push_items(home, desk=desk, now=timezone.now())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{label_studio.url}/user/login/")
    page.fill("input[name=email]", label_studio.email)
    page.fill("input[name=password]", label_studio.password)
    page.click("button[type=submit]")
    page.goto(f"{label_studio.url}/projects/")
    page.get_by_text(home.campaign.title).first.wait_for()
    page.goto(f"{label_studio.url}/projects/{project}/data?labeling=1")
    page.get_by_text(TEXT).first.wait_for()
    page.wait_for_load_state("networkidle")
    called = {url for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert {url for url in called if urlsplit(url).hostname not in HERE} == set()
    assert len(called) > 10
    tips = httpx.get(f"{label_studio.url}/heidi-tips/")
    assert (tips.status_code, "elsewhere" in tips.text) == (404, True)
    desk.delete_project(project)
