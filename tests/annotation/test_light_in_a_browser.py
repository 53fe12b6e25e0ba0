"""The light page in a real browser: light, offline, crash after crash, by keys, without scripts."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client

from annotation.models import Annotation, Annotator, CampaignLanguage, Guideline
from tests.line import Line
from tests.make import make_annotator, make_campaign, make_item, make_language, make_sample
from tests.servers import BROWSER_FLAGS, find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
PAGE = "/answer/mail/wo/"
ANSWERS = 200
# Answers as quickly as the page shows texts, and tells how many it has got past.
WORK = """async (most) => {
  const text = document.getElementById("text"), task = document.getElementById("task");
  for (let done = 1; done <= most && !task.hidden; done += 1) {
    const before = text.textContent;
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "1", code: "Digit1", bubbles: true }));
    for (let tries = 0; text.textContent === before && !task.hidden && tries < 5000; tries += 1)
      await new Promise((resolve) => setTimeout(resolve));
    console.log("past " + before);
  }
}"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TOO_SMALL = """() => [...document.querySelectorAll("button, summary, .button, .brand, input:not([type=hidden])")]
  .filter((one) => one.offsetParent && !one.closest(".check") && one.getBoundingClientRect().height < 47.5)
  .map((one) => one.outerHTML)"""


def make_home(tag: str = "wo", *, items: int = 3, **over: Any) -> CampaignLanguage:
    make_language(tag, **({"script": "Latn", "autonym": "Wolof"} | over))
    home = CampaignLanguage.objects.get(
        campaign=make_campaign(languages=(tag,), status="running", slug="mail")
    )
    for number in range(items):
        make_item(make_sample(home.campaign, tag, text=f"text {number:03}"), priority=number)
    Guideline.objects.create(campaign_language=home, version=1, text="Choose.\n\nOnly one.")
    make_annotator("awa", tag)
    return home


def sign_in(context: "BrowserContext", url: str) -> None:
    client = Client()
    client.force_login(Annotator.objects.get(user__username="awa").user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}])


@pytest.fixture(autouse=True)
def _nobody_else(browser: "Browser", monkeypatch: pytest.MonkeyPatch) -> None:
    # The browser comes first: it is what lets Django use its database in this thread.
    for asked in ("mirror_soon", "push_soon"):
        monkeypatch.setattr(f"annotation.views.light.{asked}", lambda pk: None)


@pytest.fixture
def line(live_server: "LiveServer") -> Iterator[Line]:
    line = Line(live_server.url)
    yield line
    line.close()


@pytest.fixture
def visit(browser: "Browser", line: Line) -> Iterator[Callable[..., "Page"]]:
    with_us: list[Any] = []

    def visit(path: str = PAGE, *, ready: bool = True, **over: Any) -> "Page":
        context = browser.new_context(**over)
        with_us.append(context)
        sign_in(context, line.url)
        page = context.new_page()
        page.goto(line.url + path)
        if ready:
            get_ready(page)
        return page

    yield visit
    for context in with_us:
        context.close()


def get_ready(page: "Page") -> None:
    """Wait for the script, and for the first paint: before it a browser drops all keys."""
    page.wait_for_selector("body[data-ready]")
    page.evaluate("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


def spoil(page: "Page") -> None:
    """Have the first button give an answer that no server takes."""
    page.eval_on_selector("button[name=answer]", "(one) => { one.value = 'label:nonsense'; }")


def until(seen: Callable[[], object], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "It did not come to that."
        time.sleep(0.05)


def shows(page: "Page", text: str) -> None:
    """Wait until that is the text to answer."""
    until(lambda: page.text_content("#text") == text)


def stored() -> int:
    return Annotation.objects.count()


def kept(page: "Page") -> int:
    """How many answers lie on the phone."""
    return page.evaluate(
        """() => new Promise((resolve) => { const open = indexedDB.open("light", 1);
        open.onsuccess = () => { const all = open.result.transaction("answers").objectStore("answers").count();
        all.onsuccess = () => { open.result.close(); resolve(all.result); }; }; })"""
    )


def quiet(line: Line) -> int:
    """The bytes that went over the line, once none have for a while."""
    before = -1
    while before != line.bytes:
        before = line.bytes
        time.sleep(1)
    return before


def settle_down(page: "Page") -> None:
    """Let the worker take over and keep the page."""
    until(lambda: page.evaluate(f"caches.match('{PAGE}').then(Boolean)"))


def test_the_first_load_and_every_answer_weigh_little(line: Line, visit: Any) -> None:
    make_home(items=40)
    page = visit()
    settle_down(page)
    first = quiet(line)
    for number in range(20):
        page.keyboard.press("1")
        shows(page, f"text {number + 1:03}")
    until(lambda: stored() == 20)
    page.wait_for_selector("#state:not(.waiting)")
    each = (quiet(line) - first) / 20
    sys.stdout.write(f"first load {first} bytes, each answer {each:.0f}, both ways and all told\n")
    assert first <= 100_000
    assert each <= 5_000


class Phone:
    """A browser with a profile of its own that can be killed and started again."""

    def __init__(self, browser: "Browser", folder: Path, line: Line) -> None:
        self.browser, self.folder, self.line = browser, folder, line
        self.past: list[str] = []
        self.start()

    def start(self) -> None:
        self.context = self.browser.browser_type.launch_persistent_context(
            str(self.folder), executable_path=find_browser(), args=[*BROWSER_FLAGS]
        )
        sign_in(self.context, self.line.url)
        self.page = self.context.new_page()
        self.page.on("console", lambda told: self.past.append(told.text))
        self.page.goto(self.line.url + PAGE)
        get_ready(self.page)

    def work(self, most: int) -> None:
        self.page.evaluate(f"most => {{ ({WORK})(most); }}", most)

    def crash(self) -> None:
        for process in self.processes():
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        with suppress(Exception):
            self.context.close()
        # As on a phone: the next browser does not start before the last one has let go of its files.
        until(lambda: not self.processes())

    def processes(self) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(self.folder).encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def has_got_past(self, texts: int) -> bool:
        self.page.evaluate("1")  # what it told meanwhile is heard only by asking
        return len(self.got_past()) >= texts

    def got_past(self) -> set[str]:
        return {told for told in self.past if told.startswith("past ")}


def test_two_hundred_answers_offline_and_three_crashes_lose_nothing_and_double_nothing(
    browser: "Browser", line: Line, tmp_path: Path
) -> None:
    make_home(items=ANSWERS + 20)
    phone = Phone(browser, tmp_path / "profile", line)
    settle_down(phone.page)
    phone.page.evaluate("document.getElementById('along').click()")
    until(lambda: str(ANSWERS) in (phone.page.text_content("#ahead") or ""))
    line.go_down()
    for crash in (1, 2, 3):
        phone.work(ANSWERS)
        phone.page.wait_for_timeout(1)
        until(partial(phone.has_got_past, 45 * crash))
        phone.crash()
        phone.start()
        assert kept(phone.page) >= len(phone.got_past())
        assert stored() == 0
    phone.page.evaluate(WORK, ANSWERS)
    assert kept(phone.page) == ANSWERS
    until(lambda: f"{ANSWERS} waiting" in phone.page.inner_text("#state"))

    line.cut(3)
    line.come_up()
    phone.page.evaluate("dispatchEvent(new Event('online'))")
    until(lambda: stored() == ANSWERS)
    phone.page.wait_for_selector("#state:not(.waiting)", timeout=60_000)
    given = Annotation.objects.all()
    assert len({one.item_id for one in given}) == stored() == ANSWERS
    assert {one.revision for one in given} == {1}
    assert all(one.label for one in given)
    phone.context.close()


def test_answers_that_reached_the_server_unheard_are_sent_again_and_stored_once(
    line: Line, visit: Any
) -> None:
    make_home(items=5)
    page = visit()
    line.cut(2)
    page.keyboard.press("1")
    page.wait_for_selector("#state.waiting")
    until(lambda: stored() == 1)
    page.wait_for_selector("#state:not(.waiting)")
    assert stored() == 1


def test_signed_out_people_keep_their_answers_and_send_them_when_they_are_back(
    line: Line, visit: Any
) -> None:
    make_home(items=5)
    page = visit()
    page.context.clear_cookies()
    page.keyboard.press("1")
    page.get_by_text("You are signed out").wait_for()
    until(lambda: "1 waiting" in page.inner_text("#state"))
    page.keyboard.press("2")
    until(lambda: "2 waiting" in page.inner_text("#state"))
    assert stored() == 0
    sign_in(page.context, line.url)
    page.reload()
    until(lambda: stored() == 2)
    page.wait_for_selector("#state:not(.waiting)")


def test_two_tabs_answer_each_text_once(line: Line, visit: Any) -> None:
    make_home(items=24)
    first = visit()
    second = first.context.new_page()
    second.goto(line.url + PAGE)
    get_ready(second)
    for page in (first, second):
        page.evaluate(f"most => {{ window.over = ({WORK})(most).then(() => true); }}", 60)
    for page in (first, second):
        page.evaluate("window.over")
    until(lambda: stored() == 24)
    assert Annotation.objects.values("item").distinct().count() == 24


def test_what_a_second_tab_says_of_the_same_text_is_kept_and_shown(line: Line, visit: Any) -> None:
    make_home(items=3)
    first = visit()
    second = first.context.new_page()
    second.add_init_script("delete window.BroadcastChannel")  # it hears nothing of the first
    second.goto(line.url + PAGE)
    get_ready(second)
    first.keyboard.press("1")
    shows(first, "text 001")
    assert second.inner_text("#text") == "text 000"
    second.keyboard.press("2")
    second.wait_for_selector("#changing:not([hidden])")
    assert second.inner_text("#text") == "text 000"
    chosen = second.get_attribute("button[name=answer][aria-current]", "value")
    until(lambda: Annotation.objects.exclude(label__key="admin").exists())
    (given,) = Annotation.objects.all()
    assert given.label is not None
    assert f"label:{given.label.key}" == chosen != "label:admin"
    second.keyboard.press("Escape")
    shows(second, "text 001")


def test_a_refused_answer_is_shown_with_its_reason_and_can_be_given_anew(
    line: Line, visit: Any
) -> None:
    make_home(items=2)
    page = visit()
    spoil(page)
    page.keyboard.press("1")
    page.get_by_text("There is no label “nonsense”").wait_for()
    page.get_by_role("button", name="Answer again").click()
    page.get_by_role("button", name="Accounts").click()
    until(lambda: stored() == 1)
    page.wait_for_selector("#refused", state="hidden")


def test_a_full_phone_says_so_and_loses_no_answer(line: Line, visit: Any) -> None:
    make_home(items=3)
    page = visit()
    until(lambda: "3" in (page.text_content("#ahead") or ""))
    page.evaluate(
        """() => { window.put = IDBObjectStore.prototype.put; IDBObjectStore.prototype.put = function () {
        throw new DOMException("full", "QuotaExceededError"); }; }"""
    )
    line.go_down()
    page.keyboard.press("1")
    page.get_by_text("This phone is full").wait_for()
    assert page.inner_text("#text") == "text 000"
    page.evaluate("() => { IDBObjectStore.prototype.put = window.put; }")
    page.keyboard.press("1")
    shows(page, "text 001")
    line.come_up()
    until(lambda: stored() == 1)


def test_everything_is_done_by_keys(visit: Any) -> None:
    make_home(items=4)
    page = visit()
    page.keyboard.press("2")
    shows(page, "text 001")
    page.keyboard.press("u")
    shows(page, "text 002")
    until(lambda: stored() == 2)
    page.keyboard.press("z")
    page.keyboard.press("z")
    shows(page, "text 000")
    page.keyboard.press("1")
    until(lambda: Annotation.objects.filter(label__key="admin", revision=2).exists())
    assert Annotation.objects.filter(flag="unclear").count() == 1
    shows(page, "text 002")
    page.keyboard.press("z")
    page.keyboard.press("Escape")
    shows(page, "text 002")
    page.get_by_text("More", exact=True).click()
    page.uncheck("#keys")
    page.locator("#text").focus()
    page.keyboard.press("1")
    page.wait_for_timeout(100)
    assert page.inner_text("#text") == "text 002"


SLOW_LOOKS = """() => {
  const getAll = IDBObjectStore.prototype.getAll;
  IDBObjectStore.prototype.getAll = function (...asked) {
    const end = performance.now() + 40;
    while (performance.now() < end);
    return getAll.apply(this, asked);
  };
}"""


def test_keys_that_come_faster_than_the_phone_keep_their_order(visit: Any) -> None:
    make_home(items=4)
    page = visit()
    page.evaluate(SLOW_LOOKS)
    page.keyboard.press("1")
    shows(page, "text 001")
    for key in ("z", "2", "z", "Escape"):
        page.keyboard.press(key)
    until(lambda: Annotation.objects.filter(label__key="accounts").exists())
    assert stored() == 1
    shows(page, "text 001")


def test_without_a_script_every_text_is_answered_in_a_form(visit: Any) -> None:
    make_home(items=2)
    page = visit(ready=False, java_script_enabled=False)
    page.get_by_role("button", name="Admin").click()
    page.get_by_role("link", name="Change it").click()
    page.get_by_role("button", name="Dates").click()
    page.get_by_text("I cannot answer this").click()
    page.get_by_role("button", name="offensive").click()
    page.get_by_text("nothing to answer just now").wait_for()
    told = Annotation.objects.order_by("pk").values_list("label__key", "flag", "revision")
    assert list(told) == [("dates", "", 2), (None, "offensive", 1)]


class Looker:
    """Looks at a page as it stands: for axe, for thumbs, and on a narrow screen."""

    def __init__(self, page: "Page", name: str) -> None:
        self.page, self.name = page, name
        self.complaints: list[str] = []
        page.on("console", lambda told: "Policy" in told.text and self.complaints.append(told.text))

    def look(self, what: str) -> None:
        from axe_playwright_python.sync_playwright import Axe

        self.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = Axe().run(self.page)
        if found.violations_count:
            self.complaints.append(f"{what}\n{found.generate_report()}")
        assert self.page.evaluate(TOO_WIDE) <= 0, what
        assert self.page.evaluate(TOO_SMALL) == [], what
        if shots := os.environ.get("SHOTS"):
            self.page.screenshot(path=f"{shots}/light-{self.name}-{what}.png", full_page=True)


@pytest.mark.parametrize(
    ("width", "scheme", "tag"), [(320, "light", "wo"), (360, "dark", "ar"), (1280, "light", "ar")]
)
def test_the_page_is_readable_by_all_and_never_too_wide(
    line: Line, visit: Any, settings: "SettingsWrapper", width: int, scheme: str, tag: str
) -> None:
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    rtl = {"script": "Arab", "direction": "rtl", "autonym": "العربية"} if tag == "ar" else {}
    home = make_home(tag, items=2, **rtl)
    first = home.items.order_by("priority")[0].sample
    first.text = f"{LONG} رسالة (v2.0) {LONG}"
    first.save()
    home.campaign.labels.filter(key="dates").update(name=LONG)
    page = visit(
        f"/answer/mail/{tag}/",
        viewport={"width": width, "height": 720},
        color_scheme=scheme,
        locale="ar" if tag == "ar" else "en",
    )
    looker = Looker(page, f"{width}-{tag}-{scheme}")
    looker.look("text")
    assert page.evaluate("document.documentElement.dir") == ("rtl" if tag == "ar" else "ltr")
    spoil(page)
    page.locator("button[name=answer]").first.click()
    page.wait_for_selector("#refused:not([hidden])")
    looker.look("refused")
    page.get_by_role("button").filter(has_text=LONG).first.click()
    page.wait_for_selector("#empty:not([hidden])")
    looker.look("empty")
    line.go_down()
    page.locator("#undo").click()
    looker.look("changing")
    assert not looker.complaints, "\n".join(looker.complaints)
