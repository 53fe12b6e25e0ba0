"""Scoring: a version's prediction for every sample, in shards that any worker may take.

All that is ready in the campaign's active languages is scored: what was never asked, to choose
from it; what was asked, since consensus takes the model as a prior; gold, so that a gold item at
the desk carries a suggestion like any other. A shard's predictions and embeddings come from one
pass and are committed together: a killed worker costs one shard, which is given out again when
its lease has run out.

Predictions are rows (measured: 42 microseconds and 120 bytes a sample on SQLite, beside half a
millisecond for the quickest network and half a kilobyte for the sample itself), embeddings are files.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, Min, OuterRef, Q
from django.utils import timezone

from annotation.actions.leases import kept, lapsed
from annotation.models import Sample
from annotation.objectives import spans
from learning.actions import embeddings
from learning.actions.cutting import Slice, cut, previous_version, spoilt_for, unscored
from learning.actions.doubts import as_classes
from learning.actions.pruning import make_room
from learning.actions.shard_claims import ShardClaim, claim, fail_the_hopeless, lease_time
from learning.errors import ScoringError
from learning.gateways.embeddings import Written, remove, write_block
from learning.methods.acquisition import gap
from learning.methods.probabilities import softmax
from learning.methods.tagging import certainty, suggestion, two_classes
from learning.models import ModelVersion, Prediction, Scoring, ScoringShard, Temperature

if TYPE_CHECKING:
    from learning.networks.runtimes import Answers

__all__ = ["open_scoring", "score_shard", "spoilt_for", "unscored"]

Clock = Callable[[], datetime]
Status = ScoringShard.Status

# Shards that may be with the broker or a worker at once: enough for many workers, few enough
# that a broker that lost its memory, or a long queue, is no matter.
GIVEN_OUT = 64
DIGITS = 6
# So many samples in a row without a finite answer are the network's fault, fewer the texts'.
ENOUGH_TO_ACCUSE = 8
# Texts from all over the pool by which a machine chooses its arithmetic.
PROBE = 256


class _Row(NamedTuple):
    """A sample on its way through the network."""

    id: int
    text: str
    tag: str
    language: int


class _Found(NamedTuple):
    """What a shard's samples got, N rows each; those without finite numbers are spoilt."""

    rows: list[_Row]
    logits: npt.NDArray[np.float64]
    embeddings: npt.NDArray[np.float32]
    finite: npt.NDArray[np.bool_]
    runtime: str
    answers: list[Any]


def open_scoring(version: ModelVersion, *, now: datetime) -> Scoring:
    """Cut what has no prediction yet into shards; the scoring that runs already is returned.

    Called again after it is done it covers what was imported meanwhile, then embeddings that
    are wanted and not there, and returns the finished scoring if there is nothing to do. What
    another version of the campaign was still scoring stops: only what serves is worth the work.
    """
    running = Scoring.objects.filter(campaign=version.campaign_id, status=Scoring.Status.RUNNING)
    running.exclude(version=version).update(status=Scoring.Status.STOPPED, finished_at=now)
    current = running.filter(version=version).first()
    if current:
        return current
    previous = previous_version(version)
    slices = cut(version, previous=previous)
    done = version.scorings.filter(status=Scoring.Status.DONE).first()
    if done and not any(slices):
        return _with_embeddings(version) or done
    embeddings.prune(version, previous=previous)
    try:
        with transaction.atomic():
            return _create(version, slices, previous=previous, now=now)
    except IntegrityError:
        return version.scorings.get(status=Scoring.Status.RUNNING)


def _with_embeddings(version: ModelVersion) -> Scoring | None:
    """Have embeddings made that are wanted and not there; return the scoring that makes them."""
    if not settings.ENV.embeddings:
        return None
    for scoring in version.scorings.exclude(status=Scoring.Status.RUNNING):
        if embeddings.lacking(scoring):
            embeddings.make_again(scoring)
            scoring.refresh_from_db()
            return scoring
    return None


def scoring_done(version: ModelVersion) -> bool:
    """Tell whether everything that was in the pool when the work was last cut is scored."""
    last = version.scorings.order_by("-created_at", "-pk").first()
    running = version.scorings.filter(status=Scoring.Status.RUNNING)
    return last is not None and last.status == Scoring.Status.DONE and not running.exists()


def likely_scored(version: ModelVersion) -> bool:
    """Tell whether a round may choose: what is likely to be asked is scored, if not all."""
    if scoring_done(version):
        return True
    running = version.scorings.filter(status=Scoring.Status.RUNNING)
    shards = ScoringShard.objects.filter(scoring__in=running)
    some = shards.filter(likely=True) if shards.filter(likely=True).exists() else shards
    return running.exists() and not some.exclude(status=Status.DONE).exists()


def reclaim_shards(scoring: Scoring, *, now: datetime) -> list[int]:
    """Return the shards to enqueue now: never given out, or given out and not heard of since.

    At most so many are given out at a time; whoever finishes one asks for more. A shard that
    killed its workers too often is failed here, and a scoring whose last worker was killed
    between closing its shard and closing the scoring is closed.
    """
    shards = ScoringShard.objects.filter(scoring=scoring)
    _close_if_done(scoring.pk, now=now)
    silent = lapsed(now) | Q(lease_until=None)
    fail_the_hopeless(scoring, now=now)
    shards.filter(silent, status=Status.RUNNING).update(status=Status.QUEUED, lease_until=None)
    busy = shards.filter(~silent, status__in=(Status.QUEUED, Status.RUNNING)).count()
    waiting = shards.filter(silent, status=Status.QUEUED).order_by("-likely", "first_id")
    free = list(waiting.values_list("pk", flat=True)[: max(0, GIVEN_OUT - busy)])
    until = now + lease_time()
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
    shard = ScoringShard.objects.select_related("scoring__version__campaign").get(pk=shard_id)
    held = claim(shard, now=now)
    if held:
        # The first shard waits for the network to be fetched, opened and tried: minutes, at times.
        with kept(held.renew, seconds=settings.ENV.lease_seconds) as held.lease:
            try:
                found = _score(held, runtime=_runtime(shard))
                if found:
                    _finish(held, found)
                    make_room(shard)
            except Exception as error:
                held.give_back(error)
                raise
    shard.refresh_from_db()
    return shard


def _runtime(shard: ScoringShard) -> str:
    """Return the arithmetic of this machine, by texts from all over the campaign's pool."""
    from learning.inference import runtime_of  # torch is for workers only

    version = shard.scoring.version

    def texts() -> list[tuple[str, str]]:
        pool = Sample.objects.ready().filter(campaign=version.campaign_id).order_by("pk")
        ends = pool.aggregate(first=Min("pk"), last=Max("pk"))
        places = np.linspace(ends["first"] or 0, ends["last"] or 0, PROBE).astype(int).tolist()
        found = [
            pool.filter(pk__gte=place).values_list("pk", "text", "language__tag").first()
            for place in places
        ]
        return [(text, tag) for _, text, tag in sorted(set(filter(None, found)))]

    return runtime_of(version, samples=shard.scoring.samples_total, probe=texts)


def _rows(shard: ScoringShard) -> list[_Row]:
    """Return the shard's samples: what nothing has scored yet, and what it has scored itself."""
    version = shard.scoring.version
    within = Q(pk__gte=shard.first_id, pk__lte=shard.last_id)
    named = Q(pk__in=shard.sample_ids) if shard.sample_ids else within
    near = Sample.objects.filter(named)
    mine = Prediction.objects.filter(version=version, shard=shard, sample__in=near)
    again = near.filter(pk__in=mine.values("sample"))
    rows = (unscored(version).filter(named) | again).order_by("pk")
    elsewhere = set() if shard.sample_ids else _named(shard)
    fields = rows.values_list("pk", "text", "language__tag", "language_id")
    return [_Row(*row) for row in fields if row[0] not in elsewhere]


def _named(shard: ScoringShard) -> set[int]:
    """Return the samples that likely shards of the same work take, or will take."""
    likely = ScoringShard.objects.filter(scoring=shard.scoring, likely=True)
    near = likely.filter(first_id__lte=shard.last_id, last_id__gte=shard.first_id)
    return {pk for ids in near.values_list("sample_ids", flat=True) for pk in ids}


def _score(held: ShardClaim, *, runtime: str) -> _Found | None:
    """Return what the network says of the shard's samples, or None if it was taken from us."""
    shard = held.shard
    rows = _rows(shard)
    logits: npt.NDArray[np.float64] = np.zeros((len(rows), 0))
    vectors: npt.NDArray[np.float32] = np.zeros((len(rows), 0), np.float32)
    answers: list[Any] = [None] * len(rows)
    for part, told in _parts(shard.scoring.version, rows, runtime=runtime):
        if not logits.shape[1]:
            logits = np.zeros((len(rows), part.logits.shape[1]))
            vectors = np.zeros((len(rows), part.embeddings.shape[1]), np.float32)
        logits[part.rows] = rounded(part.logits)
        vectors[part.rows] = part.embeddings
        for row, one in zip(part.rows, told, strict=False):
            answers[row] = one
        if not held.holds():
            return None
    numbers = np.concatenate((logits, vectors), axis=1)
    finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(numbers).all(axis=1))
    if len(rows) >= ENOUGH_TO_ACCUSE and not finite.any():
        raise ScoringError(
            f"{shard.scoring.version} answered {len(rows)} samples, the first of them"
            f" {rows[0].id}, with numbers that are not finite.",
            remedy="Its weights are useless: roll back to an earlier version.",
        )
    return _Found(rows, logits, vectors, finite, runtime, answers)


def _parts(
    version: ModelVersion, rows: list[_Row], *, runtime: str
) -> Iterator[tuple["Answers", Sequence[Any]]]:
    """Yield what the version says, and of each text what logits do not say, if there is anything."""
    from learning.inference import answers_of, marks_of  # torch is for workers only
    from learning.networks.runtimes import Answers

    texts, tags = [row.text for row in rows], [row.tag for row in rows]
    if version.campaign.objective != spans.NAME:
        for part in answers_of(version, texts=texts, languages=tags, runtime=runtime):
            yield part, ()
        return
    for marks in marks_of(version, texts=texts, languages=tags):
        logits = two_classes([certainty(one) for one in marks.reads]).astype(np.float32)
        answers = Answers(marks.rows, logits, marks.embeddings)
        yield answers, [suggestion(one) for one in marks.reads]


def rounded(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the logits with as many digits as are stored, so that stored and fresh agree."""
    text = np.char.mod(f"%.{DIGITS}g", logits.astype(np.float64))
    return np.asarray(text.astype(np.float64))


def _finish(held: ShardClaim, found: _Found) -> None:
    """Commit the shard whole, if it is still ours, and close the scoring with its last one."""
    shard = held.shard
    written = _write(shard, found, attempt=held.attempt)
    spoilt = [row.id for row, fine in zip(found.rows, found.finite, strict=True) if not fine]
    error = f"No finite numbers for samples {', '.join(map(str, spoilt))}." if spoilt else ""
    with transaction.atomic():
        ours = held.mine().update(
            status=Status.DONE,
            lease_until=None,
            samples=len(found.rows),
            error=error,
            spoilt=spoilt,
            runtime=found.runtime,
        )
        if ours:
            Prediction.objects.bulk_create(_predictions(shard, found), ignore_conflicts=True)
            if written:
                embeddings.keep(shard, written)
    if not ours and written:
        remove(written.path)
    _close_if_done(shard.scoring_id, now=held.now())


def _write(shard: ScoringShard, found: _Found, *, attempt: int) -> Written | None:
    if not settings.ENV.embeddings or not found.finite.any():
        return None
    digest = shard.scoring.version.digest
    return write_block(
        f"{digest}/{shard.pk:09d}-{attempt}.safetensors",
        ids=np.array([row.id for row in found.rows], np.int64)[found.finite],
        languages=np.array([row.language for row in found.rows], np.int64)[found.finite],
        embeddings=found.embeddings[found.finite],
    )


def _predictions(shard: ScoringShard, found: _Found) -> list[Prediction]:
    version = shard.scoring.version
    fitted = Temperature.objects.filter(version=version).values_list("language_id", "value")
    temperatures = dict(fitted)
    if not found.rows:
        return []
    scale = np.array([temperatures.get(row.language, 1.0) for row in found.rows])
    safe = np.where(found.finite[:, None], found.logits, 0.0)
    classes = as_classes(version.campaign, logits=safe)
    margins = gap(softmax(classes, temperature=scale))
    return [
        Prediction(
            sample_id=row.id,
            version=version,
            shard=shard,
            logits=found.logits[i].tolist(),
            margin=float(margins[i]),
            label_position=int(classes[i].argmax()),
            answer=found.answers[i],
        )
        for i, row in enumerate(found.rows)
        if found.finite[i]
    ]


def _close_if_done(scoring_id: int, *, now: datetime) -> None:
    left = ScoringShard.objects.filter(scoring=OuterRef("pk")).exclude(status=Status.DONE)
    running = Scoring.objects.filter(pk=scoring_id, status=Scoring.Status.RUNNING)
    running.filter(~Exists(left)).update(status=Scoring.Status.DONE, finished_at=now)


def _create(
    version: ModelVersion,
    slices: tuple[list[Slice], list[Slice]],
    *,
    previous: ModelVersion | None,
    now: datetime,
) -> Scoring:
    both = [(True, part) for part in slices[0]] + [(False, part) for part in slices[1]]
    scoring = Scoring.objects.create(
        campaign=version.campaign,
        version=version,
        previous=previous,
        status=Scoring.Status.RUNNING if both else Scoring.Status.DONE,
        up_to_sample=max((part.last for _, part in both), default=0),
        samples_total=sum(part.count for _, part in both),
        finished_at=None if both else now,
    )
    ScoringShard.objects.bulk_create(
        ScoringShard(
            scoring=scoring,
            likely=likely,
            first_id=part.first,
            last_id=part.last,
            sample_ids=part.ids,
            samples=part.count,
        )
        for likely, part in both
    )
    return scoring
