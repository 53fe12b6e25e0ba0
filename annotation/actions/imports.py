"""Imports: a queued file is read by a worker that may die at any row.

A worker holds an import by a lease with a fencing token. It reads in batches; the samples of a
batch, its refused rows and the position after it are one transaction. So whoever comes after a
worker that died goes on behind the last batch, and nothing is lost or there twice. Until an
import is done its samples are in no pool.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F, ProtectedError, Q, QuerySet

from annotation.actions.admission import Admission, Batch
from annotation.actions.leases import lapsed
from annotation.actions.uploads import queue_import
from annotation.errors import NotFoundError, is_out_of_room
from annotation.methods.readers import Row, UnreadableFileError, Wanted, read_rows
from annotation.models import Campaign, Sample, SampleImport
from annotation.objectives import Habits

__all__ = ["next_import", "queue_import", "reclaim_imports", "release_import", "run_import"]

Status = SampleImport.Status
# SQLite lets nobody else write meanwhile; PostgreSQL does, and there each batch costs a dozen questions.
ANALYSED_FROM = 1_000
ROWS_AT_ONCE = 500 if connection.vendor == "sqlite" else 4000
CHARACTERS_AT_ONCE = 4_000_000
# Rows that were committed before are read again but not looked at; now and then the lease is kept.
KNOWN_ROWS_AT_ONCE = 20_000
# SQLite takes one writer at a time and keeps no line: between two batches others get in.
GIVE_WAY_S = 0.03
# From this claim on, an error is taken to be there to stay.
MOST_ERRORS = 5
# A file that so many workers died on will kill the next one too; who gave it back is not counted.
MOST_CLAIMS = 100
_OVER = (Status.DONE, Status.REFUSED, Status.FAILED)
_COUNTERS = ("rows_read", "rows_kept", "rows_refused", "rows_skipped", "last_row", "bytes_read")
Progress = Callable[[SampleImport], None]
Clock = Callable[[], datetime]
Ask = Callable[[], bool]

logger = logging.getLogger(__name__)


class _LostLeaseError(Exception):
    """Another worker holds the import now; whatever we were about to write is void."""


class _StoppedError(Exception):
    """This worker has to leave; another goes on behind the last batch."""


def run_import(
    import_id: int,
    *,
    now: Clock,
    progress: Progress | None = None,
    should_stop: Ask = bool,
) -> SampleImport:
    """Read a queued or abandoned import to its end; nothing happens if somebody else is at it.

    A worker that has to stop gives it back between two batches.
    """
    if not SampleImport.objects.filter(pk=import_id).exists():
        raise NotFoundError(f"There is no import {import_id}.")
    if _claim(import_id, now=now()):
        job = SampleImport.objects.select_related("campaign").get(pk=import_id)
        try:
            _read_or_end(job, now=now, progress=progress, should_stop=should_stop)
        except _StoppedError:
            _give_back(SampleImport.objects.filter(pk=import_id, token=job.token))
        except _LostLeaseError:
            pass
    job = SampleImport.objects.select_related("campaign").get(pk=import_id)
    _remove_copy(job)
    return job


def _read_or_end(
    job: SampleImport, *, now: Clock, progress: Progress | None, should_stop: Ask
) -> None:
    """Read the file to its end; a file or an error that will not do ends the import."""
    try:
        _read(job, now=now, progress=progress, should_stop=should_stop)
    except UnreadableFileError as error:
        _end(job, now=now, status=Status.FAILED, error=str(error))
    except (_StoppedError, _LostLeaseError):
        raise
    except Exception as error:
        if is_out_of_room(error):
            # That passes, however long it lasts, and is no claim that a worker died on.
            with suppress(DatabaseError):
                mine = SampleImport.objects.filter(pk=job.pk, token=job.token)
                mine.update(claims=F("claims") - 1)
        elif job.claims >= MOST_ERRORS and not isinstance(error, OperationalError):
            logger.exception("import %s failed", job.pk)
            _end(job, now=now, status=Status.FAILED, error=_stubborn(error))
            return
        # The database was busy or away: the lease runs out, and another worker goes on.
        raise


def reclaim_imports(now: datetime) -> list[int]:
    """Return the imports that nobody works on though somebody should, to be enqueued again."""
    for job in SampleImport.objects.filter(status__in=_OVER).exclude(path=""):
        _remove_copy(job)
    patience = timedelta(seconds=settings.ENV.lease_seconds)
    abandoned = Q(status=Status.RUNNING) & (Q(lease_until=None) | lapsed(now))
    forgotten = Q(status=Status.QUEUED, created_at__lt=now - patience)
    found = SampleImport.objects.filter(abandoned | forgotten).order_by("pk")
    return list(found.values_list("pk", flat=True))


def release_import(import_id: int) -> None:
    """Give an import back at once, as after Ctrl-C: another worker goes on where this one was."""
    _give_back(SampleImport.objects.filter(pk=import_id))


def next_import() -> int | None:
    """The import that has waited longest and that nobody reads."""
    waiting = SampleImport.objects.filter(status=Status.QUEUED).order_by("pk")
    return waiting.values_list("pk", flat=True).first()


def _give_back(held: QuerySet[SampleImport]) -> None:
    """Whoever had it writes no more, and has not died on it."""
    held.filter(status=Status.RUNNING).update(
        status=Status.QUEUED, lease_until=None, token=F("token") + 1, claims=F("claims") - 1
    )


def _stubborn(error: Exception) -> str:
    what = f"{type(error).__name__}: {error}".strip().rstrip(":")[:500]
    return f"The file could not be read to its end, however often it was tried. {what}"


def _claim(import_id: int, *, now: datetime) -> bool:
    """True for exactly one worker; the token that it raises shuts out whoever had it before."""
    free = Q(status=Status.QUEUED) | (Q(status=Status.RUNNING) & lapsed(now))
    claimed = SampleImport.objects.filter(free, pk=import_id).update(
        status=Status.RUNNING,
        token=F("token") + 1,
        claims=F("claims") + 1,
        lease_until=_lease(now),
    )
    return claimed == 1


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.ENV.lease_seconds)


def _read(job: SampleImport, *, now: Clock, progress: Progress | None, should_stop: Ask) -> None:
    admission = Admission(job)
    if job.claims > MOST_CLAIMS:
        raise UnreadableFileError(
            f"{MOST_CLAIMS} workers gave this file up; another will not help."
        )
    options, usual = job.options, Habits.of(job.campaign.objective).columns
    wanted = Wanted(
        options.get("columns", {}), options.get("defaults", {}), usual, options.get("without", ())
    )
    path = Path(settings.MEDIA_ROOT) / job.path
    if not job.path or not path.is_file():
        raise UnreadableFileError("Our copy of the file is gone. Import it again.")
    with path.open("rb") as file:
        rows = read_rows(file, format=job.format, wanted=wanted)
        cleaned = (admission.clean(batch) for batch in _batches(rows, after=job.last_row))
        with closing(_ahead(cleaned)) as batches:
            for batch in batches:
                _commit(job, admission, batch, now=now)
                if progress:
                    progress(job)
                if should_stop():
                    raise _StoppedError
                if connection.vendor == "sqlite":
                    time.sleep(GIVE_WAY_S)
    _finish(job, now=now)


def _ahead(batches: Iterator[Batch]) -> Generator[Batch]:
    """Yield batches; while one is being stored, which is the database's work, the next is made."""
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _batches(rows: Iterable[Row], *, after: int) -> Iterator[list[Row]]:
    """Cut rows into batches; an empty one is only there to keep the lease."""
    batch: list[Row] = []
    known, size = 0, 0
    for row in rows:
        if row.number <= after:
            known += 1
            if known % KNOWN_ROWS_AT_ONCE == 0:
                yield []
            continue
        batch.append(row)
        size += len(str(row.values.get("text", "")))
        if len(batch) >= ROWS_AT_ONCE or size >= CHARACTERS_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@transaction.atomic
def _commit(job: SampleImport, admission: Admission, batch: Batch, *, now: Clock) -> None:
    # Two imports at once could each bring one half of a leak: one batch of a campaign at a time.
    Campaign.objects.select_for_update(no_key=True).only("pk").get(pk=job.campaign_id)
    _keep(job, now=now())
    if not batch.rows:
        return
    kept, refused = admission.admit(batch)
    job.rows_skipped = dict(Counter(job.rows_skipped) + batch.skipped)
    job.rows_read += batch.rows
    job.rows_kept += kept
    job.rows_refused += refused
    job.last_row = batch.last
    job.bytes_read = min(batch.position, job.bytes_total)
    job.save(update_fields=_COUNTERS)


def _keep(job: SampleImport, *, now: datetime) -> None:
    """Renew the lease inside the transaction that it protects, or leave."""
    mine = SampleImport.objects.filter(pk=job.pk, token=job.token, status=Status.RUNNING)
    if mine.update(lease_until=_lease(now)) != 1:
        raise _LostLeaseError


def _finish(job: SampleImport, *, now: Clock) -> None:
    if job.rows_read == 0:
        _end(job, now=now, status=Status.FAILED, error="The file holds no row.")
    elif job.rows_refused and job.on_error == SampleImport.OnError.REFUSE_ALL:
        rows = "1 row is" if job.rows_refused == 1 else f"{job.rows_refused:,} rows are"
        error = f"{rows} refused, and so is the whole file, as was asked. Mend them and try again."
        _end(job, now=now, status=Status.REFUSED, error=error)
    else:
        _end(job, now=now, status=Status.DONE)
        if job.rows_kept >= ANALYSED_FROM and connection.vendor == "postgresql":
            # Until PostgreSQL comes by itself it would plan as if the file had not come: a question
            # of milliseconds then takes half a minute.
            with connection.cursor() as cursor:
                cursor.execute(f"ANALYZE {connection.ops.quote_name(Sample._meta.db_table)}")


def _end(job: SampleImport, *, now: Clock, status: Status, error: str = "") -> None:
    """Close an import; unless it is done, nothing of it stays but the report."""
    try:
        if status != Status.DONE:
            last = 0
            while last := _remove_some(job, after=last, now=now()):
                job.rows_kept = 0
        with transaction.atomic():
            _keep(job, now=now())
            job.status, job.error, job.finished_at = status, error, now()
            job.lease_until = None
            job.bytes_read = job.bytes_total if status == Status.DONE else job.bytes_read
            job.save(
                update_fields=(
                    "status", "error", "finished_at", "lease_until", "bytes_read", "rows_kept"
                )
            )  # fmt: skip
    except _LostLeaseError:
        return


@transaction.atomic
def _remove_some(job: SampleImport, *, after: int, now: datetime) -> int:
    """Remove the next samples of the import and return the last one's id; 0 if there is none."""
    _keep(job, now=now)
    samples = Sample.objects.filter(sample_import=job, pk__gt=after).order_by("pk")
    some = list(samples.values_list("pk", flat=True)[:ROWS_AT_ONCE])
    _remove(some)
    return some[-1] if some else 0


def _remove(samples: list[int]) -> None:
    """Remove samples but those that were asked: they stay, and in no pool."""
    try:
        with transaction.atomic():
            Sample.objects.filter(pk__in=samples).delete()
    except ProtectedError:
        for pk in samples if len(samples) > 1 else ():
            _remove([pk])


def _remove_copy(job: SampleImport) -> None:
    """Remove our copy of a file that is done with; what fails is tried again later."""
    if job.path and job.status in _OVER:
        try:
            (Path(settings.MEDIA_ROOT) / job.path).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("The copy of import %s cannot be removed: %s", job.pk, error)
            return
        SampleImport.objects.filter(pk=job.pk).update(path="")
        job.path = ""
