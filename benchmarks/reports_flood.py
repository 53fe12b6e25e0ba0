"""A flood of reports at a real server: ``python -m benchmarks.reports_flood NUMBER SECONDS``, what came of it on stdout.

The web server is started as ``up`` starts it (one process of eight threads) on an installation of its own in
SQLite; no broker is there. First others come in by themselves, then while fifty addresses send as much as they
can: each honest visitor opens the form and reports, from a network of their own. Afterwards all that came in is
screened, and the queue of the language is looked at.
"""

import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ADDRESSES, SENDERS, HONEST, EVERY = 50, 6, 40, 1.4
AGENTS = ("Firefox", "Chrome", "Safari", "curl", "python")
PATIENCE = 30
FLOODED = {"text": "the very same", "expected": "dates", "language": "wo"}


def main() -> None:
    """Flood, and print what came of it as the last line."""
    number, seconds = int(sys.argv[1]), float(sys.argv[2])
    with tempfile.TemporaryDirectory() as place, installed(Path(place)) as port:
        quiet = visits(port, HONEST // 2, every=0.3, net=192)
        told: Counter[int] = Counter()
        began = time.monotonic()
        senders = [
            threading.Thread(target=_send, args=(port, n, number, began, seconds, told))
            for n in range(SENDERS)
        ]
        for one in senders:
            one.start()
        during = visits(port, HONEST, every=EVERY * seconds / 60, net=198)
        for one in senders:
            one.join()
        took = time.monotonic() - began
        found = _looked_at(quiet, during, told, took=took)
    # Of the server, which has ended by now: starting it, and all that was asked of it.
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    found["server_cpu_seconds"] = spent.ru_utime + spent.ru_stime
    print(json.dumps(found))


@contextmanager
def installed(place: Path) -> Iterator[int]:
    """A web server on a migrated database with a campaign that is open to everybody; its port."""
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
            _wait(port)
            yield port
        finally:
            server.terminate()


def _prepare() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from annotation.models import PublicDoor
    from tests.make import make_campaign

    campaign = make_campaign(slug="flooded", languages=("wo", "qu"))
    PublicDoor.objects.create(campaign=campaign, open=True)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if _ask(_line(port), "GET", "/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.3)
    raise SystemExit("the server does not come up")


def _line(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)


def _ask(
    line: http.client.HTTPConnection, method: str, path: str, *, told: Any = None, **headers: str
) -> tuple[int, float]:
    """Return the status and how many seconds it took; 0 where no answer came."""
    body = json.dumps(told) if told is not None else None
    headers |= {"Content-Type": "application/json"} if body else {}
    began = time.monotonic()
    try:
        line.request(method, path, body=body, headers=headers)
        answer = line.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        line.close()
        return 0, time.monotonic() - began
    return answer.status, time.monotonic() - began


def _send(
    port: int, sender: int, number: int, began: float, seconds: float, told: Counter[int]
) -> None:
    """One of those who flood: its share, spread over the time; later ones follow at once."""
    line = _line(port)
    for n in range(sender, number, SENDERS):
        time.sleep(max(0.0, began + seconds * n / number - time.monotonic()))
        address, agent = f"10.{n % ADDRESSES}.0.1", AGENTS[n // ADDRESSES % len(AGENTS)]
        headers = {"X-Forwarded-For": address, "User-Agent": agent}
        status, _took = _ask(line, "POST", "/api/reports/flooded/", told=FLOODED, **headers)
        told[status] += 1


def visits(port: int, number: int, *, every: float, net: int) -> list[tuple[int, int, float]]:
    """Honest visitors, one after the other: status of the form and of the report, seconds of both."""
    found, began = [], time.monotonic()
    for n in range(number):
        time.sleep(max(0.0, began + every * n - time.monotonic()))
        headers = {"X-Forwarded-For": f"{net}.{n}.7.7", "User-Agent": "Firefox"}
        line = _line(port)
        form, first = _ask(line, "GET", "/report/flooded/", **headers)
        text = {"text": f"honest {net} {n}", "language": "wo"}
        sent, then = _ask(line, "POST", "/api/reports/flooded/", told=text, **headers)
        found.append((form, sent, first + then))
        line.close()
    return found


def _looked_at(
    quiet: list[tuple[int, int, float]],
    during: list[tuple[int, int, float]],
    told: Counter[int],
    *,
    took: float,
) -> dict[str, Any]:
    from datetime import timedelta

    from django.utils import timezone

    from annotation.actions.reports.queue import ranked
    from annotation.actions.reports.timers import tend
    from annotation.models import Language, Report

    now = timezone.now() + timedelta(minutes=2)
    while Report.objects.filter(state__in=("received", "screened")).exists():
        tend(now)
    campaign = Report.objects.all()[0].campaign
    rows = ranked(campaign, language=Language.objects.get(tag="wo"), now=now)
    of = {
        kind: [r.priority for r in rows if r.report.input_text.startswith(kind)]
        for kind in ("honest", "the very")
    }
    slow = sorted(one[2] for one in during)
    honest = Report.objects.filter(input_text__startswith="honest")
    return {
        "seconds": took,
        "sent": sum(told.values()),
        "answered": sum(told.values()) - told[0],
        "taken": told[201] + told[200],
        "refused": told[429],
        "other": sum(told.values()) - told[201] - told[200] - told[429],
        "stored": Report.objects.filter(input_text="the very same").count(),
        "honest": sum(one[:2] == (200, 201) for one in during) / len(during),
        "kept": honest.count() / (len(quiet) + len(during)),
        "quiet_ms": 1000 * sorted(one[2] for one in quiet)[len(quiet) // 2],
        "median_ms": 1000 * slow[len(slow) // 2],
        "p95_ms": 1000 * slow[int(0.95 * (len(slow) - 1))],
        "priority": max(of["the very"], default=0.0) / max(of["honest"]),
        "hidden": honest.filter(state="quarantined").count(),
    }


if __name__ == "__main__":
    main()
