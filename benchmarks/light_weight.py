"""Weight: what the light page costs a line, ``python -m benchmarks.light_weight [--quick]``.

The pages as `up` runs them and a real browser, with a relay between them that counts every byte both
ways, headers included; TLS would add its own. A first visit with everything that the page keeps for
bad lines (worker, texts ahead), answers through its script, a second visit; then the same as a plain
form, without scripts. ``--quick`` does fewer answers and writes nothing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.line import Line

PHONE: Any = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
BARS = {"first": 100e3, "answer": 5e3}
SETTLED_S = 1.5
LONGEST_S = 60
# Of common length, in a script of two bytes a letter.
TEXT = "Ҳар як одам ҳуқуқ дорад, ки ба забони худ гап занад ва нависад. " * 3


@dataclass(frozen=True)
class Weight:
    """What one step moved, both ways, in bytes, and what it was to be at most."""

    row: str
    bytes: int
    bar: float | None

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {**asdict(self), "met": None if self.bar is None else self.bytes <= self.bar}

    def line(self) -> str:
        """Return the row for a terminal."""
        bar = "" if self.bar is None else f"  (bar {self.bar / 1e3:g} KB)"
        return f"{self.row:<44}{self.bytes / 1e3:9.1f} KB{bar}"


def main() -> None:
    """Measure in a folder that is thrown away; the settings are read once, so in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five answers, and writes nothing")
    parser.add_argument("--at", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.at:
        tell(Path(options.at), quick=options.quick)
        return
    with tempfile.TemporaryDirectory() as place:
        told = {"DJANGO_SETTINGS_MODULE": "config.settings", "VERNACULAR_VAR_DIR": f"{place}/var"}
        again = [sys.executable, "-m", "benchmarks.light_weight", "--at", f"{place}/var"]
        again += ["--quick"] if options.quick else []
        told |= {"VERNACULAR_LOG_LEVEL": "WARNING", "DJANGO_ALLOW_ASYNC_UNSAFE": "true"}
        sys.exit(subprocess.run(again, env=os.environ | told, check=False).returncode)


def tell(var: Path, *, quick: bool) -> None:
    """Measure, show, and write down."""
    import django

    from config.secret_file import ensure_secrets

    var.mkdir()
    ensure_secrets(var)
    django.setup()
    with _pages(var) as line, _browser() as browser:
        rows = measure(browser, line=line, answers=5 if quick else 20)
    for row in rows:
        print(row.line())
    if not quick:
        from benchmarks.report import write

        write("light_weight", rows, notes=["bytes both ways, headers included, no TLS"])


def measure(browser: "Browser", *, line: "Line", answers: int) -> list[Weight]:
    """One visit after the other, each step weighed when nothing more comes."""
    scripted, plain = "", "without scripts: "
    rows = []
    context = _signed_in(browser, line, name="awa")
    page = context.new_page()
    page.goto(f"{line.url}/answer/mail/tg/")
    page.wait_for_selector("body[data-ready]")
    _until(lambda: page.evaluate("caches.match('/answer/mail/tg/').then(Boolean)"))
    before = _quiet(line)
    rows.append(Weight(f"{scripted}first visit, with all that is kept", before, BARS["first"]))
    for number in range(answers):
        seen = page.text_content("#text")
        # Never the same twice: the page takes that for a double tap.
        page.locator("button[value^='label:']").nth(number % 2).tap()
        _until(partial(_changed, page, seen))
    after = _quiet(line)
    rows.append(
        Weight("an answer, with the texts to come", (after - before) // answers, BARS["answer"])
    )
    page.reload()
    page.wait_for_selector("body[data-ready]")
    rows.append(Weight("second visit", _quiet(line) - after, None))
    context.close()

    before = _quiet(line)
    context = _signed_in(browser, line, name="ibou", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{line.url}/answer/mail/tg/")
    after = _quiet(line)
    rows.append(Weight(f"{plain}first visit", after - before, BARS["first"]))
    for _ in range(answers):
        with page.expect_navigation():
            page.locator("button[name=answer]").first.tap()
    rows.append(
        Weight(f"{plain}an answer and the next text", (_quiet(line) - after) // answers, None)
    )
    context.close()
    return rows


def _changed(page: "Page", before: str | None) -> bool:
    return page.text_content("#text") != before


def _until(seen: Callable[[], object]) -> None:
    """Wait; by asking again, since the page's policy lets no string be run in it."""
    end = time.monotonic() + LONGEST_S
    while not seen():
        if time.monotonic() > end:
            sys.exit("The page did not come to that.")
        time.sleep(0.05)


def _quiet(line: "Line") -> int:
    """The bytes that went over the line, once none have for a while."""
    before = -1
    while before != line.bytes:
        before = line.bytes
        time.sleep(SETTLED_S)
    return before


def _signed_in(browser: "Browser", line: "Line", *, name: str, **over: Any) -> "BrowserContext":
    from django.conf import settings
    from django.test import Client

    from annotation.models import User

    client = Client()
    client.force_login(User.objects.get(username=name))
    cookie = settings.SESSION_COOKIE_NAME
    context = browser.new_context(**PHONE, **over)
    context.add_cookies([{"name": cookie, "value": client.cookies[cookie].value, "url": line.url}])
    return context


@contextmanager
def _browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    from tests.servers import BROWSER_FLAGS, find_browser

    program = find_browser()
    if program is None:
        sys.exit("No Chromium is installed here (apt install chromium-headless-shell).")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=[*BROWSER_FLAGS])


@contextmanager
def _pages(var: Path) -> "Iterator[Line]":
    """A campaign with a guideline and texts, two people, the web, and a line to it."""
    from django.conf import settings
    from django.core.management import call_command

    from annotation.actions.campaigns import set_guideline
    from tests.line import Line
    from tests.make import make_annotator, make_campaign, make_item, make_sample
    from tests.servers import running_service

    call_command("migrate", verbosity=0)
    campaign = make_campaign(languages=("tg",), slug="mail", status="running")
    for number in range(80):
        make_item(make_sample(campaign, "tg", text=f"{number:03} {TEXT}"), priority=number)
    set_guideline(campaign.languages.get(), text="Read all of it.\n\nChoose what it is about most.")
    for name in ("awa", "ibou"):
        make_annotator(name, "tg")
    without = ("label-studio", "worker-default", "worker-io", "worker-gpu", "beat")
    environment = {"VERNACULAR_LABEL_STUDIO_URL": ""}
    with running_service(var, without=without, environment=environment):
        line = Line(settings.ENV.web_url)
        yield line
        line.close()


if __name__ == "__main__":
    main()
