"""The loop and scoring: what a round waits for, and what goes on behind it."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from learning.actions import cutting
from learning.models import Look, Prediction, Round, Scoring, ScoringShard
from tests.make import make_sample
from tests.training.wheel import Wheel, make_wheel
from training.actions import cycle

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def status(campaign) -> str:
    return campaign.rounds.latest("number").status


def test_what_is_imported_all_the_time_keeps_no_round_waiting():
    campaign = make_wheel(pool=30)
    wheel = Wheel(campaign)
    for turn in range(12):
        make_sample(campaign, "wo", text=f"late {turn}")
        for work in cycle.advance(campaign, now=timezone.now()):
            wheel.work(work)
        if campaign.rounds.filter(status=Round.Status.COLLECTING).exists():
            break
    assert status(campaign) == "collecting"
    assert Scoring.objects.count() == 1
    round_ = campaign.rounds.get()
    late = campaign.samples.filter(text__startswith="late").order_by("-pk").first()
    assert not late.predictions.exists()
    round_.status = Round.Status.CLOSED
    round_.save()
    wheel.turn(until=lambda: late.predictions.exists(), answering=False, most=5)


def test_people_are_asked_while_what_is_unlikely_is_still_scored(monkeypatch):
    monkeypatch.setattr(cutting, "LIKELY", 1)
    monkeypatch.setattr(cutting, "LEAST_LIKELY", 4)
    campaign = make_wheel(pool=90, gold=4, dev=4, items_per_round=6)
    wheel, scored = Wheel(campaign), []
    monkeypatch.setattr("learning.actions.scoring.GIVEN_OUT", 1)
    select = cycle.select_round

    def watched(round_, *, now):
        scored.append(Prediction.objects.count())
        return select(round_, now=now)

    monkeypatch.setattr(cycle, "select_round", watched)
    wheel.turn(until=lambda: Scoring.objects.filter(status="done").exists(), answering=False)
    # gold, and the likely of both languages: the others were scored while people answered
    assert scored == [16 + 2 * 6]
    assert Prediction.objects.count() == 16 + 2 * 90
    assert status(campaign) == "collecting"


def test_unlikely_shard_that_fails_fails_no_round(monkeypatch):
    monkeypatch.setattr(cutting, "LIKELY", 1)
    monkeypatch.setattr(cutting, "LEAST_LIKELY", 4)
    campaign = make_wheel(pool=90, gold=4, dev=4, items_per_round=6)
    wheel = Wheel(campaign)
    wheel.turn(until=lambda: Scoring.objects.exists(), answering=False)
    ScoringShard.objects.filter(likely=False).update(status="failed", error="no memory")
    wheel.turn(until=lambda: campaign.rounds.filter(status="collecting").exists(), answering=False)
    campaign.rounds.update(status="closed")
    cycle.advance(campaign, now=timezone.now())
    assert not ScoringShard.objects.filter(status="failed").exists()


def test_texts_that_say_nearly_the_same_are_asked_once():
    campaign = make_wheel(pool=0, gold=4, dev=4, items_per_round=60, near_duplicates="0.800")
    for n in range(60):
        same = n % 3
        make_sample(
            campaign, "wo", text=f"please do change your password number {same} now{'!' * n}"
        )
    wheel = Wheel(campaign)
    wheel.turn(until=lambda: campaign.rounds.filter(status="collecting").exists(), answering=False)
    assert wheel.done.index("find_duplicates") > wheel.done.index("score_shard")
    picks = campaign.rounds.get().picks.exclude(slot="gold")
    asked = [pick.item.sample_id for pick in picks]
    stood_for = [int(pk) for pick in picks for pk in pick.duplicates]
    assert len(asked) < 10
    assert len(asked) + len(stood_for) == 60
    assert set(asked) | set(stood_for) == set(
        campaign.samples.filter(gold=None).values_list("pk", flat=True)
    )


def test_round_waits_for_a_closer_look_and_goes_on_when_it_is_over(monkeypatch):
    campaign = make_wheel(pool=40, gold=4, dev=4, items_per_round=6, strategy="batch_bald")

    def scattered(version, *, texts, languages, passes, seed):
        rng = np.random.default_rng(seed)
        return rng.dirichlet([0.5] * 3, size=(len(texts), passes)).astype(np.float32)

    monkeypatch.setattr("learning.inference.mc_probabilities", scattered)
    wheel = Wheel(campaign)
    while not Look.objects.exists():
        works = cycle.advance(campaign, now=timezone.now())
        for work in works:
            if work.task != "learning.tasks.look_closer":
                wheel.work(work)
    assert ([work.task for work in works], status(campaign)) == (
        ["learning.tasks.look_closer"],
        "selecting",
    )
    Look.objects.update(status="running", lease_until=timezone.now() + timedelta(minutes=1))
    assert cycle.advance(campaign, now=timezone.now()) == []
    Look.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    wheel.turn(until=lambda: status(campaign) == "collecting", answering=False)
    assert "look_closer" in wheel.done
    asked = campaign.rounds.get().picks.exclude(slot__in=("gold", "audit"))
    assert set(asked.values_list("strategy", flat=True)) == {"batch_bald"}
