"""Pruning: what retired versions thought of the pool is forgotten, a little for every shard scored.

So the database holds about as many predictions as before a promotion, and nobody waits for
millions of rows to go. Kept is all of what serves, of what served before it, since that stands
in and is what one would go back to, and of any version that a round or a scoring still rests
on; and of every version what it thought of gold and of what was asked: that is history, and
relabelling reads it. Should a version that was pruned serve again, its pool is scored anew.
"""

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from annotation.models import Campaign, GoldItem, Item
from learning.models import ModelVersion, Prediction, Scoring, ScoringShard

# More than come in, so that an end is reached; few enough that nobody waits for the transaction.
TIMES = 2
FEW = 500


def make_room(shard: ScoringShard) -> int:
    """Forget about as many predictions of retired versions as the shard has brought, and more."""
    return forget_retired(shard.scoring.campaign, most=TIMES * shard.samples)


def forget_retired(campaign: Campaign, *, most: int) -> int:
    """Delete at most so many predictions of the pool that nothing needs; return how many."""
    if most < 1 or not _retired(campaign).exists():
        return 0
    with transaction.atomic():
        # Alone with the campaign: no version can begin to serve meanwhile.
        Campaign.objects.select_for_update().get(pk=campaign.pk)
        version = _retired(campaign).first()
        return _forget(version, most=most) if version else 0


def _forget(version: ModelVersion, *, most: int) -> int:
    scorings = version.scorings.exclude(status=Scoring.Status.RUNNING)
    # First of all: what is no longer whole must not be taken for scored.
    scorings.filter(status=Scoring.Status.DONE).update(status=Scoring.Status.STOPPED)
    history = [rows.objects.filter(sample=OuterRef("sample")) for rows in (Item, GoldItem)]
    pool = Prediction.objects.filter(*(~Exists(rows) for rows in history), version=version)
    gone = list(pool.order_by("sample").values_list("pk", flat=True)[:most])
    for start in range(0, len(gone), FEW):
        Prediction.objects.filter(pk__in=gone[start : start + FEW]).delete()
    if len(gone) < most:
        scorings.update(status=Scoring.Status.PRUNED)
    return len(gone)


def _retired(campaign: Campaign) -> QuerySet[ModelVersion]:
    """Return the versions whose pool nobody needs and that was not wholly forgotten yet."""
    old = (Scoring.Status.DONE, Scoring.Status.STOPPED)
    scored = campaign.model_versions.filter(scorings__status__in=old)
    return scored.exclude(pk__in=_needed(campaign)).order_by("number").distinct()


def _needed(campaign: Campaign) -> set[int]:
    served = campaign.deployments.order_by("-number").values_list("version", flat=True)
    last = list(dict.fromkeys(served[:100]))[:2]
    running = campaign.scorings.filter(status=Scoring.Status.RUNNING)
    # What was scored whole last stands in for the next version, served or not.
    whole = campaign.scorings.filter(status=Scoring.Status.DONE).order_by("-created_at")
    resting = [*running.values_list("version", "previous")]
    rounds = campaign.rounds.open().values_list("version", flat=True)
    return {
        *last,
        *rounds,
        *whole.values_list("version", flat=True)[:1],
        *(pk for pair in resting for pk in pair if pk),
    }
