"""Scoring: a version's prediction for every sample, in shards that any worker may take.

All that is ready in the campaign's active languages is scored: what was never asked, to choose
from it; what was asked, since consensus takes the model as a prior; gold, so that a gold item at
the desk carries a suggestion like any other. A killed worker costs one shard: its lease runs
out and the shard is given out again, and what it had stored is not computed twice.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from annotation.models import Sample
from annotation.models.samples import SampleQuerySet
from learning.errors import ScoringError
from learning.methods.acquisition import gap
from learning.methods.probabilities import softmax
from learning.models import ModelVersion, Prediction, Scoring, ScoringShard, Temperature

Clock = Callable[[], datetime]
Status = ScoringShard.Status

CHUNK = 500
MOST_ATTEMPTS = 5
# Shards that may be with the broker or a worker at once: enough for many workers, few enough
# that a broker that lost its memory, or a long queue, is no matter.
GIVEN_OUT = 64
DIGITS = 6
# So many samples in a row without a finite answer are the network's fault, fewer the texts'.
ENOUGH_TO_ACCUSE = 8

log = structlog.get_logger(__name__)


class _Row(NamedTuple):
    """A sample on its way through the network."""

    id: int
    text: str
    tag: str


def open_scoring(version: ModelVersion, *, now: datetime) -> Scoring:
    """Cut what has no prediction yet into shards; the scoring that runs already is returned.

    Called again after it is done it covers what was imported meanwhile, and returns the
    finished scoring if there is nothing new.
    """
    running = version.scorings.filter(status=Scoring.Status.RUNNING).first()
    if running:
        return running
    ranges = _ranges(unscored(version))
    done = version.scorings.filter(status=Scoring.Status.DONE).first()
    if not ranges and done:
        return done
    try:
        with transaction.atomic():
            return _create(version, ranges, now=now)
    except IntegrityError:
        return version.scorings.get(status=Scoring.Status.RUNNING)


def unscored(version: ModelVersion) -> SampleQuerySet:
    """Return the samples that the version should have a prediction for, and has not."""
    languages = version.campaign.languages.filter(active=True).values("language")
    known = Prediction.objects.filter(version=version, sample=OuterRef("pk"))
    return (
        Sample.objects.ready()
        .filter(~Exists(known), campaign=version.campaign_id, language__in=languages)
        .exclude(pk__in=spoilt_for(version))
        .order_by("pk")
    )


def spoilt_for(version: ModelVersion) -> set[int]:
    """Return samples that the version cannot answer: trying again gives the same."""
    shards = ScoringShard.objects.filter(scoring__version=version).exclude(spoilt=[])
    return {pk for found in shards.values_list("spoilt", flat=True) for pk in found}


def scoring_done(version: ModelVersion) -> bool:
    """Tell whether everything that was in the pool when the work was last cut is scored."""
    states = set(version.scorings.values_list("status", flat=True))
    return states == {Scoring.Status.DONE}


def reclaim_shards(scoring: Scoring, *, now: datetime) -> list[int]:
    """Return the shards to enqueue now: never given out, or given out and not heard of since.

    At most so many are given out at a time; whoever finishes one asks for more. A shard that
    killed its workers too often is failed here, and a scoring whose last worker was killed
    between closing its shard and closing the scoring is closed.
    """
    shards = ScoringShard.objects.filter(scoring=scoring)
    _close_if_done(scoring.pk, now=now)
    silent = Q(lease_until__lt=now) | Q(lease_until=None)
    _fail_the_hopeless(scoring, now=now)
    shards.filter(silent, status=Status.RUNNING).update(status=Status.QUEUED, lease_until=None)
    busy = shards.filter(status__in=(Status.QUEUED, Status.RUNNING), lease_until__gte=now).count()
    waiting = shards.filter(silent, status=Status.QUEUED).order_by("first_id")
    free = list(waiting.values_list("pk", flat=True)[: max(0, GIVEN_OUT - busy)])
    until = now + _lease()
    return [
        pk
        for pk in free
        if shards.filter(silent, pk=pk, status=Status.QUEUED).update(lease_until=until)
    ]


def retry_failed_shards(scoring: Scoring) -> int:
    """Give shards that failed too often another set of attempts; return how many."""
    return ScoringShard.objects.filter(scoring=scoring, status=Status.FAILED).update(
        status=Status.QUEUED, attempts=0, lease_until=None
    )


def score_shard(shard_id: int, *, now: Clock = timezone.now) -> ScoringShard:
    """Score what the shard still lacks, if nobody else is at it, and return the shard."""
    attempt = _claim(shard_id, now=now)
    shard = ScoringShard.objects.select_related("scoring__version__campaign").get(pk=shard_id)
    if attempt is None:
        return shard
    try:
        spoilt = _score(shard, attempt=attempt, now=now)
    except Exception as error:
        _give_back(shard, attempt=attempt, error=error, now=now)
        raise
    if spoilt is not None:
        _finish(shard, attempt=attempt, spoilt=spoilt, now=now)
    shard.refresh_from_db()
    return shard


def _claim(shard_id: int, *, now: Clock) -> int | None:
    """Return the number of this attempt, our fencing token, for exactly one worker."""
    moment = now()
    free = Q(status=Status.QUEUED) | Q(status=Status.RUNNING, lease_until__lt=moment)
    claimed = ScoringShard.objects.filter(free, pk=shard_id, attempts__lt=MOST_ATTEMPTS)
    before = ScoringShard.objects.filter(pk=shard_id).values_list("attempts", flat=True).first()
    if before is None:
        return None
    won = claimed.filter(attempts=before).update(
        status=Status.RUNNING, attempts=before + 1, lease_until=moment + _lease()
    )
    return before + 1 if won else None


def _score(shard: ScoringShard, *, attempt: int, now: Clock) -> list[int] | None:
    """Return the samples without finite logits, or None if the shard was taken from us."""
    version = shard.scoring.version
    temperatures = dict(
        Temperature.objects.filter(version=version).values_list("language__tag", "value")
    )
    spoilt: list[int] = []
    for rows in _chunks(shard):
        if not _still_ours(shard, attempt=attempt, now=now):
            log.warning("scoring.shard_lost", shard_id=shard.pk, attempt=attempt)
            return None
        predictions, bad = _predict(version, rows, temperatures=temperatures)
        spoilt += bad
        with transaction.atomic():
            Prediction.objects.bulk_create(predictions, ignore_conflicts=True)
    return spoilt


def _chunks(shard: ScoringShard) -> Iterator[list[_Row]]:
    """Yield what the shard lacks, a few hundred samples at a time, without a long-lived cursor."""
    after = shard.first_id - 1
    todo = unscored(shard.scoring.version).filter(pk__lte=shard.last_id)
    while True:
        rows = [
            _Row(*row)
            for row in todo.filter(pk__gt=after).values_list("pk", "text", "language__tag")[:CHUNK]
        ]
        if not rows:
            return
        yield rows
        after = rows[-1].id


def _predict(
    version: ModelVersion, rows: Sequence[_Row], *, temperatures: dict[str, float]
) -> tuple[list[Prediction], list[int]]:
    """Return predictions, and the samples for which the network had no finite answer."""
    from learning.inference import logits_of  # torch is for workers only

    logits = rounded(
        logits_of(version, texts=[row.text for row in rows], languages=[row.tag for row in rows])
    )
    finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(logits).all(axis=1))
    if not finite.any() and len(rows) >= ENOUGH_TO_ACCUSE:
        raise ScoringError(
            f"{version} answered {len(rows)} samples, the first of them {rows[0].id}, with"
            " numbers that are not finite.",
            remedy="Its weights are useless: roll back to an earlier version.",
        )
    scale = np.array([temperatures.get(row.tag, 1.0) for row in rows])
    margins = gap(softmax(np.where(finite[:, None], logits, 0.0), temperature=scale))
    predictions = [
        Prediction(
            sample_id=row.id,
            version=version,
            logits=logits[i].tolist(),
            margin=float(margins[i]),
            label_position=int(logits[i].argmax()),
        )
        for i, row in enumerate(rows)
        if finite[i]
    ]
    return predictions, [row.id for i, row in enumerate(rows) if not finite[i]]


def rounded(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the logits with as many digits as are stored, so that stored and fresh agree."""
    text = np.char.mod(f"%.{DIGITS}g", logits.astype(np.float64))
    return np.asarray(text.astype(np.float64))


def _still_ours(shard: ScoringShard, *, attempt: int, now: Clock) -> bool:
    """Prolong the lease; False if somebody else has claimed the shard since."""
    mine = ScoringShard.objects.filter(pk=shard.pk, status=Status.RUNNING, attempts=attempt)
    return mine.update(lease_until=now() + _lease()) == 1


def _finish(shard: ScoringShard, *, attempt: int, spoilt: list[int], now: Clock) -> None:
    """Close the shard, and the scoring with its last shard."""
    error = f"No finite logits for samples {', '.join(map(str, spoilt))}." if spoilt else ""
    ScoringShard.objects.filter(pk=shard.pk, status=Status.RUNNING, attempts=attempt).update(
        status=Status.DONE, lease_until=None, error=error, spoilt=spoilt
    )
    _close_if_done(shard.scoring_id, now=now())


def _close_if_done(scoring_id: int, *, now: datetime) -> None:
    left = ScoringShard.objects.filter(scoring=OuterRef("pk")).exclude(status=Status.DONE)
    running = Scoring.objects.filter(pk=scoring_id, status=Scoring.Status.RUNNING)
    running.filter(~Exists(left)).update(status=Scoring.Status.DONE, finished_at=now)


def _give_back(shard: ScoringShard, *, attempt: int, error: Exception, now: Clock) -> None:
    """Keep what went wrong; the next attempt waits for a lease's time, the last one fails."""
    over = attempt >= MOST_ATTEMPTS
    log.warning("scoring.shard_failed", shard_id=shard.pk, attempt=attempt, error=str(error))
    ScoringShard.objects.filter(pk=shard.pk, status=Status.RUNNING, attempts=attempt).update(
        status=Status.FAILED if over else Status.QUEUED,
        lease_until=None if over else now() + _lease(),
        error=f"{type(error).__name__}: {error}",
    )


def _fail_the_hopeless(scoring: Scoring, *, now: datetime) -> None:
    """Fail shards whose last attempt ended without a word: their workers were killed."""
    ScoringShard.objects.filter(
        scoring=scoring, status=Status.RUNNING, attempts__gte=MOST_ATTEMPTS, lease_until__lt=now
    ).update(
        status=Status.FAILED,
        lease_until=None,
        error=f"The worker was lost {MOST_ATTEMPTS} times; it may lack memory.",
    )


def _create(version: ModelVersion, ranges: list[tuple[int, int, int]], *, now: datetime) -> Scoring:
    scoring = Scoring.objects.create(
        campaign=version.campaign,
        version=version,
        status=Scoring.Status.RUNNING if ranges else Scoring.Status.DONE,
        up_to_sample=ranges[-1][1] if ranges else 0,
        samples_total=sum(count for *_, count in ranges),
        finished_at=None if ranges else now,
    )
    ScoringShard.objects.bulk_create(
        ScoringShard(scoring=scoring, first_id=first, last_id=last, samples=count)
        for first, last, count in ranges
    )
    return scoring


def _ranges(samples: SampleQuerySet) -> list[tuple[int, int, int]]:
    """Return (first id, last id, count) of slices of so many samples each."""
    size = max(1, settings.ENV.scoring_shard)
    ranges: list[tuple[int, int, int]] = []
    first, last, count = 0, 0, 0
    for pk in samples.values_list("pk", flat=True).iterator(chunk_size=10_000):
        first, last, count = (first if count else pk), pk, count + 1
        if count == size:
            ranges.append((first, last, count))
            count = 0
    return [*ranges, (first, last, count)] if count else ranges


def _lease() -> timedelta:
    return timedelta(seconds=settings.ENV.lease_seconds)
