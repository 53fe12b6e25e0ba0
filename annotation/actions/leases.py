"""Leases: what a worker holds is kept by a thread of its own, whatever the worker is busy with.

A lease that is renewed when a loop comes round runs out while weights are stored, fetched or read
over, and a second worker begins what the first is still at. Renewing compares and sets: whoever
finds that the work is somebody else's by now stops renewing and says so, and the worker, who asks
wherever stopping is safe, writes no more.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error, connection, connections
from django.db.models import Q

# So often a lease is renewed while it would last: one or two renewals may fail.
BEATS = 4
# A worker that has not come by for so long is stuck: others may have what it holds.
SILENCE_S = 2 * 3600.0
# No lease ends so many leases from now: whoever wrote that had another time of day.
TOO_LONG = 3

logger = logging.getLogger(__name__)


def lapsed(now: datetime) -> Q:
    """Leases that are over, or that a clock which had jumped made last for hours.

    Whoever had one and lives writes nothing any more once somebody else has claimed the work.
    """
    later = now + TOO_LONG * timedelta(seconds=settings.ENV.lease_seconds)
    return Q(lease_until__lt=now) | Q(lease_until__gt=later)


class Lease:
    """What a worker knows of its claim while it works: whether it still holds."""

    def __init__(self) -> None:
        self._lost = threading.Event()
        self._over = threading.Event()
        self._came_by = time.monotonic()

    @property
    def lost(self) -> bool:
        """Tell whether somebody else has claimed the work; asking is free."""
        self._came_by = time.monotonic()
        return self._lost.is_set()

    def keep(self, renew: Callable[[], bool], *, pause: float) -> None:
        """Renew at every pause until the work is over or lost, or its worker seems stuck."""
        try:
            while not self._over.wait(pause) and not self._lost.is_set():
                if time.monotonic() - self._came_by > SILENCE_S:
                    logger.error("A worker has been silent for %.0f s; its lease ends.", SILENCE_S)
                    return
                self._renew(renew)
        finally:
            connections.close_all()

    def end(self) -> None:
        """Say that the work is over."""
        self._over.set()

    def _renew(self, renew: Callable[[], bool]) -> None:
        try:
            if not renew():
                self._lost.set()
        except Error as error:
            # Busy or away: the next beat asks again, over a connection that is new.
            logger.warning("A lease could not be renewed: %s", error)
            connection.close()


@contextmanager
def kept(renew: Callable[[], bool], *, seconds: float) -> Iterator[Lease]:
    """Keep a lease of so many seconds while the block works; ``renew`` says whether it is ours.

    A claim inside a transaction that is not committed is nobody's to see or to renew: there
    nothing is started.
    """
    lease = Lease()
    if connection.in_atomic_block:
        yield lease
        return
    keeper = threading.Thread(
        target=lease.keep, args=(renew,), kwargs={"pause": seconds / BEATS}, daemon=True
    )
    keeper.start()
    try:
        yield lease
    finally:
        lease.end()
        keeper.join()
