"""Wishes to measure: asked on a page, kept as rows, and sent to the workers until they are done."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F, Q

from annotation.actions.leases import kept, lapsed
from annotation.errors import TransientError
from annotation.models import User
from learning.models import ModelVersion
from training.actions.dispatches import Work
from training.actions.runs import readable
from training.models import MeasureWish

Clock = Callable[[], datetime]

# So many workers may be lost over one wish, or run into an error, before it is given up.
MOST_ATTEMPTS = 3

log = logging.getLogger(__name__)


def ask_to_measure(
    versions: Iterable[ModelVersion], *, actor: User | None, now: datetime
) -> list[Work]:
    """Write the wish down, once a version while it is open, and return what to send."""
    for version in versions:
        try:
            with transaction.atomic():
                MeasureWish.objects.create(version=version, asked_by=actor, asked_at=now)
        except IntegrityError:
            continue  # it is asked for already, and what is measured then is the gold of then
    return due_measurements(now=now, versions=versions)


def due_measurements(
    *, now: datetime, versions: Iterable[ModelVersion] | None = None
) -> list[Work]:
    """Return the wishes that wait for a worker, or have lost theirs; give up what is hopeless."""
    wishes = MeasureWish.objects.open()
    for lost in wishes.filter(lapsed(now), attempts__gte=MOST_ATTEMPTS):
        said = f"The worker was lost {MOST_ATTEMPTS} times; it may lack memory. {lost.error}"
        wishes.filter(pk=lost.pk, lease_until=lost.lease_until).update(
            finished_at=now, lease_until=None, error=said.strip()
        )
    free = wishes.filter(_free(now)).order_by("asked_at", "pk")
    if versions is not None:
        free = free.filter(version__in=list(versions))
    ids = free.values_list("version", flat=True)
    return [Work("training.tasks.measure", {"version_id": pk}) for pk in ids]


def measure_asked(version_id: int, *, now: Clock) -> MeasureWish | None:
    """Measure a version that somebody wants measured, if nobody else is at it.

    Returns the wish as it is left; None if there is none that is open.
    """
    from training.actions.robustness import measure_robustness

    wish = (
        MeasureWish.objects.open()
        .filter(version=version_id)
        .select_related("version__campaign")
        .first()
    )
    if wish is None or not _claim(wish, now=now()):
        return wish
    mine = MeasureWish.objects.open().filter(pk=wish.pk, attempts=wish.attempts + 1)
    with kept(
        lambda: mine.update(lease_until=_lease(now())) == 1, seconds=settings.ENV.lease_seconds
    ) as lease:
        try:
            measure_robustness(wish.version, campaign=wish.version.campaign)
        except (OperationalError, TransientError) as error:
            log.warning("version %s waits to be measured: %s", version_id, error)
            # No attempt on the version. It is free when the lease is over and not before, so
            # that what is away is not asked for without a pause.
            with suppress(OperationalError):  # what is away may be the database itself
                mine.update(
                    attempts=F("attempts") - 1, error=f"Waiting for storage: {readable(error)}"
                )
        except Exception as error:
            log.exception("version %s could not be measured", version_id)
            over = wish.attempts + 1 >= MOST_ATTEMPTS
            mine.update(
                error=readable(error), lease_until=None, finished_at=now() if over else None
            )
        else:
            if not lease.lost:
                mine.update(error="", lease_until=None, finished_at=now())
    wish.refresh_from_db()
    return wish


def wishes_for(versions: Sequence[ModelVersion]) -> list[MeasureWish]:
    """Return what was asked for last of each version, where it is open or could not be done."""
    newest: dict[int, MeasureWish] = {}
    for wish in MeasureWish.objects.filter(version__in=versions).select_related("version"):
        newest.setdefault(wish.version_id, wish)
    return [wish for wish in newest.values() if wish.finished_at is None or wish.error]


def _claim(wish: MeasureWish, *, now: datetime) -> bool:
    """True for exactly one worker."""
    free = MeasureWish.objects.open().filter(_free(now), pk=wish.pk, attempts=wish.attempts)
    return free.update(attempts=F("attempts") + 1, lease_until=_lease(now)) == 1


def _free(now: datetime) -> Q:
    free = Q(lease_until=None) | lapsed(now)
    return free & Q(attempts__lt=MOST_ATTEMPTS)


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.ENV.lease_seconds)
