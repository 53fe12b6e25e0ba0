"""From request to leased batch in a large pool: ``python -m benchmarks.pool [--quick] [--only N]``.

A SQLite database of its own with 14 languages of unequal size, every sample scored, embeddings in
files; then rounds are opened, chosen and leased by the product's own actions, in a process of
its own for each size of pool and strategy. Also what the preview of a round costs, what
reordering after a promotion costs, what near-duplicates cost, and what a prediction costs to
write. Seconds are of processor time; memory is the peak of the process above what it had when
Django and the methods were there. Ten million samples take some 12 GB of disk and a quarter of
an hour; ``--only`` measures one size and leaves the other rows as they were written.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report

SIZES = (100_000, 1_000_000, 10_000_000)
LANGUAGES = 14
WIDTH = 32
SHARD = 2_000
SEEDED = 20_000
PER_ROUND = 200
# Predictions that the product's own way of writing them is measured by.
WRITTEN = 20_000
# Near-duplicates of noise take time that grows with the square: not searched in larger pools.
SEARCHED = 100_000
# What each size is measured for, each in a process of its own.
PARTS = ("margin", "two_stage", "preview", "cut")


def main() -> None:
    """Measure each size and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 samples; nothing is written")
    parser.add_argument("--only", type=int, help="one size; the rows of the others stay")
    parser.add_argument("--place", type=Path, help="where pools are made and kept for another run")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make or options.measure:
        print(json.dumps(make(options.make) if options.make else measure(options.measure)))
        return
    sizes = (20_000,) if options.quick else (options.only,) if options.only else SIZES
    found = {}
    for size in sizes:
        found[size] = case(size, place=options.place)
        print(json.dumps(found[size]), flush=True)
    if not options.quick:
        rows = {told["samples"]: told for told in _written()} if options.only else {}
        print(report.write("pool", [Told(told) for _, told in sorted((rows | found).items())]))


def _written() -> list[dict[str, Any]]:
    path = report.RESULTS / "pool.json"
    return list(json.loads(path.read_text())["rows"]) if path.exists() else []


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


def start_django() -> None:
    """Bring Django up on the installation of this process."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()


def make(samples: int) -> dict[str, Any]:
    """Fill the database and the files; the first rows by the product's models, the rest in SQL."""
    start_django()
    from django.core.management import call_command
    from django.db import connection, transaction

    from annotation.models import Sample

    begun = time.perf_counter()
    call_command("migrate", verbosity=0)
    version, homes = _campaign()
    rng = np.random.default_rng(0)
    share = 1.0 / np.arange(1, LANGUAGES + 1)
    of = rng.choice(LANGUAGES, SEEDED, p=share / share.sum())
    texts = [" ".join(f"word{w}" for w in row) for row in rng.integers(0, 9999, (SEEDED, 12))]
    with transaction.atomic():
        Sample.objects.bulk_create(
            (
                Sample(
                    campaign=version.campaign,
                    language=homes[tongue],
                    text=text,
                    digest=hashlib.sha256(text.encode()).hexdigest(),
                )
                for tongue, text in zip(of, texts, strict=True)
            ),
            batch_size=2_000,
        )
    microseconds = _score_some(version)
    with _without_indexes(connection, "annotation_sample"), transaction.atomic():
        _more_samples(connection, samples)
    shards = _shards(version, samples)
    with _without_indexes(connection, "learning_prediction"), transaction.atomic():
        _more_predictions(connection, version)
    for shard in shards:
        _keep(shard, rng)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = Path(connection.settings_dict["NAME"]).stat().st_size
    return {
        "made_in_seconds": round(time.perf_counter() - begun, 0),
        "prediction_microseconds": microseconds,
        "database_mb": round(size / 1e6, 1),
    }


@contextmanager
def _without_indexes(connection: Any, table: str) -> Iterator[None]:
    """Take a table's indexes away and make them again: one sort is quicker than many places."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA cache_size=-500000")
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            " AND tbl_name = %s",
            [table],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        for _, sql in indexes:
            cursor.execute(sql)


def _campaign() -> tuple[Any, list[Any]]:
    """Make a campaign in which somebody speaks every language, and a version that serves."""
    from annotation.models import Annotator, User
    from learning.models import Deployment, ModelVersion
    from tests.make import LABELS, make_campaign, make_language

    tags = [f"x-{number:02d}" for number in range(LANGUAGES)]
    campaign = make_campaign(
        languages=tuple(tags), items_per_round=PER_ROUND, near_duplicates="0.995"
    )
    homes = [make_language(tag) for tag in tags]
    for number, home in enumerate(homes):
        person = User.objects.create(username=f"p{number}", name="Awa", desk_user_id=number + 1)
        Annotator.objects.create(user=person, language=home)
    version = ModelVersion.objects.create(
        campaign=campaign,
        number=1,
        digest="a" * 64,
        network="starter",
        path="none",
        manifest={"labels": list(LABELS)},
    )
    Deployment.objects.create(campaign=campaign, number=1, version=version, kind="initial")
    return version, homes


def _score_some(version: Any) -> float:
    """Write predictions as scoring does; return how many microseconds each took."""
    from django.db import transaction

    from annotation.models import Sample
    from learning.models import Prediction

    ids = list(Sample.objects.order_by("pk").values_list("pk", flat=True)[:WRITTEN])
    rng, seconds = np.random.default_rng(1), 0.0
    for start in range(0, len(ids), SHARD):
        some = ids[start : start + SHARD]
        logits = rng.normal(size=(len(some), 3)).round(5).tolist()
        begun = time.process_time()
        with transaction.atomic():
            Prediction.objects.bulk_create(
                Prediction(
                    sample_id=pk,
                    version=version,
                    logits=row,
                    margin=abs(row[0]) / 9,
                    label_position=0,
                )
                for pk, row in zip(some, logits, strict=True)
            )
        seconds += time.process_time() - begun
    return round(1e6 * seconds / len(ids), 1)


def _more_samples(connection: Any, samples: int) -> None:
    """Copy the rows that are there under new names until there are enough."""
    columns = 'campaign_id, language_id, text, dialect, meta, created_at, "group"'
    with connection.cursor() as cursor:
        done = SEEDED
        while done < samples:
            count = min(done, samples - done)
            cursor.execute(
                f"INSERT INTO annotation_sample ({columns}, uid, digest) "
                f"SELECT {columns}, printf('%032x', id + {done}), lower(hex(randomblob(32))) "
                f"FROM annotation_sample ORDER BY id LIMIT {count}"
            )
            done += count


def _more_predictions(connection: Any, version: Any) -> None:
    """Let every sample that has none be scored, with numbers that look like those of the first."""
    numbers = ", ".join(["random() / 4611686018427387904.0"] * 3)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO learning_prediction"
            " (sample_id, version_id, logits, margin, label_position, created_at)"
            f" SELECT id, {version.pk}, printf('[%.5f, %.5f, %.5f]', {numbers}),"
            " abs(random()) / 9223372036854775808.0, 0, created_at FROM annotation_sample"
            f" WHERE id > (SELECT max(sample_id) FROM learning_prediction) ORDER BY id"
        )


def _shards(version: Any, samples: int) -> list[Any]:
    """Write down the work that scoring would have been."""
    from django.utils import timezone

    from learning.models import Scoring, ScoringShard

    scoring = Scoring.objects.create(
        campaign=version.campaign,
        version=version,
        status="done",
        samples_total=samples,
        finished_at=timezone.now(),
    )
    return ScoringShard.objects.bulk_create(
        ScoringShard(
            scoring=scoring,
            first_id=first,
            last_id=min(first + SHARD - 1, samples),
            samples=min(SHARD, samples - first + 1),
            status="done",
        )
        for first in range(1, samples + 1, SHARD)
    )


def _keep(shard: Any, rng: Any) -> None:
    """Write a file of embeddings: noise, and the place of the file in the pool."""
    from annotation.models import Sample
    from learning.actions.embeddings import keep
    from learning.gateways.embeddings import write_block

    mine = Sample.objects.filter(pk__gte=shard.first_id, pk__lte=shard.last_id).order_by("pk")
    ids, tongues = np.array(list(mine.values_list("pk", "language")), np.int64).T
    vectors = rng.standard_normal((len(ids), WIDTH), dtype=np.float32)
    written = write_block(f"bench/{shard.pk}", ids=ids, languages=tongues, embeddings=vectors)
    keep(shard, written)


def measure(part: str) -> dict[str, Any]:
    """Do one thing that a large pool is asked for; tell what it took."""
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
