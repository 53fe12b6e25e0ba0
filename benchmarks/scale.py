"""Ten million texts on PostgreSQL: ``python -m benchmarks.scale [--samples N] [--quick]``.

A PostgreSQL that writes to disk before it says so holds one campaign in two hundred languages of very
unequal size: a tenth of its texts were asked, each answered by several people (made inside the
database, by SQL, for setting up is not what is measured). Then: pages of the lists through Django's own
request handling, first pages and far behind; handing out the next text to a person, with everything the
light page does for that; bringing in a file of 50,000 rows by the product's own importer. Seconds are
of the clock. ``--samples`` takes fewer texts; ``--quick`` takes 20,000 and writes nothing.
"""

import argparse
import csv
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

SAMPLES, LANGUAGES, PEOPLE = 10_000_000, 200, 400
IMPORTED, PAGES, HANDED = 50_000, 20, 200
PAGE_S, NEXT_S, ROWS_A_SECOND = 0.2, 0.05, 20_000.0
WORDS = ["nanga", "def", "jamm", "rekk", "ci", "altine", "la", "jërëjëf", "waaw", "déedéet"]


@dataclass(frozen=True)
class Told:
    """One number and what it was to be."""

    row: str
    ours: float
    bar: float
    unit: str
    median: float = 0.0
    cpu_s: float = 0.0
    more_is_better: bool = False

    @property
    def met(self) -> bool:
        """Whether the bar is reached."""
        return self.ours >= self.bar if self.more_is_better else self.ours <= self.bar

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        told = {k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {**told, "met": self.met}

    def line(self) -> str:
        """For a terminal."""
        said = "met" if self.met else "NOT MET"
        middle = f"  median {self.median:.4f}" if self.median else ""
        middle += f"  processor {self.cpu_s:.4f} s each" if self.cpu_s else ""
        return f"{self.row:<52}{self.ours:12.4f} {self.unit}  (bar {self.bar:g}){middle}  {said}"


def main() -> None:
    """Start PostgreSQL, and measure with that in a folder that is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--quick", action="store_true", help="20,000 texts, and writes nothing")
    parser.add_argument("--at", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.at:
        tell(options.at, samples=options.samples, quick=options.quick)
        return
    from tests.servers import running_postgres

    free = shutil.disk_usage(tempfile.gettempdir()).free
    needed = options.samples * 2500
    if free < needed:
        sys.exit(f"{needed / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} are free: --samples")
    with tempfile.TemporaryDirectory() as place, running_postgres(durable=True) as server:
        told = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "VERNACULAR_VAR_DIR": f"{place}/var",
            "VERNACULAR_DATABASE_URL": server,
            "VERNACULAR_LABEL_STUDIO_URL": "",
            "VERNACULAR_LOG_LEVEL": "ERROR",
        }
        again = [sys.executable, "-m", "benchmarks.scale", "--at", server]
        again += ["--samples", str(options.samples)]
        again += ["--quick"] if options.quick else []
        sys.exit(subprocess.run(again, env=os.environ | told, check=False).returncode)


def tell(server: str, *, samples: int, quick: bool) -> None:
    """Measure, show, and write down."""
    rows, more = measure(server, samples=20_000 if quick else samples)
    print(json.dumps(more, indent=1))
    if not quick:
        from benchmarks.report import write

        write("scale", rows, notes=["wall times, everything on two cores"], **more)


def measure(server: str, *, samples: int) -> tuple[list[Told], dict[str, Any]]:
    """Fill the tables, then ask."""
    import django

    from config.secret_file import ensure_secrets
    from tests.database import fill

    var = Path(os.environ["VERNACULAR_VAR_DIR"])
    var.mkdir()
    ensure_secrets(var)
    django.setup()
    fill(server)
    from benchmarks.scale_made import make_campaign_of, sizes

    begun = time.monotonic()
    campaign = make_campaign_of(samples, languages=LANGUAGES, people=PEOPLE)
    made_s = time.monotonic() - begun
    print(f"made in {made_s:.0f} s: {sizes()}", flush=True)
    counted_s = counted(samples, campaign=campaign)
    rows = [*pages(campaign), *handing_out(campaign), *importing(campaign, var=var)]
    more = {
        "samples": samples,
        "made_s": round(made_s),
        "counted_s": round(counted_s, 2),
        "load": os.getloadavg()[0],
        **sizes(),
    }
    return rows, more


def counted(samples: int, *, campaign: Any) -> float:
    """What the timetable does before anybody looks; return how long that takes a worker."""
    from django.utils import timezone

    from training.actions.counts import claim_counts, renew_count

    campaign.imports.create(filename="made.csv", rows_kept=samples, status="done")
    begun = time.monotonic()
    for pk, name in claim_counts(timezone.now()):
        renew_count(pk, name=name, now=timezone.now())
    print(f"counted in {time.monotonic() - begun:.2f} s", flush=True)
    return time.monotonic() - begun


def _timed(name: str, asks: Sequence[Callable[[], object]], *, bar: float) -> Told:
    """Seconds of the clock, and of the processors (ours and PostgreSQL's), that each took."""
    times, before = [], _busy()
    for ask in asks:
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    cpu, ordered = (_busy() - before) / len(times), sorted(times)
    at = ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]
    told = Told(name, at, bar, "s p95", statistics.median(ordered), cpu)
    print(told.line(), flush=True)
    return told


def _busy() -> float:
    """Processor time of this process and of PostgreSQL with all its children."""
    from benchmarks.intake import cpu_of

    return time.process_time() + cpu_of(os.getpid(), os.environ["VERNACULAR_DATABASE_URL"])[1]


def pages(campaign: Any) -> list[Told]:
    """Lists through the whole request: what a coordinator looks at, and what programs read."""
    from django.test import Client

    from annotation.actions.keys import create_key
    from annotation.models import Annotation, Item, Scope, User

    noor = User.objects.create(username="noor", is_staff=True, is_superuser=True)
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(noor)
    key = create_key(noor, name="scale", scopes=[Scope.READ, Scope.EXPORT], campaign=campaign)[1]
    bearer = Client(headers={"host": "127.0.0.1", "authorization": f"Bearer {key}"})
    rng = random.Random(0)
    items, answers = (kind.objects.latest("pk").pk for kind in (Item, Annotation))
    slug = campaign.slug
    tags = [f"l{rng.randrange(LANGUAGES):03d}" for _ in range(PAGES)]
    told = {
        "a campaign": (client, [f"/campaigns/{slug}/"] * 3),
        "people": (client, [f"/campaigns/{slug}/people/"] * 3),
        "what waits": (client, [f"/campaigns/{slug}/queue/"] * 3),
        "quarantine": (client, [f"/campaigns/{slug}/quarantine/"] * 3),
        "all languages": (client, [f"/languages/{slug}/"] * 3),
        "a language": (client, [f"/languages/{slug}/{tag}/" for tag in tags[:3]]),
        "items by key": (
            bearer,
            [f"/api/v1/campaigns/{slug}/items?after={rng.randrange(items)}" for _ in range(PAGES)],
        ),
        "items of a language by key": (
            bearer,
            [
                f"/api/v1/campaigns/{slug}/items?language={tag}&after={rng.randrange(items)}"
                for tag in tags
            ],
        ),
        "answers by key": (
            bearer,
            [
                f"/api/v1/campaigns/{slug}/answers?after={rng.randrange(answers)}"
                for _ in range(PAGES)
            ],
        ),
        "answers of a language by key": (
            bearer,
            [
                f"/api/v1/campaigns/{slug}/answers?language={tag}&after={rng.randrange(answers)}"
                for tag in tags
            ],
        ),
    }
    return [
        _timed(f"page of {name}", [partial(_get, asks, path) for path in paths], bar=PAGE_S)
        for name, (asks, paths) in told.items()
    ]


def _get(client: Any, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200, f"{path}: {response.status_code}"


def handing_out(campaign: Any) -> list[Told]:
    """The next texts of people in languages large and small, as the light page asks for them."""
    from django.utils import timezone

    from annotation.actions.handouts import hand_out
    from annotation.models import Annotator, CampaignLanguage

    rng = random.Random(1)
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    homes = homes.filter(campaign=campaign)
    speakers = [(home, list(Annotator.objects.filter(language=home.language))) for home in homes]
    chosen = [(home, rng.choice(people)) for home, people in rng.choices(speakers, k=HANDED)]

    def ask(home: CampaignLanguage, annotator: Annotator) -> None:
        handed = hand_out(annotator, home=home, with_desk=False, now=timezone.now(), most=25)
        assert handed.leases

    asks = [partial(ask, home, annotator) for home, annotator in chosen]
    return [_timed("next text", asks, bar=NEXT_S), _timed("next text, again", asks, bar=NEXT_S)]


def importing(campaign: Any, *, var: Path) -> list[Told]:
    """A file of rows that are new, by the importer as the worker calls it."""
    from django.utils import timezone

    from annotation.actions.imports import run_import
    from annotation.actions.uploads import queue_import

    rng = random.Random(2)
    file = var / "rows.csv"
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["id", "language", "text", "source", "licence"])
        for number in range(IMPORTED):
            text = " ".join(rng.choices(WORDS, k=12)) + f" {number}"
            tag = f"l{rng.randrange(LANGUAGES):03d}"
            table.writerow([f"new-{number}", tag, text, "benchmark", "CC0-1.0"])
    with file.open("rb") as raw:
        job = queue_import(campaign, file=raw, filename="rows.csv")
    before, begun, own = _busy(), time.monotonic(), time.process_time()
    done = run_import(job.pk, now=timezone.now)
    took, cpu, own = time.monotonic() - begun, _busy() - before, time.process_time() - own
    assert done.rows_kept == IMPORTED, f"{done.status} {done.rows_kept} {done.error}"
    rates = {
        "import": done.rows_kept / took,
        "import, of all processor time": done.rows_kept / cpu,
        "import, of the importer's own processor time": done.rows_kept / own,
    }
    told = [
        Told(name, rate, ROWS_A_SECOND, "rows/s", more_is_better=True)
        for name, rate in rates.items()
    ]
    for row in told:
        print(row.line(), flush=True)
    return told


if __name__ == "__main__":
    main()
