"""Random walks of reports, as many as fit into so many seconds; asked again, it goes on.

``python -m benchmarks.reports_walks FOLDER --database sqlite|postgres --walks N --races N --seconds S``: walks
that Hypothesis draws, each by itself and rolled back, then races: two processes each do deeds of their own on the
same five reports, for good, and every invariant is looked at afterwards. What was done is kept in ``FOLDER``; a broken
invariant ends it with the shortest walk that breaks it.
"""

import argparse
import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BATCH = 100
REPORTS, DEEDS_EACH = 5, 15
Kept = dict[str, Any]


def main() -> None:
    """Go on from where it was left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--walks", type=int, default=20_000)
    parser.add_argument("--races", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=420.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"walks-{options.database}.json"
    kept = read(path)
    with installed(options.folder.resolve(), options.database):
        began = time.monotonic()
        while time.monotonic() - began < options.seconds:
            # By turns, so that both are looked at however little time there is.
            raced = kept["races"] * options.walks < kept["walks"] * options.races
            if kept["races"] < options.races and (raced or kept["walks"] >= options.walks):
                _race(kept)
            elif kept["walks"] < options.walks:
                _walk(kept)
            else:
                break
            path.write_text(json.dumps(kept), encoding="utf-8")
    print(json.dumps({name: value for name, value in kept.items() if name != "steps"}))


def read(path: Path) -> Kept:
    """Return what was done so far."""
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    nothing = {"walks": 0, "races": 0, "refused": 0, "deeds": 0, "rules": 0}
    return {**nothing, "seconds": 0.0, "race_seconds": 0.0, "steps": []}


@contextmanager
def installed(folder: Path, database: str) -> Iterator[None]:
    """An installation of its own, in a fresh database, for as long as the block runs."""
    import tempfile

    from tests import database as servers
    from tests import template

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with tempfile.TemporaryDirectory(dir=folder) as var:
        os.environ |= {"VERNACULAR_VAR_DIR": var, "VERNACULAR_LOG_LEVEL": "CRITICAL"}
        if database == "sqlite":
            template.place(Path(var) / template.NAME)
            _set_up()
            yield
            return
        with servers.start_cluster():
            os.environ["VERNACULAR_DATABASE_URL"] = servers.copy_template("walks")
            _set_up()
            yield
            _closed()


def _set_up() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _closed() -> None:
    from django.db import connections

    connections.close_all()


def _walk(kept: Kept) -> None:
    """Some walks that Hypothesis draws; which, is told by how many were done."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    from annotation.actions.reports.table import RULES
    from tests.reports.walks import DEEDS, stroll
    from tests.reports.world import World

    world, done = World(), [0]
    deed = st.tuples(st.integers(0, len(DEEDS) - 1), st.integers(0, 100_000))

    @seed(kept["walks"])
    @settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(deeds=st.lists(deed, min_size=8, max_size=14))
    def some(deeds: list[tuple[int, int]]) -> None:
        stroll(world, deeds)
        done[0] += 1

    began = time.process_time()
    some()
    kept["seconds"] += time.process_time() - began
    kept["walks"] += done[0]
    kept["rules"] = len(RULES)
    kept["steps"] = sorted({tuple(one) for one in kept["steps"]} | world.seen)


def _race(kept: Kept) -> None:
    """One race of two processes, checked when both have ended."""
    from django.db import transaction

    from annotation.actions.reports import following
    from tests.reports.walks import assert_erased, check, tell
    from tests.reports.world import World

    world, number = World(), kept["races"]
    for n in range(REPORTS):
        tell(world, number + n)
    began = time.monotonic()
    told = _ran(world.campaign.pk, number)
    kept["race_seconds"] += time.monotonic() - began
    kept["refused"] += sum(told)
    kept["deeds"] += 2 * DEEDS_EACH
    world = World.of(world.campaign)
    world.now = _latest(world)
    with transaction.atomic():
        check(world)
        transaction.set_rollback(True)
    # Taken back in the end, from wherever each is by now: nothing goes on in later races.
    for report in world.reports:
        following.withdraw(report, now=world.now)
        assert_erased(report)
    kept["races"] += 1


def _latest(world: Any) -> Any:
    """The moment of the last deed, for racers let time go by."""
    from django.db.models import Max
    from django.utils import timezone

    from annotation.models import ReportEvent

    told = ReportEvent.objects.filter(report__in=world.reports).aggregate(last=Max("at"))["last"]
    return max(told, timezone.now())


def _ran(campaign: int, number: int) -> list[int]:
    _closed()
    context = multiprocessing.get_context("fork")
    gate, told = context.Barrier(2), context.Queue()
    racers = [
        context.Process(target=_racer, args=(campaign, f"{number}.{n}", gate, told))
        for n in range(2)
    ]
    for one in racers:
        one.start()
    for one in racers:
        one.join()
    if any(one.exitcode for one in racers):
        raise SystemExit(f"race {number}: a racer has ended with an error")
    return [told.get() for _ in racers]


def _racer(campaign: int, seed: str, gate: Any, told: Any) -> None:
    from annotation.models import Campaign
    from tests.reports.walks import DEEDS, race
    from tests.reports.world import World

    rng = random.Random(seed)
    world = World.of(Campaign.objects.get(pk=campaign))
    deeds = [(rng.randrange(len(DEEDS)), rng.randrange(100_001)) for _ in range(DEEDS_EACH)]
    gate.wait()
    told.put(race(world, deeds))
    _closed()


if __name__ == "__main__":
    main()
