"""Two hundred people on the light page: ``python -m benchmarks.annotators [--quick] [--seconds N]``.

A PostgreSQL that writes to disk before it says so, a Redis, and one web process group by the command of
the image. Two hundred people come in by their personal links within forty seconds, agree, and answer by the
forms of the plain page, each a text every six to ten seconds (25 answers and 50 requests a second in all),
for five minutes: the page is fetched, read, answered, and the next one fetched. They are a process of their
own on the same machine (:mod:`benchmarks.annotators_walk`). Told are the waits of every request, coming in
among them, errors, answers against the table, and the memory of the web's processes once everybody is there
and at the end. ``--quick`` is twenty people for ten seconds, and writes nothing.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.intake import cpu_of, web
from config.env import ROOT

PEOPLE, SECONDS, COMING, PACE = 200, 300.0, 40.0, (6.0, 10.0)
P95_S, FLAT = 0.3, 1.1
TAGS = tuple(f"l{number:02d}" for number in range(8))


@dataclass(frozen=True)
class Walked:
    """What came of it."""

    row: str
    people: int
    seconds: float
    requests: int
    answered: int
    stored: int
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    page_p95_ms: float
    form_p95_ms: float
    rss_then_mb: float
    rss_end_mb: float
    web_ms: float
    database_ms: float
    people_ms: float
    load: float

    @property
    def met(self) -> bool:
        """The bar: quick, without errors, nothing lost, and no memory more than at first."""
        sound = not self.errors and self.stored == self.answered
        return sound and self.p95_ms <= 1000 * P95_S and self.rss_end_mb <= FLAT * self.rss_then_mb

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        told = {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {**told, "met": self.met}


def main() -> None:
    """Start PostgreSQL and Redis, and measure with those in a folder that is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="twenty people for ten seconds")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--at", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.at:
        tell(options.at, quick=options.quick, seconds=options.seconds)
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
            "VERNACULAR_LABEL_STUDIO_URL": "",
            "VERNACULAR_LOG_LEVEL": "INFO",
            "VERNACULAR_LOG_FORMAT": "json",
        }
        again = [sys.executable, "-m", "benchmarks.annotators", "--at", server]
        again += ["--seconds", str(options.seconds), *(["--quick"] if options.quick else [])]
        sys.exit(subprocess.run(again, env=os.environ | told, check=False).returncode)


def tell(server: str, *, quick: bool, seconds: float) -> None:
    """Measure, show, and write down."""
    people, coming = (20, 5.0) if quick else (PEOPLE, COMING)
    row, errors = measure(server, people=people, seconds=10.0 if quick else seconds, coming=coming)
    print(json.dumps(row.record(), indent=1))
    print("\n".join(errors[:10]))
    if not quick:
        from benchmarks.report import write

        notes = ["wall times; people, server and database on the same two cores"]
        write("annotators", [row], notes=notes, pace_s=PACE)


def measure(server: str, *, people: int, seconds: float, coming: float) -> tuple[Walked, list[str]]:
    """Make the tables, start the web, and let people come."""
    import django

    from config.secret_file import ensure_secrets
    from tests.database import fill

    var = Path(os.environ["VERNACULAR_VAR_DIR"])
    var.mkdir()
    ensure_secrets(var)
    django.setup()
    fill(server)
    from annotation.models import Annotation

    # Some more than even the quickest can answer, for pages are filled ahead.
    each = int((seconds + coming) / PACE[0]) + 40
    plan = prepare(people, each=each) | {"seconds": seconds, "coming": coming, "pace": PACE}
    with web(var) as (port, process), tempfile.NamedTemporaryFile("w") as file:
        json.dump(plan | {"port": port}, file)
        file.flush()
        before, sizes = cpu_of(process.pid, server), list[float]()
        watcher = threading.Timer(coming, lambda: sizes.append(memory_of(process.pid)))
        watcher.start()
        made = subprocess.run(
            [sys.executable, "-m", "benchmarks.annotators_walk", file.name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        watcher.join()
        sizes.append(memory_of(process.pid))
        after, load = cpu_of(process.pid, server), os.getloadavg()[0]
    told = json.loads(made.stdout)
    waits = sorted(told["page"] + told["form"])
    row = Walked(
        row="people on the light page, whole pages",
        people=told["came"],
        seconds=seconds,
        requests=len(waits),
        answered=told["answered"],
        stored=Annotation.objects.count(),
        errors=len(told["errors"]),
        p50_ms=_at(waits, 0.5),
        p95_ms=_at(waits, 0.95),
        p99_ms=_at(waits, 0.99),
        page_p95_ms=_at(sorted(told["page"]), 0.95),
        form_p95_ms=_at(sorted(told["form"]), 0.95),
        rss_then_mb=sizes[0],
        rss_end_mb=sizes[1],
        web_ms=1000 * (after[0] - before[0]) / max(len(waits), 1),
        database_ms=1000 * (after[1] - before[1]) / max(len(waits), 1),
        people_ms=1000 * told["cpu_s"] / max(len(waits), 1),
        load=load,
    )
    return row, told["errors"]


def _at(ordered: list[float], share: float) -> float:
    return 1000 * ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


def prepare(people: int, *, each: int) -> dict[str, Any]:
    """A running campaign in eight languages, people with links, and texts enough for all of them."""
    from annotation.actions.invitations import invite
    from annotation.models import CampaignLanguage, Item, Sample
    from tests.make import make_campaign

    campaign = make_campaign(languages=TAGS, status="running")
    homes = list(CampaignLanguage.objects.filter(campaign=campaign).select_related("language"))
    come = []
    for number in range(people):
        home = homes[number % len(homes)]
        ticket = invite(campaign, name=f"Person {number}", languages=[home.language], actor=None)
        page = f"/answer/{campaign.slug}/{home.language.tag}/"
        come.append({"link": f"/go/{ticket.token}/", "page": page, "seed": number})
    for home in homes:
        samples = Sample.objects.bulk_create(
            Sample(
                campaign=campaign,
                language=home.language,
                text=f"nanga def ci altine {number}",
                digest=f"{home.pk} {number}",
            )
            for number in range(each * -(-people // len(homes)))
        )
        Item.objects.bulk_create(
            Item(campaign_language=home, sample=sample, kind="acquisition", priority=number)
            for number, sample in enumerate(samples)
        )
    labels = list(campaign.labels.values_list("key", flat=True))
    return {"people": come, "labels": labels}


def memory_of(root: int) -> float:
    """Megabytes that a process and its children hold."""
    kilobytes = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if not entry.name.isdigit():
                continue
            words = (entry / "stat").read_text().rpartition(") ")[2].split()
            if root in (int(entry.name), int(words[1])):
                lines = (entry / "status").read_text().splitlines()
                kilobytes += next(int(one.split()[1]) for one in lines if one.startswith("VmRSS"))
    return kilobytes / 1024


if __name__ == "__main__":
    main()
