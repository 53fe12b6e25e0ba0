"""Many at once: fifty people over both desks, ``python -m benchmarks.many [--quick]``.

Our service as `up` runs it and Label Studio, each on a PostgreSQL database; half of the people answer
on the light page through the door of its script, half come into Label Studio by their signed link.
Some say everything twice, as a shaky line does. Afterwards both databases are counted: no text was
handed to more people than wanted, every answer is stored once, and it lies at Label Studio once.
First people read for some seconds a text, as people do; then nobody reads and all is as quick as the
machine allows. Times are those of the callers, who share the machine with everything that they call.
``--quick`` has ten people for some seconds, Label Studio on SQLite, and writes nothing.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.many_people import Seen

ITEMS, SLICE = 3000, 1000
SETTLED_S = 600


@dataclass(frozen=True)
class Told:
    """One number and what it was to be, if anything was said."""

    row: str
    ours: float
    bar: float | None = None
    unit: str = ""

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        met = None if self.bar is None else self.ours <= self.bar
        return {**asdict(self), "ours": round(self.ours, 3), "met": met}

    def line(self) -> str:
        """Return the row for a terminal."""
        bar = "" if self.bar is None else f"  (bar {self.bar:g})"
        return f"{self.row:<58}{self.ours:10.2f} {self.unit}{bar}"


def main() -> None:
    """Start PostgreSQL, and measure with that in a folder that is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten people, and writes nothing")
    parser.add_argument("--at", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.at:
        tell(options.at, quick=options.quick)
        return
    from tests.servers import running_postgres

    with tempfile.TemporaryDirectory() as place, running_postgres() as server:
        create(server, "ours")
        create(server, "desk")
        # The settings are read once, and name the database: so in a process of their own.
        told = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "VERNACULAR_VAR_DIR": f"{place}/var",
            "VERNACULAR_DATABASE_URL": server.replace("/postgres?", "/ours?"),
            "VERNACULAR_QUEUE_SLICE": str(SLICE),
            "VERNACULAR_TICK_SECONDS": "3600",
            "VERNACULAR_LOG_LEVEL": "WARNING",
        }
        again = [sys.executable, "-m", "benchmarks.many", "--at", server]
        again += ["--quick"] if options.quick else []
        sys.exit(subprocess.run(again, env=os.environ | told, check=False).returncode)


def tell(server: str, *, quick: bool) -> None:
    """Measure, show, and write down."""
    people, items, phases = 50, ITEMS, [("reading 8 s", 8.0, 90.0), ("not reading", 0.0, 40.0)]
    if quick:
        people, items, phases = 10, 200, [("reading 1 s", 1.0, 15.0)]
    rows, more = measure("" if quick else server, people=people, items=items, phases=phases)
    for row in rows:
        print(row.line())
    print(json.dumps(more, indent=1))
    if not quick:
        from benchmarks.report import write

        write("many", rows, notes=["wall times, callers on the same machine"], **more)


def measure(
    server: str, *, people: int, items: int, phases: Sequence[tuple[str, float, float]]
) -> tuple[list[Told], dict[str, Any]]:
    """Run both services, let people answer, and count."""
    import django

    from config.secret_file import ensure_secrets

    var = Path(os.environ["VERNACULAR_VAR_DIR"])
    var.mkdir()
    ensure_secrets(var)
    django.setup()
    rows: list[Told] = []
    everything: list[Seen] = []
    with desk_at(var / "desk", server=server) as address, service(var, desk=address):
        project = prepare(people, items=items)
        for name, pace_s, lasting_s in phases:
            seen, took_s = work(people, project=project, pace_s=pace_s, lasting_s=lasting_s)
            rows += speed(name, seen, took_s=took_s)
            everything += seen
        left = settle_down()
        counted = count(everything, desk=server or f"{var}/desk/label_studio.sqlite3")
    failures = Counter(one for seen in everything for one in seen.failures)
    more = {
        "failures": failures,
        "people": people,
        "items": items,
        "handed_over": where(everything),
    }
    return [*counted, left, *rows], more


def where(seen: Sequence["Seen"]) -> Counter[str]:
    """At which desks those were who got the texts that went to more than wanted."""
    from annotation.models import Item

    wanted = {str(uid): number for uid, number in Item.objects.values_list("uid", "wanted")}
    there: dict[str, dict[int, str]] = {}
    for one in seen:
        for uid in one.handed:
            there.setdefault(uid, {})[one.person] = one.desk
    over = [desks for uid, desks in there.items() if len(desks) > wanted[uid]]
    return Counter(" + ".join(sorted(desks.values())) for desks in over)


@contextmanager
def desk_at(place: Path, *, server: str) -> Iterator[str]:
    """A Label Studio whose database is in PostgreSQL, or SQLite where none is named; its address."""
    from config.desk_service import (
        ROOT,
        DeskAccount,
        label_studio_environment,
        label_studio_process,
        prepare_data,
    )
    from config.services import free_port
    from tests.servers import EMAIL, ENTRY_KEY, HOME, PASSWORD, TOKEN, running

    place.mkdir()
    told: dict[str, str] = {}
    if server:
        told = {
            "DJANGO_DB": "default",
            "POSTGRE_HOST": server.split("host=")[1],
            "POSTGRE_USER": "test",
            "POSTGRE_NAME": "desk",
        }
        program = str(ROOT / ".venv-labelstudio/bin/label-studio")
        environment = label_studio_environment(place) | told
        subprocess.run(
            [program, "init", "--quiet"], env=environment, check=True, capture_output=True
        )
    else:
        prepare_data(place)
    account = DeskAccount(email=EMAIL, password=PASSWORD, token=TOKEN, entry_key=ENTRY_KEY)
    port = free_port(18700 + os.getpid() % 900)
    process = label_studio_process(place, port=port, account=account, home=HOME)
    process.environment = {**process.environment, **told}
    with running(process, logs=place / "log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def service(var: Path, *, desk: str) -> Iterator[None]:
    """All of ours but the network's worker."""
    from django.core.management import call_command

    from tests.servers import running_service

    call_command("migrate", verbosity=0)
    without = ("label-studio", "worker-gpu")
    with running_service(var, without=without, environment={"VERNACULAR_LABEL_STUDIO_URL": desk}):
        yield


def create(server: str, name: str) -> None:
    """An empty database."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")


def prepare(people: int, *, items: int) -> int:
    """A running campaign whose texts want one or two people each, and a team; its project."""
    from django.conf import settings
    from django.utils import timezone

    from annotation.actions.entry import keep_members
    from annotation.actions.people import ensure_desk_account
    from annotation.actions.queue import push_items
    from annotation.gateways.label_studio import open_desk
    from annotation.models import CampaignLanguage
    from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    desk = open_desk()
    made = make_campaign(languages=("wo",), slug="mail", status="running")
    home = CampaignLanguage.objects.get(campaign=made)
    for number in range(people):
        ensure_desk_account(make_user(f"person{number}"), desk=desk)
        make_annotator(f"person{number}")
    for number in range(items):
        make_item(make_sample(made), wanted=1 + number % 2, priority=number / items, batch="r1")
    push_items(home, desk=desk, now=timezone.now())
    home.refresh_from_db()
    keep_members(home, desk=desk, now=timezone.now())
    return home.desk_project_id or 0


def work(
    people: int, *, project: int, pace_s: float, lasting_s: float
) -> tuple[list["Seen"], float]:
    """Have everybody come in, and then answer for so long; what they saw, and how long it was."""
    import httpx
    from django.conf import settings
    from django.test import Client

    from annotation.models import User
    from benchmarks.many_people import AtTheScreen, OnThePhone, Person

    came = threading.Barrier(people + 1)
    crowd: list[Person] = []
    for number in range(people):
        signed_in = Client()
        signed_in.force_login(User.objects.get(username=f"person{number}"))
        name = settings.SESSION_COOKIE_NAME
        web = httpx.Client(
            base_url=settings.ENV.web_url,
            cookies={name: signed_in.cookies[name].value},
            timeout=60,
            verify=False,
        )
        kind: type[Person] = OnThePhone if number % 2 else AtTheScreen
        one = kind(number, web=web, pace_s=pace_s, until=lasting_s)
        one.came = came
        if isinstance(one, AtTheScreen):
            one.project = project
        crowd.append(one)
    for one in crowd:
        one.start()
    came.wait()
    begun = time.monotonic()
    for one in crowd:
        one.join()
    return [one.seen for one in crowd], time.monotonic() - begun


def speed(name: str, seen: Sequence["Seen"], *, took_s: float) -> list[Told]:
    """Answers a minute, and how long people waited, at each desk."""
    rows = []
    for desk in ("light", "label studio"):
        there = [one for one in seen if one.desk == desk]
        answers = sum(len(one.said) for one in there)
        rows.append(Told(f"{name}, {desk}: answers a minute", 60 * answers / took_s))
        for what in ("next", "submit"):
            times = [took for one in there for asked, took in one.calls if asked == what]
            if len(times) > 1:
                cuts = statistics.quantiles(times, n=20)
                rows.append(
                    Told(f"{name}, {desk}: {what}, median", statistics.median(times), unit="s")
                )
                rows.append(Told(f"{name}, {desk}: {what}, p95", cuts[-1], unit="s"))
    return rows


def settle_down() -> Told:
    """Wait until both desks have heard of everything; how long that took.

    The timetable stands still here, so that nothing but people asks the services for anything;
    what was put off while all was crowded is asked for again, as it would.
    """
    from annotation.actions.mirror import to_mirror
    from annotation.models import Annotation, CampaignLanguage
    from annotation.tasks import sweep_all

    begun, quiet, before, turn = time.monotonic(), 0, -1, 0
    while quiet < 6 and time.monotonic() - begun < SETTLED_S:
        if not turn % 8:
            sweep_all()
        turn += 1
        time.sleep(2)
        now = Annotation.objects.count()
        waiting = to_mirror(CampaignLanguage.objects.get()).count()
        quiet = quiet + 1 if not waiting and now == before else 0
        before = now
    return Told("until both desks had heard of all", time.monotonic() - begun - 12, unit="s")


def count(seen: Sequence["Seen"], *, desk: str) -> list[Told]:
    """What was handed out too often, and what is stored not at all, or twice."""
    from annotation.models import Annotation, Item

    wanted = {str(uid): number for uid, number in Item.objects.values_list("uid", "wanted")}
    handed: dict[str, set[int]] = {}
    for one in seen:
        for uid in one.handed:
            handed.setdefault(uid, set()).add(one.person)
    said = Counter((item, one.person) for one in seen for item in one.said.values())
    names = Annotation.objects.answered().values_list("item__uid", "annotator__user__username")
    stored = Counter((str(uid), int(name.removeprefix("person"))) for uid, name in names)
    there = stored_at(desk)
    over = sum(len(people) > wanted[uid] for uid, people in handed.items())
    return [
        Told("texts handed out", len(handed)),
        Told("texts handed to more people than wanted", over, 0),
        Told("answers that people were told are taken", said.total()),
        Told("of these not stored", (said - stored).total(), 0),
        Told("stored though nobody was told so", (stored - said).total()),
        Told("stored twice", stored.total() - len(stored), 0),
        Told("answers at Label Studio", there[0]),
        Told("of these missing there", max(stored.total() - there[0], 0), 0),
        Told("of these there twice", there[0] - there[1], 0),
    ]


def stored_at(desk: str) -> tuple[int, int]:
    """How many answers lie in Label Studio's own table, and how many people's on texts those are."""
    import psycopg

    name = desk.replace("/postgres?", "/desk?")
    opened: Any = psycopg.connect(name) if "host=" in desk else sqlite3.connect(name)
    with closing(opened) as connection:
        pairs = "SELECT DISTINCT task_id, completed_by_id FROM task_completion"
        asked = f"SELECT (SELECT count(*) FROM task_completion), (SELECT count(*) FROM ({pairs}) p)"
        everything, different = connection.execute(asked).fetchone()
    return int(everything), int(different)


if __name__ == "__main__":
    main()
