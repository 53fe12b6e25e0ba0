"""The loop as a whole, with the desk in memory and a network of a few thousand numbers."""

import pytest
from django.utils import timezone

from annotation.actions.campaigns import start_campaign
from annotation.models import Campaign, Consensus, GoldItem, Item, SampleImport
from learning.actions.rounds import open_round
from learning.actions.scoring import open_scoring
from learning.actions.serving import serving_version
from learning.actions.versions import initial_version
from learning.models import Deployment, Round, Scoring, ScoringShard
from tests.make import make_item, make_sample
from tests.training.wheel import Wheel, make_wheel
from training.actions import cycle, runs
from training.models import GateRun, SnapshotRow, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def finished(campaign):
    def over():
        campaign.refresh_from_db()
        return campaign.status == "finished"

    return over


def test_three_rounds_go_through_and_the_model_gets_better():
    campaign = make_wheel(max_rounds=3)
    wheel = Wheel(campaign)
    wheel.turn(until=finished(campaign))

    rounds = list(campaign.rounds.order_by("number"))
    assert [(r.number, r.status) for r in rounds] == [(1, "closed"), (2, "closed"), (3, "closed")]
    gates = list(GateRun.objects.order_by("run__round__number"))
    assert gates[0].verdict == "PASS", gates[0].reasons
    assert rounds[0].note.startswith("PASS: Shown not to be worse in all 2 languages.")
    assert [g.run.round for g in gates] == rounds
    first, serving = campaign.model_versions.get(number=1), serving_version(campaign)
    for language in ("wo", "qu"):
        before = first.evaluations.get(language__tag=language).macro_f1
        after = serving.evaluations.get(language__tag=language).macro_f1
        assert after > before + 0.2

    promoted = [g for g in gates if g.verdict == "PASS"]
    assert campaign.deployments.count() == 1 + len(promoted)
    gold = GoldItem.objects.values("sample")
    assert not SnapshotRow.objects.filter(sample__in=gold).exists()
    assert not Item.objects.filter(sample__in=gold).exclude(kind="gold").exists()


def test_later_rounds_learn_the_new_and_replay_the_old():
    campaign = make_wheel(max_rounds=2)
    Wheel(campaign).turn(until=finished(campaign))
    first, second = TrainingRun.objects.order_by("round__number")
    assert first.snapshot.samples == first.snapshot.fresh_samples
    assert second.base == first.candidate
    learned = set(first.snapshot.rows.values_list("sample", flat=True))
    fresh = set(second.snapshot.rows.filter(fresh=True).values_list("sample", flat=True))
    assert second.snapshot.samples > second.snapshot.fresh_samples > 0
    # What people said is weighed anew, but only new answers make a sample fresh.
    assert not learned & fresh


def test_asked_again_and_again_nothing_happens_twice():
    campaign = make_wheel(max_rounds=1)
    wheel = Wheel(campaign)
    advance = cycle.advance

    def often(campaign, *, now):
        advance(campaign, now=now)
        advance(campaign, now=now)
        return advance(campaign, now=now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cycle, "advance", often)
        patch.setattr("learning.actions.scoring.GIVEN_OUT", 10_000)
        patch.setattr("training.actions.cycle.reclaim_shards", every_shard)
        wheel.turn(until=finished(campaign))
    assert campaign.rounds.count() == TrainingRun.objects.count() == GateRun.objects.count() == 1
    assert campaign.deployments.count() <= 2


def every_shard(scoring, *, now):
    return list(scoring.shards.filter(status="queued").values_list("pk", flat=True))


def test_paused_campaign_starts_nothing():
    campaign = make_wheel()
    wheel = Wheel(campaign)
    wheel.turn(until=lambda: campaign.rounds.filter(status="collecting").exists(), answering=False)
    campaign.status = "paused"
    campaign.save()
    assert cycle.advance(campaign, now=timezone.now()) == []
    assert campaign.rounds.get().status == "collecting"


def collecting(wheel):
    wheel.turn(until=lambda: Item.objects.filter(state="pushed").exists(), answering=False)
    return wheel.campaign.rounds.get()


def test_somebody_may_close_the_collecting_but_not_with_nothing():
    campaign = make_wheel()
    wheel = Wheel(campaign)
    round_ = collecting(wheel)
    Round.objects.update(close_asked_at=timezone.now())
    cycle.advance(campaign, now=timezone.now())
    assert campaign.rounds.get().status == "collecting"

    item = Item.objects.filter(pick__round=round_, kind="acquisition", state="pushed").first()
    user = item.sample.language.annotators.get().user
    wheel.desk.annotate(item.desk_task_id, user_id=user.desk_user_id, label="admin")
    wheel.turn(
        until=lambda: TrainingRun.objects.filter(status="finished").exists(), answering=False
    )
    run = TrainingRun.objects.get()
    assert [row.sample_id for row in run.snapshot.rows.all()] == [item.sample_id]


def test_training_waits_for_enough_answers():
    campaign = make_wheel(train_when_answered="0.90")
    wheel = Wheel(campaign)
    collecting(wheel)
    for _ in range(4):
        wheel.turn(until=iter([False, True]).__next__, answering=False)
    assert campaign.rounds.get().status == "collecting"
    assert not TrainingRun.objects.exists()


def test_failed_run_pauses_the_campaign_and_the_next_round_opens_when_it_goes_on(monkeypatch):
    campaign = make_wheel()
    wheel = Wheel(campaign)
    with monkeypatch.context() as patch:
        patch.setattr("training.methods.loop.fit", broken)
        wheel.turn(until=lambda: campaign.rounds.filter(status="failed").exists())
    round_ = campaign.rounds.get(number=1)
    assert round_.note == "Training failed: RuntimeError: no more memory"
    campaign.refresh_from_db()
    assert campaign.status == "paused"
    start_campaign(campaign)
    wheel.turn(until=lambda: TrainingRun.objects.filter(status="finished").exists())
    assert campaign.rounds.get(status="training").number == 2


def test_judging_that_never_works_is_given_up_with_its_reason(monkeypatch):
    campaign = make_wheel()
    wheel = Wheel(campaign)
    monkeypatch.setattr("training.actions.gates.judge", broken)
    wheel.turn(until=lambda: campaign.rounds.filter(status="failed").exists())
    assert campaign.rounds.get().note == "Judging failed: RuntimeError: no more memory"
    assert TrainingRun.objects.get().judgings == cycle.MOST_JUDGINGS
    campaign.refresh_from_db()
    assert campaign.status == "paused"


def broken(*_, **__):
    raise RuntimeError("no more memory")


def test_scoring_that_cannot_be_done_pauses_the_campaign_and_says_why():
    campaign = make_wheel()
    wheel = Wheel(campaign)
    for work in cycle.advance(campaign, now=timezone.now()):
        wheel.work(work)
    cycle.advance(campaign, now=timezone.now())
    ScoringShard.objects.update(status="failed", error="it lacks memory")
    cycle.advance(campaign, now=timezone.now())
    campaign.refresh_from_db()
    assert campaign.status == "paused"
    assert campaign.rounds.get().note == "Scoring failed: it lacks memory"
    campaign.status = "running"
    campaign.save()
    wheel.turn(until=lambda: campaign.rounds.filter(status="collecting").exists())


def test_empty_pool_opens_no_round_until_something_comes():
    campaign = make_wheel(pool=10, items_per_round=20)
    wheel = Wheel(campaign)
    wheel.turn(until=lambda: campaign.rounds.filter(status="closed").exists())
    for _ in range(3):
        assert cycle.advance(campaign, now=timezone.now()) == []
    assert campaign.rounds.count() == 1


def opens_a_round(campaign):
    before = campaign.rounds.count()
    cycle.advance(campaign, now=timezone.now())
    return campaign.rounds.count() > before


def test_after_an_empty_round_whatever_can_be_asked_opens_one_however_old_it_is():
    campaign = make_wheel(pool=0, gold=1, dev=0)
    job = SampleImport.objects.create(campaign=campaign, path="p", format="csv", status="running")
    late = make_sample(campaign, "wo", "half read", sample_import=job)
    home = campaign.languages.get(language__tag="qu")
    make_sample(campaign, "qu", "resting")
    home.active = False
    home.save()
    version = initial_version(campaign)
    Round.objects.create(campaign=campaign, number=1, version=version, status="closed")
    assert not opens_a_round(campaign)

    SampleImport.objects.update(status="done")
    assert opens_a_round(campaign)
    Round.objects.update(status="closed")
    make_item(late, state="answered")
    assert not opens_a_round(campaign)
    home.active = True
    home.save()
    assert opens_a_round(campaign)


def test_what_can_never_be_asked_opens_no_round():
    campaign = make_wheel(pool=0, gold=1, dev=0)
    make_sample(
        campaign, "wo", GoldItem.objects.filter(sample__language__tag="wo").get().sample.text
    )
    nobody = make_sample(campaign, "qu", "nobody speaks it")
    nobody.language.annotators.update(active=False)
    spoilt = make_sample(campaign, "wo", "poison")
    version = initial_version(campaign)
    scoring = open_scoring(version, now=timezone.now())
    scoring.shards.update(status="done", spoilt=[spoilt.pk])
    assert not opens_a_round(campaign)
    nobody.language.annotators.update(active=True)
    assert opens_a_round(campaign)


def test_scoring_that_lost_its_worker_at_the_very_end_goes_on():
    campaign = make_wheel(pool=5)
    wheel = Wheel(campaign)
    wheel.turn(until=lambda: Scoring.objects.filter(status="done").exists(), answering=False)
    Scoring.objects.update(status="running")
    Round.objects.update(status="scoring")
    wheel.turn(until=lambda: campaign.rounds.filter(status="collecting").exists(), most=5)


def test_rolled_back_meanwhile_a_candidate_is_not_promoted(monkeypatch):
    """What was judged against one version does not replace another."""
    campaign = make_wheel(max_rounds=2)
    wheel = Wheel(campaign)
    wheel.turn(until=lambda: campaign.rounds.filter(number=1, status="closed").exists())
    first = campaign.model_versions.get(number=1)
    wheel.turn(
        until=lambda: (
            campaign.rounds.filter(number=2, status="judging").exists()
            or TrainingRun.objects.filter(round__number=2, status="finished").exists()
        )
    )
    from training.actions.promotion import rollback

    rollback(campaign, to_version=first, actor=None, reason="it told people nonsense")
    GateRun.objects.filter(run__round__number=2).update(verdict="PASS")
    judged = TrainingRun.objects.get(round__number=2)
    wheel._judge(judged.pk)
    GateRun.objects.filter(run=judged).update(verdict="PASS")
    wheel.turn(until=lambda: campaign.rounds.filter(number=2, status="closed").exists())
    assert serving_version(campaign) == first
    assert "Not promoted" in campaign.rounds.get(number=2).note


def test_run_is_opened_once_by_two_who_see_the_same_round():
    campaign = make_wheel()
    wheel = Wheel(campaign)
    wheel.turn(until=lambda: campaign.rounds.filter(status="training").exists())
    round_ = campaign.rounds.get()
    round_.status = "collecting"  # as the slower one still sees it
    again = runs.open_run(round_, now=timezone.now())
    assert again == TrainingRun.objects.get()
    assert Consensus.objects.exists()
    assert Deployment.objects.count() == 1


def test_round_that_somebody_opened_a_moment_ago_is_not_taken_for_the_last(monkeypatch):
    campaign = make_wheel(max_rounds=1)
    initial_version(campaign)

    def serving_at_last(one):
        # Another worker is quicker, just after we saw that no round is open.
        version = serving_version(one)
        open_round(one, now=timezone.now())
        return version

    monkeypatch.setattr(cycle, "serving_version", serving_at_last)
    cycle.advance(campaign, now=timezone.now())
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.RUNNING
    assert campaign.rounds.get().status == Round.Status.SCORING
