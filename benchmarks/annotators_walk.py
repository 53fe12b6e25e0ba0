"""The people of :mod:`benchmarks.annotators`, a process of their own: ``… -m benchmarks.annotators_walk PLAN``.

Each opens a personal link, presses its button, agrees, and then answers text after text by the forms of
the plain page: what a phone without scripts does, and the dearest way for the server.
"""

import asyncio
import html
import json
import random
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.intake_load import Line

FIELD = re.compile(r'name="([\w-]+)" value="([^"]*)"')
SET_COOKIE = re.compile(rb"set-cookie: ([^=]+)=([^;\r]*)", re.IGNORECASE)
LOCATION = re.compile(rb"location: ([^\r]*)", re.IGNORECASE)
STATUS = 9, 12


class Browser(Line):
    """Cookies and forms; every call is timed."""

    def __init__(self, port: int, told: dict[str, Any]) -> None:
        super().__init__(port)
        self.told, self.cookies = told, dict[str, str]()

    async def ask(self, path: str, form: dict[str, str] | None = None) -> tuple[str, str]:
        """Fetch a page, or send a form; the page and where it leads."""
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = f"{'GET' if form is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Cookie: {kept}\r\n" if kept else ""
        head += "Accept-Encoding: identity\r\n"
        if form is not None:
            head += "Content-Type: application/x-www-form-urlencoded\r\n"
        begun = time.monotonic()
        status, body = await self.call(head, urlencode(form or {}).encode())
        kind = "form" if form else "page"
        self.told[kind].append(time.monotonic() - begun)
        for name, value in SET_COOKIE.findall(self.top):
            self.cookies[name.decode()] = value.decode()
        led = LOCATION.search(self.top)
        if status not in (200, 302):
            raise OSError(f"{status} of {path}")
        return body.decode(), led[1].decode().strip() if led else ""

    async def _once(self, raw: bytes) -> tuple[int, bytes]:
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(raw)
        self.top = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", self.top, re.IGNORECASE)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if b"connection: close" in self.top.lower():
            writer.close()
            self.streams = None
        return int(self.top[slice(*STATUS)]), body


def fields(page: str) -> dict[str, str]:
    """What the hidden fields of a page say."""
    return {name: html.unescape(value) for name, value in FIELD.findall(page)}


async def come_in(browser: Browser, link: str) -> None:
    """Open the link, press its button, and say yes."""
    page, _ = await browser.ask(link)
    await browser.ask(link, {"csrfmiddlewaretoken": fields(page)["csrfmiddlewaretoken"]})
    page, _ = await browser.ask("/consent/")
    told = fields(page)
    await browser.ask(
        "/consent/",
        {
            "csrfmiddlewaretoken": told["csrfmiddlewaretoken"],
            "text": told["text"],
            "of_age": "on",
            "answer": "yes",
        },
    )


async def answer(browser: Browser, one: dict[str, Any], plan: dict[str, Any], until: float) -> None:
    """Read for some seconds, answer, fetch the next, until it is over."""
    rng = random.Random(one["seed"])
    page, _ = await browser.ask(one["page"])
    while time.monotonic() < until:
        await asyncio.sleep(rng.uniform(*plan["pace"]))
        told = fields(page)
        if "item" not in told:
            raise OSError("a page without a text")
        names = ("csrfmiddlewaretoken", "uid", "item", "edit", "guideline_version")
        form = {name: told[name] for name in names}
        form["answer"] = f"label:{rng.choice(plan['labels'])}"
        _, led = await browser.ask(one["page"], form)
        browser.told["answered"] += 1
        page, _ = await browser.ask(led)


async def walk(plan: dict[str, Any]) -> dict[str, Any]:
    """Let everybody come, one after the other, and stay until the end."""
    told: dict[str, Any] = {"page": [], "form": [], "answered": 0, "errors": [], "came": 0}
    begun = time.monotonic()
    until = begun + plan["coming"] + plan["seconds"]

    async def live(number: int, one: dict[str, Any]) -> None:
        await asyncio.sleep(plan["coming"] * number / len(plan["people"]))
        browser = Browser(plan["port"], told)
        try:
            await come_in(browser, one["link"])
            told["came"] += 1
            await answer(browser, one, plan, until)
        except (OSError, asyncio.IncompleteReadError, KeyError) as error:
            told["errors"].append(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(live(number, one) for number, one in enumerate(plan["people"])))
    used = resource.getrusage(resource.RUSAGE_SELF)
    told["took_s"] = time.monotonic() - begun
    told["cpu_s"] = used.ru_utime + used.ru_stime
    return told


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps(asyncio.run(walk(asked))))
