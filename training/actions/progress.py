"""How far the step at hand of a round is."""

from dataclasses import dataclass

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _

from annotation.models import Item
from learning.models import Pick, Round, Scoring, ScoringShard
from training.models import TrainingRun


@dataclass(frozen=True)
class Progress:
    """How far the step at hand is."""

    done: int
    total: int
    sentence: str


def progress_of(round_: Round) -> Progress:
    """How far a round's step at hand is, in numbers and a sentence."""
    if round_.status == Round.Status.SCORING:
        return _scoring_progress(round_)
    if round_.status == Round.Status.COLLECTING:
        return _collecting_progress(round_)
    if round_.status == Round.Status.TRAINING:
        return _training_progress(round_)
    sentences = {
        Round.Status.SELECTING: _("Choosing what to ask."),
        Round.Status.JUDGING: _("Comparing the candidate with the serving version."),
    }
    return Progress(0, 0, str(sentences.get(Round.Status(round_.status), "")))


def _scoring_progress(round_: Round) -> Progress:
    scoring = Scoring.objects.filter(version=round_.version_id).order_by("-created_at").first()
    if scoring is None:
        return Progress(0, 0, _("Scoring is about to start."))
    shards = scoring.shards.aggregate(
        done=Sum("samples", filter=Q(status=ScoringShard.Status.DONE)),
        total=Sum("samples"),
    )
    done, total = shards["done"] or 0, scoring.samples_total or shards["total"] or 0
    return Progress(
        done,
        total,
        _("%(done)s of %(total)s samples scored.") % {"done": done, "total": total},
    )


def _collecting_progress(round_: Round) -> Progress:
    items = Pick.objects.filter(round=round_).exclude(item__state=Item.State.WITHDRAWN)
    numbers = items.aggregate(
        total=Count("id"), done=Count("id", filter=Q(item__state=Item.State.ANSWERED))
    )
    return Progress(
        numbers["done"],
        numbers["total"],
        _("%(done)s of %(total)s items answered; training starts at %(share)d %%.")
        % {**numbers, "share": round(100 * round_.campaign.train_when_answered)},
    )


def _training_progress(round_: Round) -> Progress:
    run = TrainingRun.objects.filter(round=round_).first()
    if run is None or run.status == TrainingRun.Status.QUEUED:
        return Progress(0, 0, _("Training waits for a free worker."))
    return Progress(
        run.step,
        run.steps_total,
        _("Training step %(done)s of %(total)s.") % {"done": run.step, "total": run.steps_total},
    )
