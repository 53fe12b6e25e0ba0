"""From request to leased batch in a large pool: ``python -m benchmarks.pool [--quick] [--most N]``.

A SQLite database of its own with 14 languages of unequal size, every sample scored, embeddings in
files; then one round is opened, chosen and leased by the product's own actions, in a process of
its own for each size of pool. Also what near-duplicates cost, what reordering after a promotion
costs, and what a prediction costs to write. Seconds are of processor time; memory is the peak of
the process above what it had when Django was there.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report

LANGUAGES = 14
WIDTH = 192
SHARD = 2_000
SEEDED = 20_000
PER_ROUND = 200


def main() -> None:
    """Measure each size and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 samples; nothing is written")
    parser.add_argument("--most", type=int, default=1_000_000, help="largest pool")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make or options.measure:
        print(json.dumps(make(options.make) if options.make else measure()))
        return
    sizes = [20_000] if options.quick else [100_000, 1_000_000, 10_000_000]
    found = [case(size) for size in sizes if options.quick or size <= options.most]
    for told in found:
        print(json.dumps(told))
    if not options.quick:
        rows = [Told(told) for told in found]
        print(report.write("pool", rows))


class Told:
    """What one size of pool took, as it is written down."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return self.told


def case(samples: int) -> dict[str, Any]:
    """Make a pool and measure it, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="pool-") as place:
        made = ask(place, "--make", samples)
        return {"samples": samples, **made, **ask(place, "--measure", samples)}


def ask(place: str, *words: object) -> dict[str, Any]:
    """Run this module again with an installation of its own."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.pool", *map(str, words)],
        env=os.environ | {"VERNACULAR_VAR_DIR": place, "OMP_NUM_THREADS": "1"},
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
        _more_samples(connection, samples)
    seconds = _score(version, samples)
    size = Path(connection.settings_dict["NAME"]).stat().st_size
    return {
        "prediction_microseconds": round(1e6 * seconds / samples, 1),
        "database_mb": round(size / 1e6, 1),
    }


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


def _score(version: Any, samples: int) -> float:
    """Write what scoring would; return how long the predictions took."""
    from django.db import transaction
    from django.utils import timezone

    from annotation.models import Sample
    from learning.models import Prediction, Scoring, ScoringShard

    scoring = Scoring.objects.create(
        campaign=version.campaign,
        version=version,
        status="done",
        samples_total=samples,
        finished_at=timezone.now(),
    )
    rng, seconds, last = np.random.default_rng(1), 0.0, 0
    vectors = rng.normal(size=(SHARD, WIDTH)).astype(np.float16)
    while rows := list(
        Sample.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "language")[:SHARD]
    ):
        ids, tongues = np.array(rows, np.int64).T
        last = int(ids[-1])
        shard = ScoringShard.objects.create(
            scoring=scoring, first_id=ids[0], last_id=last, samples=len(ids), status="done"
        )
        logits = rng.normal(size=(len(ids), 3)).round(5).tolist()
        begun = time.process_time()
        with transaction.atomic():
            Prediction.objects.bulk_create(
                Prediction(
                    sample_id=pk,
                    version=version,
                    shard=shard,
                    logits=row,
                    margin=abs(row[0]),
                    label_position=0,
                )
                for pk, row in zip(ids.tolist(), logits, strict=True)
            )
        seconds += time.process_time() - begun
        _keep(shard, ids, tongues, vectors, rng)
    return seconds


def _more_samples(connection: Any, samples: int) -> None:
    """Copy the rows that are there under new names until there are enough."""
    columns = "campaign_id, language_id, text, dialect, meta, created_at"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA table_info(annotation_sample)")
        have = {row[1] for row in cursor.fetchall()}
        extra = '"group", ' if "group" in have else ""
        done = min(SEEDED, samples)
        while done < samples:
            count = min(done, samples - done)
            cursor.execute(
                f"INSERT INTO annotation_sample ({extra}{columns}, uid, digest) "
                f"SELECT {extra}{columns}, lower(hex(randomblob(16))), lower(hex(randomblob(32))) "
                f"FROM annotation_sample ORDER BY id LIMIT {count}"
            )
            done += count


def _keep(shard: Any, ids: Any, tongues: Any, vectors: Any, rng: Any) -> None:
    """Write a file of embeddings: the same vectors as in all, moved to a place of their own."""
    from learning.actions.embeddings import keep
    from learning.gateways.embeddings import write_block

    moved = vectors[: len(ids)] + rng.normal(size=WIDTH) * 2
    keep(
        shard,
        write_block(f"bench/{shard.pk}", ids=ids, languages=tongues, embeddings=moved),
    )


def measure() -> dict[str, Any]:
    """Open a round and lease it; then search a language, then cut the work of a promotion."""
    start_django()
    from django.utils import timezone

    from annotation.models import Campaign
    from learning.actions.cutting import cut
    from learning.actions.duplicates import find_duplicates, open_searches
    from learning.actions.rounds import open_round, select_round
    from learning.methods import selection  # noqa: F401 - what a worker has loaded anyway
    from learning.models import DuplicateSearch, ModelVersion

    campaign = Campaign.objects.get()
    version = campaign.model_versions.get()
    found: dict[str, Any] = {}

    def lease() -> None:
        round_ = select_round(open_round(campaign, now=timezone.now()), now=timezone.now())
        found["leased"] = round_.picks.count()

    found |= clocked("lease", lease)
    open_searches(version)
    search = DuplicateSearch.objects.filter(version=version).earliest("language")
    found |= clocked("duplicates", lambda: find_duplicates(search.pk, now=timezone.now))
    found["duplicates_of"] = version.predictions.filter(sample__language=search.language).count()
    newer = ModelVersion.objects.create(
        campaign=campaign, number=2, digest="b" * 64, network="starter", path="none"
    )
    found |= clocked("cut", lambda: cut(newer, previous=version))
    return found


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
