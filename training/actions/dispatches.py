"""Dispatches: a message is sent, and not sent again while it may still be under way.

State comes first and the message second: whatever the broker loses is sent again when it has
become old, and a message that is older than that is dropped by the worker who finds it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from training.models import Dispatch

RESEND = timedelta(seconds=30)


@dataclass(frozen=True)
class Work:
    """A task to enqueue, by name, with its arguments."""

    task: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What tells this piece of work from any other."""
        told = ",".join(f"{name}={self.kwargs[name]}" for name in sorted(self.kwargs))
        return f"{self.task}({told})"


def due(works: Sequence[Work], *, now: datetime) -> list[Work]:
    """Return the work whose message was not sent lately, and note that it is sent now."""
    return [work for work in works if _claim(work.key, now=now)]


def still_at(work: Work, *, now: datetime) -> bool:
    """Keep the work from being sent again, since a worker is at it; False if it was forgotten."""
    return Dispatch.objects.filter(key=work.key).update(sent_at=now) == 1


def forget(work: Work) -> None:
    """Let the work be sent again at once: it is done, or was given back."""
    Dispatch.objects.filter(key=work.key).delete()


def _claim(key: str, *, now: datetime) -> bool:
    # Sent by a clock that was ahead, and has been put right since, it would be owed for as long.
    lately = Q(sent_at__gt=now - RESEND, sent_at__lt=now + RESEND)
    if Dispatch.objects.filter(~lately, key=key).update(sent_at=now):
        return True
    if Dispatch.objects.filter(key=key).exists():
        return False
    try:
        with transaction.atomic():
            Dispatch.objects.create(key=key, sent_at=now)
    except IntegrityError:
        return False
    return True
