"""Ended consents: whoever lets models learn no more gets back what they gave before."""

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from annotation.models import Annotation, Annotator, Consent
from training.actions.dispatches import Work
from training.actions.estimates import estimate_anew
from training.actions.withdrawals import Outcome, Wish, withdraw

REASON = "The person no longer lets models learn from their answers."


def people_to_honour() -> "QuerySet[Annotator]":
    """Annotators who agreed once, agree no more, and of whom answers are still held.

    Of somebody who never agreed nothing is erased: an admin may yet write it down.
    """
    said = Consent.objects.filter(user=OuterRef("user"), train=True)
    held = Annotation.objects.filter(annotator=OuterRef("pk"), withdrawal=None)
    held = held.exclude(state=Annotation.State.DELETED)
    return Annotator.objects.filter(
        Exists(said), ~Exists(said.filter(ended_at=None)), Exists(held)
    ).order_by("pk")


def due_honours() -> list[Work]:
    """What a worker has to take back now."""
    people = people_to_honour().values_list("pk", flat=True)
    return [Work("training.tasks.honour", {"annotator_id": pk}) for pk in people]


def honour(annotator_id: int, *, now: datetime) -> Outcome | None:
    """Take back what one person gave; nothing if they have agreed again meanwhile."""
    annotator = people_to_honour().select_related("user").filter(pk=annotator_id).first()
    if annotator is None:
        return None
    done = withdraw(Wish(annotator=annotator), reason=REASON, actor=annotator.user, now=now)
    if done.withdrawal:
        estimate_anew(done.withdrawal.pk, now=now)
    return done
