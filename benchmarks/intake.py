"""Intake on PostgreSQL: nudges and answers a second, ``python -m benchmarks.intake [--quick]``.

A PostgreSQL that writes to disk before it says so, a Redis, and one web process group, started by the
very command of the image (two processes of eight threads); the callers are a process of their own on
the same two cores (:mod:`benchmarks.intake_load`). Three kinds of call: a nudge of Label Studio; an
answer of the light page by itself; and, as a phone sends what it kept, twenty-five in one. Each is
first pressed as hard as the machine allows, which tells what one costs in processor time, and then
called by the clock at the rate of the bar. One call in twenty is made twice, beside that rate. Afterwards the tables are
counted against what callers were told: lost, there twice. Beside it stands the bare insert of a row of
the same width in a transaction of its own, by as many connections. ``--quick`` takes seconds a phase
and writes nothing.
"""

import argparse
import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from config.env import ROOT

RATE, P99_S, SECONDS = 500.0, 0.1, 60.0
TAGS = tuple(f"l{number:02d}" for number in range(8))
PEOPLE, LINES, TOGETHER = 20, 32, 25


@dataclass(frozen=True)
class Intake:
    """One kind of call, how it was called, and what came of it."""

    row: str
    together: int
    asked: float
    a_second: float
    p50_ms: float
    p99_ms: float
    web_ms: float
    database_ms: float
    callers_ms: float
    lost: int
    double: int
    bad: int
    bare: float
    load: float

    @property
    def ratio(self) -> float:
        """Ours against the bare insert."""
        return self.a_second / self.bare

    @property
    def met(self) -> bool | None:
        """The bar, where it was called by the clock."""
        if not self.asked:
            return None
        swift = self.a_second >= 0.99 * RATE and self.p99_ms <= 1000 * P99_S
        return swift and not (self.lost or self.double or self.bad)

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        told = {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {**told, "ratio": round(self.ratio, 4), "met": self.met}

    def line(self) -> str:
        """For a terminal."""
        return (
            f"{self.row:<34} {self.a_second:7.1f}/s  p50 {self.p50_ms:7.1f}  p99 {self.p99_ms:7.1f} ms"
            f"  CPU web {self.web_ms:.2f} db {self.database_ms:.2f} callers {self.callers_ms:.2f} ms"
            f"  lost {self.lost} double {self.double} bad {self.bad}  of bare {self.ratio:.2f}"
            f"  load {self.load:.1f}  {'' if self.met is None else 'met' if self.met else 'NOT MET'}"
        )


def main() -> None:
    """Start PostgreSQL, and measure with that in a folder that is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds a phase, and writes nothing")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="called by the clock")
    parser.add_argument("--at", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.at:
        tell(options.at, quick=options.quick, seconds=8.0 if options.quick else options.seconds)
        return
    from tests.servers import running_postgres, running_redis

    with (
        tempfile.TemporaryDirectory() as place,
        running_postgres(durable=True) as server,
        running_redis(Path(place)) as broker,
    ):
        told = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "VERNACULAR_VAR_DIR": f"{place}/var",
            "VERNACULAR_DATABASE_URL": server,
            "VERNACULAR_REDIS_URL": broker,
            "VERNACULAR_WEBHOOK_SECRET": "a-secret-for-the-benchmark",
            "VERNACULAR_LOG_LEVEL": "INFO",
            "VERNACULAR_LOG_FORMAT": "json",
        }
        again = [sys.executable, "-m", "benchmarks.intake", "--at", server]
        again += ["--seconds", str(options.seconds), *(["--quick"] if options.quick else [])]
        sys.exit(subprocess.run(again, env=os.environ | told, check=False).returncode)


def tell(server: str, *, quick: bool, seconds: float) -> None:
    """Measure, show, and write down."""
    rows, bare = measure(server, seconds=seconds, quick=quick)
    for row in rows:
        print(row.line())
    print(f"bare insert: {bare:.0f}/s")
    if not quick:
        from benchmarks.report import write

        notes = ["wall times; callers, server and database on the same two cores"]
        write("intake", rows, notes=notes, seconds=seconds, bare_inserts_a_second=bare)


def measure(server: str, *, seconds: float, quick: bool) -> tuple[list[Intake], float]:
    """Make the tables, start the web, and press it in each way."""
    import django

    from config.secret_file import ensure_secrets
    from tests.database import fill

    var = Path(os.environ["VERNACULAR_VAR_DIR"])
    var.mkdir()
    ensure_secrets(var)
    django.setup()
    fill(server)
    full = seconds / 4
    ways = [("nudges", 1, full, 0.0), ("nudges", 1, seconds, RATE)]
    ways += [("answers one by one", 1, full, 0.0), ("answers one by one", 1, seconds, RATE)]
    ways += [(f"answers {TOGETHER} at once", TOGETHER, full, 0.0)]
    ways += [(f"answers {TOGETHER} at once", TOGETHER, seconds, RATE)]
    rows = []
    with web(var) as (port, process):
        bare = bare_inserts(server, seconds=2.0 if quick else 10.0)
        # Each process imports what speaks to the broker when it first does.
        people = gather()
        for kind in ("nudges", "answers"):
            plan = prepare(people, together=1, most=400) | {
                "kind": kind,
                "port": port,
                "seconds": 4.0,
            }
            press(
                kind,
                plan | {"rate": 0.0, "lines": LINES},
                server=server,
                web=process.pid,
                bare=bare,
            )
        for name, together, lasting, rate in ways:
            texts = int(lasting * (1.1 * rate or 600)) if name != "nudges" else len(people)
            plan = prepare(people, together=together, most=texts)
            plan |= {"kind": name.split()[0], "port": port, "seconds": lasting}
            plan |= {"rate": rate, "lines": LINES}
            rows.append(press(name, plan, server=server, web=process.pid, bare=bare))
            print(rows[-1].line(), flush=True)
    return rows, bare


@contextlib.contextmanager
def web(var: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The process group of the image, by its own command, on a free port."""
    from config.services import answers_http, free_port

    line = next(
        line for line in (ROOT / "docker/Dockerfile").read_text().splitlines() if "gunicorn" in line
    )
    port = free_port(22700)
    command = [one.replace("0.0.0.0:8100", f"127.0.0.1:{port}") for one in json.loads(line[4:])]
    print(shlex.join(command))
    with (var / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            while not answers_http(f"http://127.0.0.1:{port}/healthz"):
                assert process.poll() is None, (var / "web.log").read_text()
                time.sleep(0.5)
            yield port, process
        finally:
            process.terminate()
            process.wait()


def gather() -> list[dict[str, Any]]:
    """A running campaign in eight languages, with a team that is signed in."""
    from django.conf import settings
    from django.test import Client
    from django.utils.crypto import get_random_string

    from annotation.models import CampaignLanguage
    from annotation.views.light import _person
    from tests.make import make_annotator, make_campaign

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    campaign = make_campaign(languages=TAGS, status="running")
    people: list[Any] = []
    for home in CampaignLanguage.objects.filter(campaign=campaign).select_related("language"):
        for _ in range(PEOPLE):
            annotator = make_annotator(f"person{len(people)}", home.language.tag)
            client = Client()
            client.force_login(annotator.user)
            token = get_random_string(32)
            session = client.cookies[settings.SESSION_COOKIE_NAME].value
            cookie = f"{settings.SESSION_COOKIE_NAME}={session}; "
            people.append(
                {
                    "home": home.pk,
                    "annotator": annotator.pk,
                    "path": f"/answer/{campaign.slug}/{home.language.tag}/answers/",
                    "cookie": f"{cookie}{settings.CSRF_COOKIE_NAME}={token}",
                    "token": token,
                    "person": _person(annotator),
                }
            )
    return people


def prepare(people: list[dict[str, Any]], *, together: int, most: int) -> dict[str, Any]:
    """Fresh texts in everybody's hands: so many in all, or a few more."""
    from datetime import timedelta

    from django.conf import settings
    from django.utils import timezone

    from annotation.models import CampaignLanguage, Item, Reservation, Sample

    homes = CampaignLanguage.objects.in_bulk({one["home"] for one in people})
    each = -(-most // (len(people) * together)) * together
    hands = [one for one in people for _ in range(each)]
    samples = Sample.objects.bulk_create(
        Sample(
            campaign_id=homes[one["home"]].campaign_id,
            language_id=homes[one["home"]].language_id,
            text=f"text {number}",
            digest=f"{time.time_ns()} {number}",
        )
        for number, one in enumerate(hands)
    )
    items = Item.objects.bulk_create(
        Item(campaign_language_id=one["home"], sample=sample, kind="acquisition")
        for one, sample in zip(hands, samples, strict=True)
    )
    until = timezone.now() + timedelta(hours=9)
    Reservation.objects.bulk_create(
        Reservation(item=item, annotator_id=one["annotator"], until=until)
        for one, item in zip(hands, items, strict=True)
    )
    told = [
        one | {"items": [str(item.uid) for item in items[start : start + each]]}
        for one, start in zip(people, range(0, len(items), each), strict=True)
    ]
    plan = {"homes": sorted(homes), "people": told, "together": together}
    return plan | {"secret": settings.ENV.webhook_secret}


def press(name: str, plan: dict[str, Any], *, server: str, web: int, bare: float) -> Intake:
    """Have the callers call, and count what came of it."""
    from django.db import connection

    from annotation.models import Annotation, DeskEvent

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    events, before = DeskEvent.objects.count(), cpu_of(web, server)
    with tempfile.NamedTemporaryFile("w") as file:
        json.dump(plan, file)
        file.flush()
        made = subprocess.run(
            [sys.executable, "-m", "benchmarks.intake_load", file.name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    load, after = os.getloadavg()[0], cpu_of(web, server)
    told = json.loads(made.stdout)
    done = told["answered"] or 1
    if plan["kind"] == "nudges":
        there = DeskEvent.objects.count() - events
        lost, double = max(done - there, 0), max(there - done, 0)
    else:
        mine = [uid for one in plan["people"] for uid in one["items"]]
        given = Annotation.objects.filter(item__uid__in=mine)
        stored = Counter(str(uid) for uid in given.values_list("uid", flat=True))
        lost = len(set(told["taken"]) - set(stored))
        double = given.count() - given.values("item", "annotator").distinct().count()
        double += sum(stored.values()) - len(stored)
    late = sorted(told["late_s"]) or [0.0]
    return Intake(
        row=f"{name}, {'by the clock' if plan['rate'] else 'pressed'}",
        together=plan["together"],
        asked=plan["rate"],
        a_second=done / told["took_s"],
        p50_ms=1000 * statistics.median(late),
        p99_ms=1000 * late[int(0.99 * (len(late) - 1))],
        web_ms=1000 * (after[0] - before[0]) / done,
        database_ms=1000 * (after[1] - before[1]) / done,
        callers_ms=1000 * told["cpu_s"] / done,
        lost=lost,
        double=double,
        bad=len(told["bad"]),
        bare=bare,
        load=load,
    )


def cpu_of(web: int, server: str) -> tuple[float, float]:
    """Seconds of processor time of the web's processes, and of PostgreSQL's, the dead ones too."""
    place = server.split("host=")[1]
    keeper = int(Path(f"{place}/data/postmaster.pid").read_text().splitlines()[0])
    return _cpu_below(web), _cpu_below(keeper)


def _cpu_below(root: int) -> float:
    tick, seconds = os.sysconf("SC_CLK_TCK"), 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "stat").read_text().rpartition(") ")[2].split()
            if int(entry.name) == root:
                seconds += sum(int(one) for one in words[11:15]) / tick
            elif int(words[1]) == root:
                seconds += sum(int(one) for one in words[11:13]) / tick
    return seconds


def bare_inserts(server: str, *, seconds: float) -> float:
    """Rows a second that as many connections insert, each in a transaction of its own."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE bare (id bigserial PRIMARY KEY, home bigint, action text, detail text,"
            " accepted boolean, created_at timestamptz DEFAULT now())"
        )
    done = [0] * 16

    def insert(number: int) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                connection.execute(
                    "INSERT INTO bare (home, action, detail, accepted) VALUES (%s, %s, %s, %s)",
                    [number, "ANNOTATION_CREATED", "", True],
                )
                done[number] += 1

    threads = [threading.Thread(target=insert, args=(number,)) for number in range(len(done))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


if __name__ == "__main__":
    main()
