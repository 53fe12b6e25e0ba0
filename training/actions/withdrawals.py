"""Withdrawals: what a person gave is taken back, and everything that rested on it is told.

An answer that was taken back counts nowhere any more: not in the consensus, which is fitted anew as
if it had never been given, not in a snapshot, not in what a snapshot remembered of older networks.
What a network has learned it cannot unlearn: versions that did are shown with the way out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from annotation.actions.objections import note_objections
from annotation.errors import ConflictError
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Annotator,
    CampaignLanguage,
    GoldItem,
    Item,
    QuarantinedAnswer,
    Sample,
    User,
    Withdrawal,
)
from learning.models import ModelVersion
from training.actions.aborts import abort_run
from training.actions.lineage import versions_with
from training.models import SnapshotRow, TrainingRun

BATCH = 500
State = Annotation.State
UNFINISHED = (TrainingRun.Status.QUEUED, TrainingRun.Status.RUNNING)


@dataclass(frozen=True)
class Wish:
    """What is to be taken back: a person's answers, those on one text, or a text with all."""

    annotator: Annotator | None = None
    sample: Sample | None = None

    @property
    def answers(self) -> "QuerySet[Annotation]":
        """Everything that it concerns, taken back already or not."""
        if self.annotator is None and self.sample is None:
            raise ConflictError("Nobody's answers were named.", remedy="Name a person or a text.")
        found = Annotation.objects.exclude(state=State.DELETED)
        if self.annotator is not None:
            found = found.filter(annotator=self.annotator)
        if self.sample is not None:
            found = found.filter(item__sample=self.sample)
        return found


@dataclass(frozen=True)
class Outlook:
    """What taking back would change."""

    answers: int
    versions: Sequence[ModelVersion]


@dataclass(frozen=True)
class Outcome:
    """What was taken back; ``withdrawal`` is the older one where nothing was left to take."""

    withdrawal: Withdrawal | None
    answers: int
    versions: Sequence[ModelVersion]
    aborted: Sequence[TrainingRun]


def preview_withdrawal(wish: Wish) -> Outlook:
    """Say what a withdrawal would change, without changing it."""
    waiting = wish.answers.filter(withdrawal=None)
    return Outlook(waiting.count(), versions_with(waiting))


@transaction.atomic
def withdraw(wish: Wish, *, reason: str, actor: User | None, now: datetime) -> Outcome:
    """Take answers back, once: consensus, snapshots and stored logits are without them from here.

    Runs that are learning from them are aborted; the next one learns without. A text that is
    taken back with all its answers is not asked again either. The consensus is left to a worker
    (``estimates``), which finds what is due.
    """
    _lock_homes(wish)
    withdrawal, fresh = _take(wish, reason=reason, actor=actor, now=now)
    _empty_quarantine(wish, now=now)
    answers = Annotation.objects.filter(withdrawal=withdrawal, withdrawal__isnull=False)
    versions = versions_with(answers)
    aborted = _forget(answers, actor=actor, now=now) if fresh else []
    return Outcome(withdrawal, answers.count() if fresh else 0, versions, aborted)


def _lock_homes(wish: Wish) -> None:
    """Lock the languages that it concerns, so that no sweep comes between."""
    concerned = wish.answers.order_by().values("item__campaign_language")
    list(CampaignLanguage.objects.select_for_update().filter(pk__in=concerned).order_by("pk"))


def _take(
    wish: Wish, *, reason: str, actor: User | None, now: datetime
) -> tuple[Withdrawal | None, bool]:
    """Return the withdrawal, and whether it is one that this call has made."""
    waiting = list(wish.answers.filter(withdrawal=None).order_by("pk"))
    whole = wish.sample is not None and wish.annotator is None
    if not waiting and not (whole and wish.sample and wish.sample.withdrawn_at is None):
        before = Withdrawal.objects.filter(annotator=wish.annotator, sample=wish.sample)
        return before.first(), False
    withdrawal = Withdrawal.objects.create(
        annotator=wish.annotator,
        sample=wish.sample,
        answers=len(waiting),
        reason=reason.strip()[:300],
        actor=actor,
        consensus_due=bool(waiting),
    )
    said_of = Item.objects.filter(annotations__in=[a.pk for a in waiting if a.flag])
    flagged = sorted(set(said_of.values_list("sample_id", flat=True)))
    _erase(waiting, withdrawal=withdrawal, now=now)
    if whole and wish.sample:
        Sample.objects.filter(pk=wish.sample.pk, withdrawn_at=None).update(withdrawn_at=now)
        _close_items(Item.objects.filter(sample=wish.sample))
    _close_items(Item.objects.filter(annotations__withdrawal=withdrawal))
    for sample in flagged:
        note_objections(sample, now=now)
    return withdrawal, True


def _erase(answers: Sequence[Annotation], *, withdrawal: Withdrawal, now: datetime) -> None:
    """Empty answers and all that they ever said; that they were given, and when, stays."""
    for annotation in answers:
        annotation.withdrawal = withdrawal
        annotation.state = State.WITHDRAWN
        annotation.label, annotation.answer = None, {}
        annotation.flag, annotation.note = "", ""
        annotation.revision += 1
        annotation.updated_at = now
    said = ("label", "answer", "flag", "note")
    fields = ["withdrawal", "state", *said, "revision", "updated_at"]
    Annotation.objects.bulk_update(answers, fields, batch_size=BATCH)
    for start in range(0, len(answers), BATCH):
        past = AnnotationRevision.objects.filter(annotation__in=answers[start : start + BATCH])
        past.update(label=None, answer={}, flag="", note="")
    AnnotationRevision.objects.bulk_create(map(_revision, answers), batch_size=BATCH)


def _empty_quarantine(wish: Wish, *, now: datetime) -> None:
    """Empty what waits aside of a person who takes everything back, lest it come in later."""
    if wish.annotator is None or wish.sample is not None:
        return
    own = Q(annotator=wish.annotator)
    if wish.annotator.user.desk_user_id is not None:
        own |= Q(
            payload__user_id=wish.annotator.user.desk_user_id,
            campaign_language__language=wish.annotator.language_id,
        )
    QuarantinedAnswer.objects.filter(own, resolved_at=None).update(
        payload={}, detail="", resolved_at=now
    )


def _revision(annotation: Annotation) -> AnnotationRevision:
    return AnnotationRevision(
        annotation=annotation,
        number=annotation.revision,
        state=annotation.state,
        desk_updated_at=annotation.desk_updated_at,
        lead_seconds=annotation.lead_seconds,
    )


def _close_items(items: "QuerySet[Item]") -> None:
    """Take items away that no standing answer holds; rounds do not wait for them."""
    held = Annotation.objects.answered().values("item")
    ids = items.exclude(pk__in=held).exclude(state=Item.State.WITHDRAWN).values_list("pk")
    concerned = [pk for (pk,) in ids.distinct()]
    Item.objects.filter(pk__in=concerned).update(state=Item.State.WITHDRAWN, answered_at=None)


def _forget(
    answers: "QuerySet[Annotation]", *, actor: User | None, now: datetime
) -> list[TrainingRun]:
    """Drop stored logits and gold that rest on what was taken back; abort runs that learn it."""
    GoldItem.objects.filter(
        pk__in=list(answers.values_list("item__gold_candidate__gold", flat=True)), retired_at=None
    ).update(retired_at=now)
    snapshots, remembered = _resting(answers)
    for start in range(0, len(remembered), BATCH):
        rows = SnapshotRow.objects.filter(pk__in=remembered[start : start + BATCH])
        rows.update(logits=None)
    runs = TrainingRun.objects.filter(status__in=UNFINISHED, snapshot__in=snapshots)
    return [abort_run(run, actor=actor, now=now) for run in runs.order_by("pk")]


def _resting(answers: "QuerySet[Annotation]") -> tuple[set[int], list[int]]:
    """Return the snapshots with rows that rest on the answers, and those rows that hold logits."""
    taken = set(answers.values_list("pk", flat=True))
    rows = SnapshotRow.objects.filter(sample__in=answers.values("item__sample")).order_by()
    held = rows.annotate(holds=Q(logits__isnull=False))
    columns = held.values_list("pk", "snapshot_id", "revisions", "holds")
    snapshots, remembered = set(), []
    for pk, snapshot, revisions, holds in columns.iterator(chunk_size=BATCH):
        if taken & {answer for answer, _ in revisions}:
            snapshots.add(snapshot)
            if holds:
                remembered.append(pk)
    return snapshots, remembered
