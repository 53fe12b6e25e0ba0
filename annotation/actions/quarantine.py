"""Quarantined answers: looked at and laid aside, never deleted."""

from datetime import datetime

from annotation.models import QuarantinedAnswer


def lay_aside(answer: QuarantinedAnswer, *, now: datetime) -> bool:
    """Note that a person has looked at it; true for the first who does."""
    waiting = QuarantinedAnswer.objects.filter(pk=answer.pk, resolved_at=None)
    return waiting.update(resolved_at=now) == 1
