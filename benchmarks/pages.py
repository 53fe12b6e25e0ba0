"""What the pages of languages cost: ``python -m benchmarks.pages [--quick]``.

An installation of its own with 5 and with 200 languages in which four versions served. Processor
seconds of the server per page (wall times mean nothing on a shared machine), queries, bytes as they
are and as they go over the line; and, in a real browser on a line of 400 kbit/s with 300 ms there and
back, when the largest part of a page is painted: of languages, and of reports from everybody. The queue
of reports is asked with ten thousand that wait. ``--quick`` leaves the browser out and
writes nothing.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from benchmarks.registry import Measured, _django
from benchmarks.report_pages import MANY_REPORTS, Doors, let_wait, open_doors

FEW, MANY = 5, 200
TURNS, LOADS = 7, 5
# 400 kbit/s in bytes a second, and milliseconds there and back.
LINE, DELAY = 50_000, 300
PAINTED = """() => new Promise(done => new PerformanceObserver(list => {
    const all = list.getEntries(); done(all[all.length - 1].startTime);
}).observe({type: "largest-contentful-paint", buffered: true}))"""


def main() -> None:
    """Measure in an installation of its own, which is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no browser, and writes nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"VERNACULAR_VAR_DIR": place, "DJANGO_ALLOW_ASYNC_UNSAFE": "true"}
        _django()
        from django.core.management import call_command

        from tests.training.pages_made import many

        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        for languages in (FEW, MANY):
            many(languages, slug=f"of-{languages}")
        doors = open_doors(f"of-{MANY}")
        rows = [row for languages in (FEW, MANY) for row in server(languages)]
        if not options.quick:
            rows += browser(doors)
        let_wait(f"of-{MANY}")
        rows += queue(doors)
    for row in rows:
        print(row.line())
    if not options.quick:
        from benchmarks.report import write

        write("pages", rows, notes=["SQLite, one process, 2 cores that others use too, no GPU"])


def server(languages: int) -> list[Measured]:
    """Ask each page several times and tell the median of processor time, queries and bytes."""
    from django.core.cache import cache
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client, rows = Client(SERVER_NAME="127.0.0.1"), []
    pages = {"side by side": "", "sorted": "?sort=gap&down=1", "one language": "am-ML/"}
    for name, page in (*pages.items(), ("one language, again", "am-ML/")):
        address, again = f"/languages/of-{languages}/{page}", name.endswith("again")
        taken = []
        for _ in range(TURNS):
            if not again:
                cache.clear()
            begun = time.process_time()
            answer = client.get(address)
            taken.append(time.process_time() - begun)
            assert answer.status_code == 200
        with CaptureQueriesContext(connection) as seen:
            client.get(address)
            queries = len(seen)
        packed = client.get(address, headers={"Accept-Encoding": "gzip"})
        said = f"ms of processor, {queries} queries, {len(answer.content)} bytes,"
        said += f" {len(packed.content)} over the line"
        median = 1000 * statistics.median(taken)
        rows.append(Measured(f"{languages} languages, {name}", median, said))
    return rows


def queue(doors: Doors) -> list[Measured]:
    """Ask for the first and the second page of a queue in which ten thousand wait."""
    import re

    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(get_user_model().objects.get(pk=doors.staff))
    first = client.get(doors.queue).content.decode()
    further = re.search(r'href="([^"]+after=[^"]+)"', first)
    assert further is not None
    rows = []
    for name, address in {"first": doors.queue, "second": further[1].replace("&amp;", "&")}.items():
        taken = []
        for _ in range(TURNS):
            begun = time.process_time()
            answer = client.get(address)
            taken.append(time.process_time() - begun)
            assert answer.status_code == 200
        with CaptureQueriesContext(connection) as seen:
            client.get(address)
        said = f"ms of processor, {len(seen)} queries, {len(answer.content)} bytes"
        row = f"{MANY_REPORTS} reports wait, {name} page of the queue"
        rows.append(Measured(row, 1000 * statistics.median(taken), said))
    return rows


def browser(doors: Doors) -> list[Measured]:
    """Load pages on a slow line, nothing kept, and tell when they are painted."""
    from playwright.sync_api import sync_playwright

    from tests.servers import BROWSER_FLAGS, find_browser

    rows = []
    with serving() as there, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=[*BROWSER_FLAGS])
        pages = {
            "one language": f"/languages/of-{MANY}/am-ML/",
            "side by side": f"/languages/of-{MANY}/",
        }
        for name, page in (pages | doors.public).items():
            loads = [_load(chromium, there + page) for _ in range(LOADS)]
            painted = statistics.median(one for one, _ in loads)
            said = f"ms until painted at 400 kbit/s and 300 ms, {loads[0][1]} bytes carried"
            row = f"{MANY} languages, {name}, in a browser"
            rows.append(Measured(row, painted, said, 2500.0))
            rows.append(Measured(f"{row}: carried", loads[0][1] / 1000, "KB", 60.0))
        chromium.close()
    return rows


def _load(chromium: Any, address: str) -> tuple[float, int]:
    context = chromium.new_context(viewport={"width": 360, "height": 780})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    slow = {"offline": False, "latency": DELAY}
    slow |= {"downloadThroughput": LINE, "uploadThroughput": LINE}
    wire.send("Network.emulateNetworkConditions", slow)
    carried = []
    wire.on("Network.loadingFinished", lambda event: carried.append(event["encodedDataLength"]))
    page.goto(address, wait_until="networkidle", timeout=120_000)
    painted = float(page.evaluate(PAINTED))
    context.close()
    return painted, int(sum(carried))


@contextmanager
def serving() -> Iterator[str]:
    """Serve the installation from a thread."""
    from config.wsgi import application

    class Silent(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    with make_server("127.0.0.1", 0, application, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    main()
