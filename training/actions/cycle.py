"""What turns the wheel: looks at a campaign and does whatever is due.

Each step is a compare-and-set on the round, so it may run twice, late, or on two machines at
once; whoever comes second finds it done. Heavy work is never done here: it is returned, for
the door to hand to the workers.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from annotation.actions.campaigns import finish_campaign, pause_campaign
from annotation.actions.consensus import refit, stale_languages
from annotation.actions.pooling import Standings
from annotation.errors import TransientError, VernacularError
from annotation.models import Campaign, Consensus, Item
from learning.actions.duplicates import due_searches, open_searches, worth_waiting
from learning.actions.looks import due_looks, looks_to_wait_for
from learning.actions.pools import askable
from learning.actions.round_words import (
    JUDGING_FAILED,
    NOTHING_TAUGHT,
    SCORING_FAILED,
    TRAINING_FAILED,
)
from learning.actions.rounds import open_round, select_round
from learning.actions.scoring import (
    likely_scored,
    open_scoring,
    reclaim_shards,
    retry_failed_shards,
)
from learning.actions.serving import serving_version
from learning.models import ModelVersion, Round, Scoring, ScoringShard
from training.actions.aborts import abort_note
from training.actions.claims import claimable
from training.actions.dispatches import Work
from training.actions.gold_answers import tend_gold
from training.actions.hindsight import record_stops
from training.actions.priors import priors_of
from training.actions.promotion import promote
from training.actions.runs import open_run
from training.models import TrainingRun, Verdict

Status = Round.Status

# Between two estimates of one language while answers still come in.
REFIT_EVERY = timedelta(seconds=15)
# A judging that was begun so often and never ended will not end by itself.
MOST_JUDGINGS = 5
UNFINISHED = (ScoringShard.Status.QUEUED, ScoringShard.Status.RUNNING)
# More steps than one round has: whoever gets here walks in a circle.
MOST_STEPS = 12


def advance(campaign: Campaign, *, now: datetime) -> list[Work]:
    """Do what is due in a running campaign and return what workers have to do next."""
    works: list[Work] = []
    for _ in range(MOST_STEPS):
        campaign.refresh_from_db()
        if campaign.status != Campaign.Status.RUNNING:
            return works
        round_ = campaign.rounds.open().select_related("version").first()
        before = (round_.pk, round_.status) if round_ else None
        works = _STEPS[round_.status](round_, now) if round_ else _begin(campaign, now)
        round_ = campaign.rounds.open().first()
        if ((round_.pk, round_.status) if round_ else None) == before:
            return [*works, *tend_gold(campaign, now=now)]
    return works


def _begin(campaign: Campaign, now: datetime) -> list[Work]:
    version = serving_version(campaign)
    if version is None:
        return [Work("training.tasks.prepare", {"campaign_id": campaign.pk})]
    if _next_round(campaign, version=version, now=now):
        retry_failed_shards(open_scoring(version, now=now))
    return []


def _next_round(campaign: Campaign, *, version: ModelVersion, now: datetime) -> Round | None:
    """Open the next round, or finish the campaign after its last one; None if there is none.

    Whoever looked a moment ago and saw no open round may find one that somebody else has opened
    since: that one is not over, however few rounds the campaign has.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if campaign.status != Campaign.Status.RUNNING:
            return None
        last = campaign.rounds.order_by("-number").first()
        if last and last.status not in Round.OVER:
            return None
        if last and campaign.max_rounds is not None and last.number >= campaign.max_rounds:
            finish_campaign(campaign)
            return None
        if not _something_to_ask(campaign, version=version):
            return None
        return open_round(campaign, now=now)


def _something_to_ask(campaign: Campaign, *, version: ModelVersion) -> bool:
    """Tell whether a round could ask anything; an empty one is not opened again and again."""
    return askable(campaign, version=version).exists()


def _score(round_: Round, now: datetime) -> list[Work]:
    scoring = _scoring_of(round_) or open_scoring(round_.version, now=now)
    if likely_scored(round_.version):
        searches = _searches(round_.version, now=now)
        if not worth_waiting(round_.version):
            _move(round_, to=Status.SELECTING)
        return searches
    waited_for = scoring.shards.filter(likely=True)
    if not waited_for.exists():
        waited_for = scoring.shards.all()
    failed = waited_for.filter(status=ScoringShard.Status.FAILED).first()
    if failed and not waited_for.filter(status__in=UNFINISHED).exists():
        _give_up(round_, note=SCORING_FAILED % {"error": failed.error}, now=now)
        return []
    return _shards_of(scoring, now=now)


def _scoring_of(round_: Round) -> Scoring | None:
    """Return the scoring that was cut for the round; what comes in later is for the next one."""
    cut = Q(status=Scoring.Status.RUNNING) | Q(created_at__gte=round_.opened_at)
    scorings = round_.version.scorings.exclude(status=Scoring.Status.STOPPED)
    return scorings.filter(cut).order_by("-created_at").first()


def _shards_of(scoring: Scoring, *, now: datetime) -> list[Work]:
    ids = reclaim_shards(scoring, now=now)
    return [Work("learning.tasks.score_shard", {"shard_id": shard_id}) for shard_id in ids]


def _searches(version: ModelVersion, *, now: datetime) -> list[Work]:
    open_searches(version)
    ids = due_searches(version, now=now)
    return [Work("learning.tasks.find_duplicates", {"search_id": pk}) for pk in ids]


def _behind(round_: Round, now: datetime) -> list[Work]:
    """Return what the round did not wait for; it goes on while people answer."""
    running = round_.version.scorings.filter(status=Scoring.Status.RUNNING).first()
    return _shards_of(running, now=now) if running else _searches(round_.version, now=now)


def _select(round_: Round, now: datetime) -> list[Work]:
    looks = due_looks(round_, now=now)
    if looks or looks_to_wait_for(round_):
        return [Work("learning.tasks.look_closer", {"look_id": pk}) for pk in looks]
    select_round(round_, now=now)
    return []


def _collect(round_: Round, now: datetime) -> list[Work]:
    enough = _enough(round_)
    # After a rollback the round's own version has no say in what people meant.
    version = serving_version(round_.campaign) or round_.version
    _refit(round_.campaign, version=version, now=now, at_once=enough)
    if enough:
        run = open_run(round_, now=now)
        if run is not None:
            return []
        if not _asked(round_).filter(state__in=Item.OPEN).exists():
            _close(round_, note=NOTHING_TAUGHT, now=now)
            return []
    owed = round_.campaign.languages.filter(active=True, items__state=Item.State.QUEUED)
    pushes = [
        Work("annotation.tasks.push", {"campaign_language_id": home.pk}) for home in owed.distinct()
    ]
    return [*pushes, *_behind(round_, now)]


def _asked(round_: Round) -> "QuerySet[Item]":
    """Return the round's items that can teach: not gold, not taken back, still taking part."""
    return (
        Item.objects.filter(pick__round=round_, campaign_language__active=True)
        .exclude(kind=Item.Kind.GOLD)
        .exclude(state=Item.State.WITHDRAWN)
    )


def _enough(round_: Round) -> bool:
    asked = _asked(round_)
    total = asked.count()
    answered = asked.filter(state=Item.State.ANSWERED).count()
    if round_.close_asked_at:
        return answered > 0 or not total
    return answered >= float(round_.campaign.train_when_answered) * total


def _refit(campaign: Campaign, *, version: ModelVersion, now: datetime, at_once: bool) -> None:
    standings = Standings.of(campaign)
    for language in stale_languages(campaign, standings=standings):
        lately = Consensus.objects.filter(
            sample__campaign=campaign,
            sample__language=language,
            updated_at__gt=now - REFIT_EVERY,
        )
        if at_once or not lately.exists():
            priors = priors_of(version, language=language)
            refit(campaign, language=language, now=now, priors=priors, standings=standings)


def _train(round_: Round, now: datetime) -> list[Work]:
    run = TrainingRun.objects.get(round=round_)
    over = (TrainingRun.Status.FINISHED, TrainingRun.Status.ABORTED)
    if run.abort_asked_at and run.status in over:
        # Asked in the very last moment, a run may have got to its end: it is aborted all the same.
        _close(round_, note=abort_note(run), now=now)
    elif run.status == TrainingRun.Status.FINISHED:
        _move(round_, to=Status.JUDGING)
    elif run.status == TrainingRun.Status.FAILED:
        _give_up(round_, note=TRAINING_FAILED % {"error": run.error}, now=now)
    elif claimable(run.pk, now=lambda: now):
        return [Work("training.tasks.train", {"run_id": run.pk})]
    return []


def _judge(round_: Round, now: datetime) -> list[Work]:
    run = TrainingRun.objects.get(round=round_)
    gate = getattr(run, "gate", None)
    if gate is None and run.judgings >= MOST_JUDGINGS and run.error:
        _give_up(round_, note=JUDGING_FAILED % {"error": run.error}, now=now)
        return []
    if gate is None:
        return [Work("training.tasks.judge", {"run_id": run.pk})]
    note = " ".join(gate.reasons)
    if gate.verdict == Verdict.PASS:
        try:
            promote(gate)
        except TransientError:
            return []  # the storage is away; the next tick tries again
        except VernacularError as error:
            note = f"Not promoted: {error}"
    record_stops(round_)
    _close(round_, note=f"{gate.verdict}: {note}", now=now)
    return []


def _move(round_: Round, *, to: str) -> bool:
    return bool(Round.objects.filter(pk=round_.pk, status=round_.status).update(status=to))


def _close(round_: Round, *, note: str, now: datetime) -> None:
    _end(round_, status=Status.CLOSED, note=note, now=now)


def _give_up(round_: Round, *, note: str, now: datetime) -> None:
    """Fail the round and pause: the next one would fail the same way, and cost people answers."""
    _end(round_, status=Status.FAILED, note=note, now=now)
    pause_campaign(round_.campaign)


def _end(round_: Round, *, status: str, note: str, now: datetime) -> None:
    short = note if len(note) <= 300 else f"{note[:299]}…"
    Round.objects.filter(pk=round_.pk).exclude(status__in=Round.OVER).update(
        status=status, note=short, closed_at=now
    )


_STEPS: dict[str, Callable[[Round, datetime], list[Work]]] = {
    Status.SCORING: _score,
    Status.SELECTING: _select,
    Status.COLLECTING: _collect,
    Status.TRAINING: _train,
    Status.JUDGING: _judge,
}
