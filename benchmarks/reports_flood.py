"""A flood of reports at a real server: ``python -m benchmarks.reports_flood NUMBER SECONDS``, what came of it on stdout.

The web server is started as ``up`` starts it (one process of eight threads) on an installation of its own in
SQLite; no broker is there. First visitors come by themselves, then while fifty addresses send as much as they can, half
of it by the form and half as programs, over few connections that stay open, as a proxy's do. A visitor opens the form,
writes for a while (with a script that does the sum of a burst, or without and for longer, by turns), sends it, and
reads the page behind the secret link; others look at public pages. A burst is on from the beginning. Afterwards it
passes, all that came in is screened, and the queue of the language is looked at.
"""

import asyncio
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ADDRESSES, LINES = 50, 16
AGENTS = ("Firefox", "Chrome", "Safari", "curl", "python")
# Visitors before, and while, the flood comes; how long they write with a script, and without.
BEFORE, DURING = 15, 40
WRITES = {True: 2.2, False: 10.3}
PATIENCE_S = 30.0
PAGES = ("/reports/", "/report/flooded/", "/languages/")
FLOODED = "the very same"


@dataclass
class Seen:
    """What visitors met: seconds of every answer, and how each visit ended."""

    seconds: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Flood, and print what came of it as the last line."""
    number, seconds = int(sys.argv[1]), float(sys.argv[2])
    with tempfile.TemporaryDirectory() as place, installed(Path(place)) as (port, server):
        found = asyncio.run(press(port, number=number, seconds=seconds, server=server))
        print(json.dumps(found | _looked_at()))


@contextmanager
def installed(place: Path) -> Iterator[tuple[int, int]]:
    """A web server on a migrated database with a campaign that is open to all; its port and process."""
    from tests import template

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VERNACULAR_VAR_DIR": str(place),
        "VERNACULAR_LOG_LEVEL": "CRITICAL",
        "VERNACULAR_TRUSTED_PROXIES": "1",
    }
    template.place(place / template.NAME)
    _prepare()
    command = [sys.executable, "-m", "gunicorn", "config.wsgi:application"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "8"]
    command += ["--worker-class", "gthread", "--log-level", "critical"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as server:
        try:
            asyncio.run(_wait(port))
            yield port, server.pid
        finally:
            server.terminate()


def _prepare() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.utils import timezone

    from annotation.actions.reports.limits import BURST_LASTS
    from annotation.models import PublicDoor
    from tests.make import make_campaign

    campaign = make_campaign(slug="flooded", languages=("wo", "qu"))
    until = timezone.now() + BURST_LASTS
    PublicDoor.objects.create(campaign=campaign, open=True, burst_until=until)


async def _wait(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            status, *_ = await Line(port).call("GET", "/healthz", "127.0.0.1", "curl")
        except OSError:
            status = 0
        if status == 200:
            return
        await asyncio.sleep(0.3)
    raise SystemExit("the server does not come up")


class Line:
    """One connection of raw HTTP/1.1, opened anew whenever the server has closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(
        self,
        method: str,
        path: str,
        address: str,
        agent: str,
        *,
        body: str = "",
        cookie: str = "",
    ) -> tuple[int, str, str]:
        """Return status, head and body; once more on a connection that was closed."""
        kind = "json" if body.startswith("{") else "x-www-form-urlencoded"
        told = body.encode()
        raw = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {address}\r\n"
            f"User-Agent: {agent}\r\nContent-Type: application/{kind}\r\n"
            f"Cookie: {cookie}\r\nContent-Length: {len(told)}\r\n\r\n"
        ).encode() + told
        fresh = self.streams is None
        try:
            return await self._once(raw)
        except (OSError, asyncio.IncompleteReadError):
            self.streams = None
            if fresh:
                return 0, "", ""
        try:
            return await self._once(raw)
        except (OSError, asyncio.IncompleteReadError):
            self.streams = None
            return 0, "", ""

    async def _once(self, raw: bytes) -> tuple[int, str, str]:
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(raw)
        top = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"\r\ncontent-length: (\d+)", top, re.IGNORECASE)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if "connection: close" in top.lower():
            writer.close()
            self.streams = None
        return int(top[9:12]), top, body.decode()


async def press(port: int, *, number: int, seconds: float, server: int) -> dict[str, Any]:
    """Have visitors come alone, then with the flood beside them."""
    quiet, during, told = Seen(), Seen(), Counter[int]()
    await _visits(port, quiet, number=BEFORE, within=BEFORE * 0.4, net=192)
    ours, theirs = time.process_time(), _cpu_seconds(server)
    began = time.monotonic()
    senders = [_send(port, n, number, began, seconds, told) for n in range(LINES)]
    flood = asyncio.gather(*senders)
    # The last to come have sent theirs when the flood ends.
    within = max(seconds - max(WRITES.values()) - 2, 1)
    visits = asyncio.gather(_visits(port, during, number=DURING, within=within, net=198))
    looks = asyncio.gather(_look(port, during, until=began + seconds))
    await flood
    took = time.monotonic() - began
    spent = _cpu_seconds(server) - theirs
    await asyncio.gather(visits, looks)
    slow, calm = sorted(during.seconds), sorted(quiet.seconds)
    return {
        "seconds": took,
        "sent": sum(told.values()),
        "answered": sum(told.values()) - told[0],
        "taken": told[201] + told[302],
        "refused": told[429],
        "other": sum(told.values()) - told[201] - told[302] - told[429] - told[0],
        "visits": DURING,
        "through": during.ends["kept"],
        "ends": dict(during.ends + quiet.ends),
        "looked": len(slow),
        "quiet_ms": 1000 * calm[len(calm) // 2],
        "median_ms": 1000 * slow[len(slow) // 2],
        "p95_ms": 1000 * slow[int(0.95 * (len(slow) - 1))],
        "server_cpu_seconds": spent,
        "client_cpu_seconds": time.process_time() - ours,
    }


def _cpu_seconds(server: int) -> float:
    """Return the processor time of a server and of the processes that it began."""
    tick, found = os.sysconf("SC_CLK_TCK"), 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" ", 1)
        except OSError:
            continue
        parts = rest.rpartition(")")[2].split()
        if int(pid) == server or int(parts[1]) == server:
            found += (int(parts[11]) + int(parts[12])) / tick
    return found


async def _send(
    port: int, sender: int, number: int, began: float, seconds: float, told: Counter[int]
) -> None:
    """One of the connections of the flood: its share, spread over the time; what is late follows at once."""
    line = Line(port)
    for n in range(sender, number, LINES):
        await asyncio.sleep(max(0.0, began + seconds * n / number - time.monotonic()))
        address, agent = f"10.{n % ADDRESSES}.0.1", AGENTS[n // ADDRESSES % len(AGENTS)]
        fields = {"text": f"{FLOODED} {n}", "expected": "dates", "language": "wo"}
        program = n // ADDRESSES % 2 == 0
        path = "/api/reports/flooded/" if program else "/report/flooded/"
        body = json.dumps(fields) if program else urlencode(fields | {"key": f"f{n}"})
        status, *_ = await line.call("POST", path, address, agent, body=body)
        told[status] += 1


async def _visits(port: int, seen: Seen, *, number: int, within: float, net: int) -> None:
    async def later(n: int) -> None:
        await asyncio.sleep(within * n / number)
        seen.ends[await _visit(port, seen, n=n, net=net)] += 1

    await asyncio.gather(*(later(n) for n in range(number)))


async def _visit(port: int, seen: Seen, *, n: int, net: int) -> str:
    """Open the form, write, send, read what the secret link says: a person from a network of their own."""
    line, address, agent = Line(port), f"{net}.{n}.7.7", "Firefox"
    status, top, page = await _timed(line, seen, "GET", "/report/flooded/", address, agent)
    if status != 200:
        return f"form {status}"
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    cookie = "; ".join(re.findall(r"set-cookie: ([^;]+)", top, re.IGNORECASE))
    scripted = n % 2 == 0
    if scripted and (seed := re.search(r'data-seed="(\w+)"', page)):
        from annotation.methods.proof_of_work import solve

        fields["proof"] = ",".join(map(str, solve(seed[1])))
    await asyncio.sleep(WRITES[scripted])
    body = urlencode(fields | {"text": _words(net * 1000 + n), "language": "wo"})
    told = await _timed(
        line, seen, "POST", "/report/flooded/", address, agent, body=body, cookie=cookie
    )
    place = re.search(r"\r\nlocation: (\S+)", told[1], re.IGNORECASE)
    if told[0] != 302 or not place:
        return f"sent {told[0]}"
    status, *_ = await _timed(line, seen, "GET", place[1], address, agent)
    return "kept" if status == 200 else f"link {status}"


def _words(number: int) -> str:
    """What a visitor tells: like nothing that others tell."""
    rng = random.Random(number)
    words = ["".join(rng.choices("abdefgijklmnoprstuwxy", k=rng.randint(3, 8))) for _ in range(12)]
    return " ".join(["honest", *words])


async def _timed(line: Line, seen: Seen, *what: str, **more: str) -> tuple[int, str, str]:
    began = time.monotonic()
    told = await asyncio.wait_for(line.call(*what, **more), PATIENCE_S)
    seen.seconds.append(time.monotonic() - began)
    return told


async def _look(port: int, seen: Seen, *, until: float) -> None:
    """Somebody else reads public pages, one a second."""
    line, n = Line(port), 0
    while time.monotonic() < until:
        status, *_ = await _timed(line, seen, "GET", PAGES[n % len(PAGES)], "203.0.113.9", "Safari")
        seen.ends["looked" if status == 200 else f"look {status}"] += 1
        n += 1
        await asyncio.sleep(1)


def _looked_at() -> dict[str, Any]:
    """Let the burst pass, have all of it screened, and look at the queue."""
    from datetime import timedelta

    from django.utils import timezone

    from annotation.actions.reports.limits import BURST_LASTS
    from annotation.actions.reports.queue import ranked
    from annotation.actions.reports.timers import tend
    from annotation.models import Language, Report

    now = timezone.now()
    while Report.objects.filter(state__in=("received", "screened")).exists():
        tend(now)
    honest = Report.objects.filter(input_text__startswith="honest")
    held = honest.filter(state="quarantined").count()
    later = now + BURST_LASTS + timedelta(minutes=5)
    while tend(later):
        pass
    campaign = Report.objects.all()[0].campaign
    rows = ranked(campaign, language=Language.objects.get(tag="wo"), now=later)
    of = {
        kind: [row.priority for row in rows if row.report.input_text.startswith(kind)]
        for kind in ("honest", FLOODED)
    }
    single = [one.report for one in rows if one.report.reporters == 1]
    return {
        "stored": Report.objects.filter(input_text__startswith=FLOODED).count(),
        "kept": honest.count() / (BEFORE + DURING),
        "held": held,
        "out": honest.filter(state="awaiting_triage").count() / max(honest.count(), 1),
        "priority": max(of[FLOODED], default=0.0) / max(of["honest"], default=1.0),
        "raised": len(rows) - len(single),
    }


if __name__ == "__main__":
    main()
