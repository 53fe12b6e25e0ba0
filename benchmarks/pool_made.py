"""A large pool made quickly: the first rows as the product writes them, the rest in SQL."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

LANGUAGES = 14
WIDTH = 32
SHARD = 2_000
SEEDED = 20_000
PER_ROUND = 200
# Predictions that the product's own way of writing them is measured by.
WRITTEN = 20_000


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
    from tests.make import LABELS, make_campaign, make_consent, make_language

    tags = [f"x-{number:02d}" for number in range(LANGUAGES)]
    campaign = make_campaign(
        languages=tuple(tags), items_per_round=PER_ROUND, near_duplicates="0.995"
    )
    homes = [make_language(tag) for tag in tags]
    for number, home in enumerate(homes):
        person = User.objects.create(username=f"p{number}", name="Awa", desk_user_id=number + 1)
        Annotator.objects.create(user=person, language=home)
        make_consent(person)
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
