"""Gathering: what comes to a process at the same moment is stored by one of its threads for all.

Whoever comes while nothing is being stored begins at once and waits for nobody. Whoever comes meanwhile
waits, and the first of them then stores what all of them brought. Each is told what became of its own,
and only after that is in the database: what dies with a process had not been acknowledged.
"""

import logging
from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Generic, TypeVar

from django.db import connection

logger = logging.getLogger(__name__)
# Nobody waits longer for others: to store the same by oneself meanwhile stores it once all the same.
PATIENCE_S = 20.0
Brought = TypeVar("Brought")
Became = TypeVar("Became")


class _Waiting(Generic[Brought, Became]):
    """What one thread brought, and what it is told."""

    def __init__(self, brought: Brought) -> None:
        self.brought, self.called = brought, Event()
        self.became: Became | None = None
        self.leads = self.done = False


class Gathering(Generic[Brought, Became]):
    """One piece of work for many that may be done for several at once, in a transaction of its own."""

    def __init__(
        self,
        work: Callable[[Sequence[Brought]], Sequence[Became]],
        *,
        most: int,
        weight: Callable[[Brought], int] = lambda _: 1,
    ) -> None:
        self.work, self.most, self.weight = work, most, weight
        self._queue: list[_Waiting[Brought, Became]] = []
        self._lock, self._busy = Lock(), False

    def take(self, brought: Brought) -> Became | None:
        """Have it done, with what others bring; None if it was not, and is to be done alone."""
        if connection.in_atomic_block:
            # What this transaction has written others do not see, and it may yet be undone.
            return self.work([brought])[0]
        mine: _Waiting[Brought, Became] = _Waiting(brought)
        with self._lock:
            self._queue.append(mine)
            mine.leads = not self._busy
            self._busy = True
        if not mine.leads:
            mine.called.wait(PATIENCE_S)
        with self._lock:
            if not (mine.leads or mine.done):
                logger.warning("Whoever was storing for all took longer than %.0f s.", PATIENCE_S)
                if mine in self._queue:
                    self._queue.remove(mine)
                return None
        if mine.leads:
            self._lead()
        return mine.became

    def _lead(self) -> None:
        """Do what waits, oneself first, and have the next that waits lead."""
        with self._lock:
            batch = self._next_batch()
        try:
            for one, became in zip(batch, self.work([one.brought for one in batch]), strict=True):
                one.became = became
        finally:
            # After an error of the database the others try alone, and learn it for themselves.
            with self._lock:
                for one in batch:
                    one.done = True
                    one.called.set()
                self._busy = bool(self._queue)
                if self._queue:
                    self._queue[0].leads = True
                    self._queue[0].called.set()

    def _next_batch(self) -> list[_Waiting[Brought, Became]]:
        batch = [self._queue.pop(0)]
        weight = self.weight(batch[0].brought)
        while self._queue and weight + self.weight(self._queue[0].brought) <= self.most:
            batch.append(self._queue.pop(0))
            weight += self.weight(batch[-1].brought)
        return batch
