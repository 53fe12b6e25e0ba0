"""From request to leased batch in a large pool: ``python -m benchmarks.pool [--quick] [--only N]``.

A SQLite database of its own with 14 languages of unequal size, every sample scored, embeddings in
files; then rounds are opened, chosen and leased by the product's own actions, in a process of
its own for each size of pool and strategy. Also what the preview of a round costs, what
reordering after a promotion costs, what near-duplicates cost, what a prediction costs to write,
and what the choice alone costs (``--choice``), of numbers that come from nowhere. Seconds are of processor time; memory is the peak of the process above what it had when
Django and the methods were there. Ten million samples take some 12 GB of disk and a quarter of
an hour; ``--only`` measures one size and leaves the other rows as they were written.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.pool_made import LANGUAGES, PER_ROUND, make, start_django

SIZES = (100_000, 1_000_000, 10_000_000)
# Near-duplicates of noise take time that grows with the square: not searched in larger pools.
SEARCHED = 100_000
# What each size is measured for, each in a process of its own.
PARTS = ("margin", "two_stage", "preview", "cut")


def main() -> None:
    """Measure each size and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 samples; nothing is written")
    parser.add_argument("--only", type=int, help="one size; the rows of the others stay")
    parser.add_argument("--choice", action="store_true", help="the choice alone, without a pool")
    parser.add_argument("--place", type=Path, help="where pools are made and kept for another run")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make or options.measure:
        print(json.dumps(make(options.make) if options.make else measure(options.measure)))
        return
    if options.choice:
        chosen = []
        for size in SIZES:
            with tempfile.TemporaryDirectory(prefix="pool-") as place:
                chosen.append(ask(Path(place), "--measure", f"choice:{size}"))
                print(json.dumps(chosen[-1]), flush=True)
        if not options.quick:
            print(keep(_written(), choice_alone=chosen))
        return
    sizes = (20_000,) if options.quick else (options.only,) if options.only else SIZES
    found = {}
    for size in sizes:
        found[size] = case(size, place=options.place)
        print(json.dumps(found[size]), flush=True)
    if not options.quick:
        before = _written()
        rows = {told["samples"]: told for told in before["rows"]} if options.only else {}
        print(keep(before, rows=[told for _, told in sorted((rows | found).items())]))


def keep(before: dict[str, Any], **parts: list[dict[str, Any]]) -> Path:
    """Write what was measured; parts that were not, and what was noted, stay as they were."""
    now = before | parts
    return report.write(
        "pool",
        [Told(told) for told in now["rows"]],
        notes=now["notes"],
        choice_alone=now["choice_alone"],
    )


def _written() -> dict[str, Any]:
    path = report.RESULTS / "pool.json"
    nothing: dict[str, Any] = {"rows": [], "notes": [], "choice_alone": []}
    return nothing | (dict(json.loads(path.read_text())) if path.exists() else {})


class Told:
    """What one size of pool took, as it is written down."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return self.told


def case(samples: int, *, place: Path | None) -> dict[str, Any]:
    """Make a pool, if it is not there yet, and measure it, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="pool-") as passing:
        home = place / str(samples) if place else Path(passing)
        home.mkdir(parents=True, exist_ok=True)
        made = home / "made.json"
        if not made.exists():
            made.write_text(json.dumps(ask(home, "--make", samples)))
        parts = (*PARTS, *(["duplicates"] if samples <= SEARCHED else []))
        found = {"samples": samples, **json.loads(made.read_text())}
        for part in parts:
            found |= ask(home, "--measure", part)
        return found


def ask(place: Path, *words: object) -> dict[str, Any]:
    """Run this module again with an installation of its own."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.pool", *map(str, words)],
        env=os.environ | {"VERNACULAR_VAR_DIR": str(place), "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(told.stdout.splitlines()[-1]))


def measure(part: str) -> dict[str, Any]:
    """Do one thing that a large pool is asked for; tell what it took."""
    if part.startswith("choice:"):
        return _choice(int(part.partition(":")[2]))
    start_django()
    from annotation.models import Campaign
    from learning.actions.pools import preview_quota
    from learning.methods import selection, sieve  # noqa: F401 - what a worker has loaded anyway

    campaign = Campaign.objects.get()
    if part == "preview":
        return clocked("preview", lambda: preview_quota(campaign))
    if part == "cut":
        return _cut(campaign)
    return _duplicates(campaign) if part == "duplicates" else _lease(campaign, part)


def _choice(samples: int) -> dict[str, Any]:
    """Sieve numbers that come from nowhere, page by page as from a database, and choose."""
    from learning.methods.lots import draw
    from learning.methods.requests import LanguageState, SelectionRequest
    from learning.methods.selection import select
    from learning.methods.sieve import Chunk, Sieve

    states = tuple(LanguageState(f"x-{number:02d}") for number in range(LANGUAGES))
    none, page = np.zeros(0, np.int64), 10_000
    question = SelectionRequest(
        (), none, states, ("a", "b", "c"), PER_ROUND, 1, logits=np.zeros((0, 3))
    )
    share = 1.0 / np.arange(1, LANGUAGES + 1)
    rng = np.random.default_rng(0)

    def work() -> None:
        sieve = Sieve(question, expected=samples)
        for first in range(0, samples, page):
            ids = np.arange(first, min(first + page, samples))
            sieve.take(
                Chunk(
                    ids,
                    rng.choice(LANGUAGES, len(ids), p=share / share.sum()),
                    draw(ids.astype(np.uint64), seed=0, purpose="texts"),
                    rng.standard_normal((len(ids), 3)),
                )
            )
        assert len(select(sieve.request()).items) == PER_ROUND

    return {"samples": samples, **clocked("choice", work)}


def _lease(campaign: Any, strategy: str) -> dict[str, Any]:
    """Open a round, choose and lease it; from an empty line to what may be sent to the desk."""
    from django.utils import timezone

    from learning.actions.rounds import open_round, select_round

    campaign.rounds.update(status="closed")
    campaign.strategy = strategy
    campaign.save()

    def lease() -> None:
        select_round(open_round(campaign, now=timezone.now()), now=timezone.now())

    found = clocked(strategy, lease)
    round_ = campaign.rounds.latest("number")
    if round_.strategy != strategy:
        raise SystemExit(f"ranked by {round_.strategy}, not by {strategy}: {round_.note}")
    return {f"{strategy}_leased": round_.picks.count(), **found}


def _cut(campaign: Any) -> dict[str, Any]:
    """Cut the work that a promotion brings."""
    from learning.actions.cutting import cut
    from learning.models import ModelVersion

    first = campaign.model_versions.earliest("number")
    newer, _ = ModelVersion.objects.get_or_create(
        campaign=campaign, number=2, digest="b" * 64, network="starter", path="none"
    )
    return clocked("cut", lambda: cut(newer, previous=first))


def _duplicates(campaign: Any) -> dict[str, Any]:
    """Search the largest language."""
    from django.utils import timezone

    from learning.actions.duplicates import find_duplicates, open_searches
    from learning.models import DuplicateSearch

    version = campaign.model_versions.earliest("number")
    DuplicateSearch.objects.all().delete()
    open_searches(version)
    search = DuplicateSearch.objects.filter(version=version).earliest("language")
    found = clocked("duplicates", lambda: find_duplicates(search.pk, now=timezone.now))
    of = version.predictions.filter(sample__language=search.language).count()
    return {"duplicates_of": of, **found}


def clocked(name: str, work: Callable[[], object]) -> dict[str, float]:
    """Return seconds of processor, and megabytes that the peak rose by."""
    before, begun = peak(), time.process_time()
    work()
    return {
        f"{name}_seconds": round(time.process_time() - begun, 2),
        f"{name}_mb": round(peak() - before, 1),
    }


def peak() -> float:
    """Return the most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
